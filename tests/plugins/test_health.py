"""The callback ``health`` in runs: what it tells, records and does, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.api import Batch, GanforgeError, NotFiniteError, Run
from ganforge_callbacks.history import History

MakeRun = Callable[..., Run]

STEPS = "train={steps: 60, batch_size: 8}"


def health(**options: Any) -> str:
    return "callbacks=" + json.dumps([{"use": "health", "every": 4, **options}])


def frozen(run: Run, name: str = "generator") -> Run:
    """The run with a network whose rate is 0."""
    for group in run.trainer.optimizers[name].param_groups:
        group["lr"] = 0.0
    return run


def rows(run: Run) -> list[dict[str, Any]]:
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_change_is_told_recorded_and_summed_up(make_run: MakeRun) -> None:
    told: list[str] = []
    run = frozen(make_run(STEPS, health(), tell=told.append))
    assert run.play() == "finished"
    (line,) = told
    assert line.startswith("step 8: health: generator vanishing: network 'generator' has stopped")
    assert "Raise optimizer.generator.lr" in line
    found = [row for row in rows(run) if "health" in row]
    assert [(row["step"], row["health"]) for row in found] == [(8, "generator vanishing")]
    assert found[0]["evidence"] in line
    assert found[0]["advice"] in line
    assert len(rows(run)) == 60  # in the row of its step
    assert run.callbacks["health"].summary(run) == [
        "health      generator vanishing from step 8 to the end"
    ]
    history = History(run.folder / "metrics.jsonl")
    history.read()
    assert history.spans() == [("generator vanishing", 8, 60)]
    assert (run.folder / "plots" / "losses.png").stat().st_size > 10_000


def test_it_recovers_after_three_looks(make_run: MakeRun) -> None:
    told: list[str] = []
    run = frozen(make_run(STEPS, health(), tell=told.append))
    step = run.trainer.step

    def thawing(*arguments: Any) -> Any:
        if run.clock.step == 20:
            for group in run.trainer.optimizers["generator"].param_groups:
                group["lr"] = 1e-3
        return step(*arguments)

    run.trainer.step = thawing  # type: ignore[method-assign]
    run.play()
    assert told[1:2] == ["step 32: health: ok again, after generator vanishing"]
    assert "from step 8 to 32" in run.callbacks["health"].summary(run)[0]


def test_a_run_that_is_well_says_nothing(make_run: MakeRun) -> None:
    run = make_run(STEPS, health())  # a line would fail the test
    run.play()
    assert not any("health" in row for row in rows(run))
    assert run.callbacks["health"].summary(run) == ["health      ok"]


def test_it_can_stop_the_run(make_run: MakeRun) -> None:
    told: list[str] = []
    stop = health(policy={"generator vanishing": "stop"})
    run = frozen(make_run(STEPS, stop, tell=told.append))
    assert run.play() == "stopped"
    assert run.clock.step == 8
    assert run.stop_reason == "Health: generator vanishing"


def test_it_can_go_back_and_gives_up_in_the_end(make_run: MakeRun) -> None:
    told: list[str] = []
    back = health(policy={"generator vanishing": "rollback"})
    run = make_run("train={steps: 60, batch_size: 8, max_rollbacks: 2}", back, tell=told.append)
    frozen(run)
    with pytest.raises(GanforgeError) as caught:
        run.play()
    assert not isinstance(caught.value, NotFiniteError)
    assert "generator vanishing" in caught.value.message
    assert "the run has gone back 2 times" in caught.value.message
    assert next(line for line in told if "going back to step 0" in line).endswith("(1 of 2)")
    assert run.trainer.rollbacks == 2


def test_nan_is_told_at_the_end(make_run: MakeRun) -> None:
    run = make_run(STEPS, health(), tell=lambda line: None)
    feed, real = run.trainer.feed, run.trainer.feed.next

    def next_batch() -> Batch:
        batch = real()
        bad = float("nan") if run.trainer.step_count == 9 else 1.0
        return Batch(batch.samples * bad, batch.labels)

    feed.next = next_batch  # type: ignore[method-assign]
    with pytest.raises(NotFiniteError):
        run.play()
    assert rows(run)[-1]["health"] == "non-finite"
    assert "the real samples were not finite" in rows(run)[-1]["evidence"]
    assert isinstance(run.fault, NotFiniteError)


def test_updates_that_are_skipped_are_told(make_run: MakeRun) -> None:
    told: list[str] = []
    run = make_run("train={steps: 60, batch_size: 8, not_finite: skip}", health(), tell=told.append)
    feed, real = run.trainer.feed, run.trainer.feed.next

    def next_batch() -> Batch:
        batch = real()
        bad = float("nan") if run.trainer.step_count == 9 else 1.0
        return Batch(batch.samples * bad, batch.labels)

    feed.next = next_batch  # type: ignore[method-assign]
    assert run.play() == "finished"
    assert any("health: non-finite: 1 updates of the last 4 steps" in line for line in told)
    assert any("health: ok again, after non-finite" in line for line in told)


def test_a_resumed_run_knows_what_was_seen(make_run: MakeRun, tmp_path: Path) -> None:
    told: list[str] = []
    whole = frozen(make_run("train={steps: 24, batch_size: 8}", health(), tell=told.append))
    whole.play()

    first = frozen(make_run("train={steps: 24, batch_size: 8}", health(), tell=told.append))
    first._first_step = 0
    step = first.trainer.step

    def stopping(*arguments: Any) -> Any:
        if first.clock.step == 10:
            first.request_stop("asked")
        return step(*arguments)

    first.trainer.step = stopping  # type: ignore[method-assign]
    assert first.play() == "stopped"
    state = first.state_dict()
    again = frozen(
        make_run(
            "train={steps: 24, batch_size: 8}", health(), folder=first.folder, tell=told.append
        )
    )
    again.load_state_dict(state)
    assert again.play() == "finished"
    one, other = (run.callbacks["health"].state_dict() for run in (whole, again))
    assert one["changes"] == other["changes"]
    assert [look["step"] for look in one["looks"]] == [look["step"] for look in other["looks"]]
    assert one["first"] == other["first"]


def test_fakes_are_classified_in_every_second_look(make_run: MakeRun) -> None:
    run = make_run("train={steps: 20, batch_size: 8}", health())
    run.play()
    looks = run.callbacks["health"].state_dict()["looks"]
    assert [look["step"] for look in looks] == [4, 8, 12, 16, 20]
    assert [look["step"] for look in looks if "class_variety" in look["signs"]] == [8, 16]


def test_other_games_are_watched_too(make_run: MakeRun) -> None:
    run = make_run(
        "game={use: two_player, pack: 2}",
        "train={steps: 12, batch_size: 8}",
        "dataset={use: mixture}",
        "generator={use: mlp}",
        "discriminator={use: mlp}",
        health(),
    )
    run.play()
    looks = run.callbacks["health"].state_dict()["looks"]
    assert {"discriminator/separation", "update_generator"} <= set(looks[-1]["signs"])
    assert "class_variety" not in looks[-1]["signs"]
    assert all(torch.tensor(value).isfinite() for value in looks[-1]["signs"].values())
