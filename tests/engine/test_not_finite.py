"""A NaN in a batch, a weight or a gradient, under each policy: right outcome, words and weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge.api import AdversarialRound, Regularizer, Run
from ganforge.engine import checkpoint
from ganforge.engine.finite import NotFiniteError, not_finite
from ganforge.engine.game import Term

MakeRun = Callable[..., Run]
BAD_STEP = 4
OVERRIDES = (
    "train.steps=8",
    "game.d_steps=2",
    "ema={decay: 0.9}",
    "callbacks=[{use: checkpoint, every: 3 steps}, {use: sample_grid, enabled: false}, "
    "{use: loss_plot, enabled: false}]",
)


class Poison(Regularizer):
    """Counts its calls; in one play, unless it is played with other noise, its gradient is bad."""

    def __init__(self, phase: str) -> None:
        self.phase = phase  # type: ignore[misc]
        self.calls = 0
        self.bad_play: tuple[int | str, ...] | None = None

    def __call__(self, round: AdversarialRound) -> Tensor:
        scores = round.scores("real" if self.phase == "discriminator" else "fake")
        self.calls += 1
        if round.play.draw.counters == self.bad_play:
            # the root of 0 is 0, its slope infinite, and infinity times 0 not a number
            return (scores * 0.0).abs().sqrt().mean()
        return scores.mean() * 1e-3

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


def poisoned(run: Run, phase: str) -> Poison:
    """Add a term to a phase of a run."""
    poison = Poison(phase)
    trainer = run.trainer
    (index,) = (i for i, each in enumerate(trainer.phases) if each.name == phase)
    phases = list(trainer.phases)
    terms = (*phases[index].terms, Term("poison", poison))
    object.__setattr__(phases[index], "terms", terms)
    return poison


def spoil_batch(run: Run, times: int = 1) -> None:
    """The first batch of the bad step, and if wanted those behind it, hold a NaN."""
    feed, take = run.trainer.feed, run.trainer.feed.next
    left = [times]

    def next_batch() -> Any:
        batch = take()
        if feed.state_dict()["drawn"] > 2 * (BAD_STEP - 1) and left[0] > 0:
            left[0] -= 1
            batch.samples[0, 0, 3, 3] = math.nan
        return batch

    feed.next = next_batch  # type: ignore[method-assign]


def spoil_gradient(run: Run, phase: str) -> None:
    poisoned(run, phase).bad_play = (BAD_STEP - 1, phase, 0)


def spoil_weight(run: Run, network: str) -> None:
    """One weight, before the bad step."""
    feed, take = run.trainer.feed, run.trainer.feed.next
    done: list[int] = []

    def next_batch() -> Any:
        if feed.state_dict()["drawn"] == 2 * (BAD_STEP - 1) and not done:
            done.append(1)
            with torch.no_grad():
                next(run.trainer.networks[network].parameters()).view(-1)[5] = math.nan
        return take()

    feed.next = next_batch  # type: ignore[method-assign]


def networks(run: Run) -> dict[str, nn.Module]:
    averages = {f"{name}'s average": a.network for name, a in run.trainer.averages.items()}
    return {**run.trainer.networks, **averages}


def assert_finite(run: Run) -> None:
    """Every weight and buffer, and every moment of every optimizer."""
    assert {name: bad for name, net in networks(run).items() if (bad := not_finite(net))} == {}
    for optimizer in run.trainer.optimizers.values():
        for state in optimizer.state.values():
            assert all(torch.as_tensor(value).isfinite().all() for value in state.values())


def assert_equal(first: Any, second: Any) -> None:
    if isinstance(first, Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, list | tuple):
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        assert first == second


def rows(folder: Path) -> list[Any]:
    def refuse(word: str) -> None:
        pytest.fail(f"{word} is not JSON")

    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def newest(run: Run, tell: Callable[[str], Any] = pytest.fail) -> checkpoint.Loaded:
    return checkpoint.load_newest(run.checkpoints, device=torch.device("cpu"), tell=tell)


SPOILS = {
    "batch": (spoil_batch, (), "discriminator", "term 'adversarial'"),
    "gradient of D": (spoil_gradient, ("discriminator",), "discriminator", "(term 'poison', gra"),
    "gradient of G": (spoil_gradient, ("generator",), "generator", "(term 'poison', gradient"),
    "weight of G": (spoil_weight, ("generator",), "discriminator", "term 'adversarial'"),
    "weight of D": (spoil_weight, ("discriminator",), "discriminator", "term 'adversarial'"),
}


@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("spoil", ["batch", "gradient of D", "gradient of G"])
def test_stop_saves_the_state_before_it(make_run: MakeRun, spoil: str, micro_batches: int) -> None:
    """With the cause gone, the resumed run ends as one that never had it, bit for bit."""
    settings = (*OVERRIDES, f"train.micro_batches={micro_batches}")
    function, arguments, phase, words = SPOILS[spoil]
    told: list[str] = []
    run = make_run(*settings, tell=told.append)
    function(run, *arguments)
    with pytest.raises(NotFiniteError) as caught:
        run.play()
    message = str(caught.value)
    assert message.startswith(f"step {BAD_STEP}: not finite any more: phase '{phase}' (")
    assert words in message
    assert f"gradient of network '{phase}'" in message
    assert message.endswith("; the real samples were not finite before") == (spoil == "batch")
    assert told == [
        f"Saved is step {BAD_STEP - 1}. To go on from there: ganforge resume {run.folder}"
    ]
    assert_finite(run)

    straight, again = make_run(*settings), make_run(*settings, folder=run.folder)
    if "gradient" in spoil:
        poisoned(straight, phase)
        poisoned(again, phase)
    straight.play()
    again.load_state_dict(newest(run).state)
    again.play()
    assert_equal(again.trainer.state_dict(), straight.trainer.state_dict())
    assert [row["step"] for row in rows(run.folder)] == list(range(1, 9))


def test_the_state_before_the_generators_play_is_within_a_step(make_run: MakeRun) -> None:
    """The discriminator has stepped twice already, and that is not lost."""
    run = make_run(*OVERRIDES, "callbacks.0.every=100 steps", tell=lambda line: None)
    spoil_gradient(run, "generator")
    with pytest.raises(NotFiniteError):
        run.play()
    state = newest(run).state["trainer"]
    assert (state["step"], state["played"]) == (BAD_STEP - 1, 2)
    assert_equal(
        state["networks"]["discriminator"], run.trainer.networks["discriminator"].state_dict()
    )


@pytest.mark.parametrize("policy", ["stop", "skip"])
@pytest.mark.parametrize("spoil", ["weight of G", "weight of D"])
def test_a_bad_weight_is_named_and_never_saved(make_run: MakeRun, spoil: str, policy: str) -> None:
    """To skip updates would not help it, so that ends the run too."""
    told: list[str] = []
    run = make_run(*OVERRIDES, f"train.not_finite={policy}", tell=told.append)
    function, arguments, phase, words = SPOILS[spoil]
    function(run, *arguments)
    with pytest.raises(NotFiniteError) as caught:
        run.play()
    message = str(caught.value)
    assert message.startswith(f"step {BAD_STEP}: not finite any more: phase '{phase}' (")
    assert words in message
    assert f"; weights of network '{arguments[0]}' were not finite before: " in message
    assert told == [f"Saved is step 3. To go on from there: ganforge resume {run.folder}"]
    assert list(checkpoint.steps(run.checkpoints)) == [3]
    run.load_state_dict(newest(run).state)
    assert_finite(run)


@pytest.mark.parametrize("spoil", ["batch", "gradient of D", "gradient of G"])
def test_skip_leaves_one_update_out(make_run: MakeRun, spoil: str) -> None:
    told: list[str] = []
    run = make_run(*OVERRIDES, "train.not_finite=skip", tell=told.append)
    function, arguments, phase, words = SPOILS[spoil]
    function(run, *arguments)
    assert run.play() == "finished"
    (line,) = told
    assert line.startswith(f"step {BAD_STEP}: not finite any more: phase '{phase}' (")
    assert words in line
    assert line.endswith("; this update is skipped")
    assert_finite(run)
    taken = {n: int(o.state_dict()["state"][0]["step"]) for n, o in run.trainer.optimizers.items()}
    assert taken == {
        "discriminator": 16 - (phase == "discriminator"),
        "generator": 8 - (phase == "generator"),
    }
    recorded = rows(run.folder)
    assert [row["step"] for row in recorded] == list(range(1, 9))
    holes = [(row["step"], k) for row in recorded for k, value in row.items() if value is None]
    assert all(step == BAD_STEP and name.startswith(phase) for step, name in holes)
    assert bool(holes) == (spoil == "batch")


def test_skipping_has_an_end(make_run: MakeRun) -> None:
    """The run stops with the last state that was whole, and finite."""
    told: list[str] = []
    run = make_run(*OVERRIDES, "train.not_finite=skip", "train.max_skips=3", tell=told.append)
    spoil_batch(run, times=1000)
    with pytest.raises(NotFiniteError, match="the 3 updates of this phase before it were skipped"):
        run.play()
    assert_finite(run)
    run.load_state_dict(newest(run).state)
    assert_finite(run)


@pytest.mark.parametrize("spoil", SPOILS)
def test_rollback_goes_back_and_tries_other_noise(make_run: MakeRun, spoil: str) -> None:
    told: list[str] = []
    run = make_run(*OVERRIDES, "train.not_finite=rollback", tell=told.append)
    function, arguments, phase, words = SPOILS[spoil]
    function(run, *arguments)
    assert run.play() == "finished"
    (line,) = told
    assert line.startswith(f"step {BAD_STEP}: not finite any more: phase '{phase}' (")
    assert words in line
    assert line.endswith("; going back to step 3 with other noise (1 of 3)")
    assert_finite(run)
    assert run.trainer.rollbacks == 1
    assert [row["step"] for row in rows(run.folder)] == list(range(1, 9))

    straight = make_run(*OVERRIDES)
    straight.play()
    weights = [r.trainer.networks["generator"].state_dict() for r in (run, straight)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_going_back_has_an_end(make_run: MakeRun) -> None:
    """There is a checkpoint to go back to from the first step on."""
    told: list[str] = []
    settings = ("train.not_finite=rollback", "train.max_rollbacks=2", "callbacks.0.every=9 steps")
    run = make_run(*OVERRIDES, *settings, tell=told.append)
    spoil_batch(run, times=1000)
    with pytest.raises(NotFiniteError, match="; the run has gone back 2 times"):
        run.play()
    assert [line[-44:] for line in told[:2]] == [
        "; going back to step 0 with other noise (1 of 2)"[-44:],
        "; going back to step 0 with other noise (2 of 2)"[-44:],
    ]
    assert list(checkpoint.steps(run.checkpoints)) == [0]


def test_a_resumed_run_knows_how_often_it_went_back(make_run: MakeRun) -> None:
    """Else it would draw the noise of before, and the bound would be none."""
    run = make_run(*OVERRIDES, "train.not_finite=rollback", tell=lambda line: None)
    spoil_batch(run)
    run.play()
    again = make_run(*OVERRIDES, "train.steps=10", folder=run.folder)
    again.load_state_dict(newest(run).state)
    assert again.trainer.rollbacks == 1
