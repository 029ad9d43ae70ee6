"""The callback ``evaluate``: rows, the best networks, patience, and that it disturbs nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.api import Run, UsageError
from ganforge.export import read
from ganforge.plugins import load_registry

MakeRun = Callable[..., Run]

MIXTURE = (
    "dataset={use: mixture, samples: 500}",
    "generator={use: mlp}",
    "discriminator={use: mlp}",
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))


def evaluate(**options: Any) -> str:
    return "callbacks=" + json.dumps([{"use": "evaluate", "samples": 200, **options}])


def rows(run: Run) -> list[dict[str, Any]]:
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def scripted(run: Run, values: list[float]) -> Run:
    """The run, whose evaluations find these values one after the other."""
    callback: Any = run.callbacks["evaluate"]
    start, found = callback.on_start, iter(values)

    def on_start(run: Run) -> None:
        start(run)
        evaluator, real = callback._evaluator, callback._evaluator.evaluate_run

        def evaluate_run(*arguments: Any, **options: Any) -> Any:
            made = real(*arguments, **options)
            values = {name: next(found) if name == made.main else 0.0 for name in made.values}
            return type(made)(values, made.better, made.protocol, made.seconds, made.floor)

        evaluator.evaluate_run = evaluate_run

    callback.on_start = on_start
    return run


def test_each_evaluation_is_in_the_row_of_its_step(make_run: MakeRun) -> None:
    run = make_run(*MIXTURE, "train.steps=10", evaluate(every="4 steps"))
    run.play()
    found = [row for row in rows(run) if "evaluate/mixture_modes" in row]
    assert [row["step"] for row in found] == [4, 8, 10]  # the last step too
    assert found[0]["better"] == {"mixture_modes": "higher", "high_quality": "higher"}
    assert len(rows(run)) == 10


def test_the_best_networks_are_kept_with_their_numbers(make_run: MakeRun) -> None:
    run = make_run(*MIXTURE, "train.steps=10", evaluate(every="2 steps"))
    weights = []
    best: Any = run.callbacks["evaluate"]
    keep = best._keep

    def keeping(run: Run, found: Any) -> None:
        keep(run, found)
        state = run.trainer.networks["generator"].state_dict()
        weights.append({name: value.clone() for name, value in state.items()})

    best._keep = keeping
    scripted(run, [3.0, 5.0, 4.0, 5.0, 2.0]).play()
    assert best.best_step == 4
    text = json.loads((run.folder / "best" / "evaluation.json").read_text())
    assert text["values"]["mixture_modes"] == 5.0
    assert text["protocol"]["step"] == 4
    assert text["protocol"]["samples"] == 200
    path = run.folder / "best" / "generator.safetensors"
    kept = read(path, load_registry(), device=torch.device("cpu"))
    assert kept.facts["step"] == 4
    assert kept.facts["dataset"]["use"] == "mixture"
    assert len(weights) == 2
    for name, value in kept.network.state_dict().items():
        assert value.equal(weights[-1][name])
    last, best_line = best.summary(run)
    assert "mixture_modes 2 at step 10 (real samples: 8)" in last
    assert f"mixture_modes 5 at step 4: {run.folder / 'best'}" in best_line


def test_patience_ends_the_run(make_run: MakeRun) -> None:
    run = make_run(*MIXTURE, "train.steps=40", evaluate(every="2 steps", patience=3))
    scripted(run, [3.0, 5.0, 4.0, 4.0, 4.0, 9.0])
    assert run.play() == "stopped"
    assert run.clock.step == 10
    assert run.stop_reason == "No better mixture_modes for 3 evaluations"


def test_a_resumed_run_remembers_the_best(make_run: MakeRun) -> None:
    first = make_run(*MIXTURE, "train.steps=6", evaluate(every="2 steps"))
    scripted(first, [3.0, 5.0, 4.0]).play()
    again = make_run(*MIXTURE, "train.steps=12", evaluate(every="2 steps"), folder=first.folder)
    again.load_state_dict(first.state_dict())
    scripted(again, [4.0, 6.0, 5.0]).play()
    callback: Any = again.callbacks["evaluate"]
    assert (callback.best[0], callback.best_step) == (6.0, 10)


def test_without_keep_best_there_is_no_folder(make_run: MakeRun) -> None:
    run = make_run(*MIXTURE, "train.steps=2", evaluate(every="1 step", keep_best=False))
    run.play()
    assert not (run.folder / "best").exists()


def test_what_would_fail_later_fails_before_the_first_step(make_run: MakeRun) -> None:
    images = "metrics=[{use: ms_ssim}]"
    run = make_run(*MIXTURE, evaluate(metrics=[{"use": "ms_ssim"}]))
    with pytest.raises(UsageError, match="ms_ssim needs pairs of images"):
        run.play()
    assert run.clock.step == 0, images


@pytest.mark.parametrize(("needed", "trials"), [(2, [64]), (65, [64, 200]), (201, [64, 200])])
def test_a_trial_takes_no_more_samples_than_it_must(
    make_run: MakeRun, needed: int, trials: list[int]
) -> None:
    run = make_run(*MIXTURE, "train.steps=2", evaluate())
    callback: Any = run.callbacks["evaluate"]
    seen: list[int] = []
    measure = run.facts.evaluator

    def measuring(*arguments: Any) -> Any:
        assert measure is not None
        found = measure(*arguments)
        evaluate_run = found.evaluate_run

        def counting(run: Run, *, count: int, **options: Any) -> Any:
            seen.append(count)
            if count < needed:
                raise UsageError("too few")
            return evaluate_run(run, count=count, **options)

        found.evaluate_run = counting
        return found

    run.facts = dataclasses.replace(run.facts, evaluator=measuring)
    if needed > 200:
        with pytest.raises(UsageError, match="too few"):
            callback.on_start(run)
    else:
        callback.on_start(run)
    assert seen == trials


@pytest.mark.parametrize("every", [3])
def test_evaluating_changes_no_bit_of_the_training(make_run: MakeRun, every: int) -> None:
    small = ("train.steps=12", "dataset.classes=[1]", "ema={decay: 0.9}")
    options = {"metrics": [{"use": "frechet_distance"}, {"use": "kernel_distance"}]}
    alone = make_run(*small)
    watched = make_run(*small, evaluate(every=f"{every} steps", references=300, **options))
    alone.play()
    watched.play()
    one, other = (run.trainer.state_dict() for run in (alone, watched))
    for group in ("networks", "averages", "optimizers"):
        assert str(one[group]) == str(other[group])
    for name, network in alone.trainer.networks.items():
        for key, value in network.state_dict().items():
            assert value.equal(watched.trainer.networks[name].state_dict()[key]), (name, key)


def test_nothing_to_measure_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(UsageError, match="metrics is an empty list"):
        make_run(*MIXTURE, evaluate(metrics=[]))
