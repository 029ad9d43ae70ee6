"""The way of accelerators, driven on the CPU: the device leaves a bad update out, nobody waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganforge.api import AdversarialRound, Run, Term
from ganforge.engine import watch
from ganforge.engine.callback import Facts
from ganforge.engine.finite import NotFiniteError, not_finite
from ganforge.engine.trainer import Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating

MakeTrainer = Callable[..., Trainer]
WAITS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "_to_copy_to_cpu")


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that make an accelerator wait for its result."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ in WAITS
        return func(*args, **(kwargs or {}))


def points() -> Tensor:
    return torch.randn(40, 2, generator=torch.Generator().manual_seed(1)) + 1.0


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)),
        "discriminator": nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)),
    }


class Poison:
    """Bad in one step's play of the discriminator, until the run goes back."""

    def __init__(self, bad_step: int | None) -> None:
        self.bad_step = bad_step

    def __call__(self, round: AdversarialRound) -> Tensor:
        bad = round.play.draw.counters == (self.bad_step, "discriminator", 0)
        return round.scores("real") * (math.nan if bad else 1e-3)


class Remembering(Poison):
    """The same with a state, which the device cannot put back."""

    def state_dict(self) -> dict[str, Any]:
        return {"bad_step": self.bad_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.bad_step = state["bad_step"]


def adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=0.01, fused=True)


def sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)


def slow(network: nn.Module) -> torch.optim.Optimizer:
    """An optimizer that cannot skip on the device."""
    return torch.optim.RMSprop(network.parameters(), lr=0.01)


def unfused(network: nn.Module) -> torch.optim.Optimizer:
    """One of which only another implementation can."""
    return torch.optim.Adam(network.parameters(), lr=0.01, fused=False)


@pytest.fixture
def make(make_trainer: MakeTrainer) -> Callable[..., Trainer]:
    def trainer(
        *,
        wait: bool,
        term: Poison | None = None,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer] = adam,
        **settings: Any,
    ) -> Trainer:
        game = TwoPlayer(loss=NonSaturating(), regularizers=[Term("poison", term or Poison(None))])
        players = networks()
        return make_trainer(
            game,
            players,
            points(),
            optimizers={name: optimizer(network) for name, network in players.items()},
            wait=wait,
            **settings,
        )

    return trainer


def state(trainer: Trainer) -> dict[str, Tensor]:
    """Weights, buffers, moments."""
    found = {
        f"{name}.{key}": value.clone()
        for name, network in trainer.networks.items()
        for key, value in network.state_dict().items()
    }
    for name, optimizer in trainer.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            for key, value in moments.items():
                found[f"{name}'s {key} {index}"] = torch.as_tensor(value).clone()
    return found


def changed(first: dict[str, Tensor], second: dict[str, Tensor]) -> set[str]:
    return {name.partition(".")[0] for name in first if not torch.equal(first[name], second[name])}


@pytest.mark.parametrize("optimizer", [adam, sgd])
def test_nobody_waits_and_the_bits_are_the_same(make: Any, optimizer: Any) -> None:
    one, other = (make(wait=wait, optimizer=optimizer) for wait in (True, False))
    one.step()
    other.step()  # the first step of momentum is waited for
    for _ in range(4):
        one.step()
        with Waits() as waits:
            other.step()
        assert waits.count == 0
    other.judge.settle()
    assert changed(state(one), state(other)) == set()
    with Waits() as waits:
        one.step()
    assert waits.count > 0  # so the count would show


@pytest.mark.parametrize("optimizer", [adam, sgd])
def test_the_device_leaves_a_bad_update_out(make: Any, optimizer: Any) -> None:
    """Weights, moments and step counts of the discriminator, and its batch norm, stay."""
    trainer = make(wait=False, term=Poison(2), optimizer=optimizer)
    trainer.step()
    trainer.step()
    before = state(trainer)
    with Waits() as waits:
        trainer.step()
    assert waits.count == 0
    after = state(trainer)
    assert {name for name in changed(before, after) if name.startswith("discriminator")} == set()
    assert "generator" in changed(before, after)
    assert [not_finite(network) for network in trainer.networks.values()] == [[], []]
    with pytest.raises(NotFiniteError) as caught:
        trainer.step()
    message = str(caught.value)
    assert message.startswith("step 3: not finite any more: phase 'discriminator' (term 'poison'")
    assert "gradient of network 'discriminator'" in message
    assert caught.value.whole


def test_a_save_hears_of_it_at_once(make: Any) -> None:
    trainer = make(wait=False, term=Poison(0))
    trainer.step()
    with pytest.raises(NotFiniteError, match="step 1: "):
        trainer.judge.settle()


def test_skipped_updates_are_told_and_counted(make: Any) -> None:
    trainer = make(wait=False, term=Poison(1), not_finite="skip")
    for _ in range(4):
        trainer.step()
    trainer.judge.settle()
    (line,) = trainer.judge.take_notices()
    assert line.startswith("step 2: not finite any more: phase 'discriminator'")
    assert line.endswith("; this update is skipped")
    counts = {n: int(o.state_dict()["state"][0]["step"]) for n, o in trainer.optimizers.items()}
    assert counts == {"discriminator": 3, "generator": 4}


def test_what_was_not_heard_of_is_forgotten_with_the_state(make: Any) -> None:
    """Going back to a checkpoint, a run has not met it yet."""
    trainer = make(wait=False, term=Poison(1))
    saved = trainer.state_dict()
    trainer.step()
    trainer.step()
    trainer.load_state_dict(saved)
    trainer.judge.settle()


@pytest.mark.parametrize(
    ("term", "optimizer"),
    [(Poison(1), slow), (Poison(1), unfused), (Remembering(1), adam)],
    ids=["rmsprop", "not fused", "state"],
)
def test_what_the_device_cannot_leave_out_is_waited_for(
    make: Any, term: Poison, optimizer: Any
) -> None:
    trainer = make(wait=False, term=term, optimizer=optimizer)
    trainer.step()
    with pytest.raises(NotFiniteError, match="step 2: "):
        trainer.step()


@pytest.mark.parametrize("optimizer", [adam, sgd])
def test_a_bad_first_update_leaves_no_memory(make: Any, optimizer: Any) -> None:
    """What an optimizer makes in its first step is not what lay in memory before."""
    waited, not_waited = (
        make(wait=wait, term=Poison(0), optimizer=optimizer, not_finite="skip")
        for wait in (True, False)
    )
    for _ in range(3):
        waited.step()
        not_waited.step()
    not_waited.judge.settle()
    assert len(not_waited.judge.take_notices()) == len(waited.judge.take_notices()) == 1
    assert changed(state(waited), state(not_waited)) == set()


def test_a_play_without_a_term_is_not_looked_at(make: Any) -> None:
    trainer = make(wait=False, term=Poison(0), not_finite="skip", max_skips=0)
    for phase in trainer.phases:
        lazy = tuple(replace(term, every=2) for term in phase.terms)
        object.__setattr__(phase, "terms", lazy)
    trainer.step()
    with pytest.raises(NotFiniteError, match="step 1: "):
        trainer.step()
    before = state(trainer)
    assert trainer.step() == {}
    assert changed(before, state(trainer)) == set()


def test_what_is_heard_late_does_not_keep_the_run_from_being_saved(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two plays were bad before the first is heard of; both were left out."""
    arrived = [0]
    ready = property(lambda report: report.step <= arrived[0])
    monkeypatch.setattr(watch._Report, "ready", ready)
    term = Poison(1)
    trainer = make(wait=False, term=term)
    for step in range(1, 4):
        trainer.step()
        term.bad_step = step  # the play of the next step
    arrived[0] = 2
    with pytest.raises(NotFiniteError, match="step 2: ") as caught:
        trainer.step()
    assert caught.value.whole
    trainer.judge.settle()  # as a save does
    assert trainer.step_count == 3
    assert [not_finite(network) for network in trainer.networks.values()] == [[], []]


def run_of(trainer: Trainer, folder: Path, told: list[str]) -> Run:
    return Run(
        trainer=trainer,
        folder=folder,
        callbacks={},
        facts=Facts("test", 8, (2,)),
        manifest={},
        export=lambda run, folder: None,
        tell=told.append,
    )


def test_what_the_last_save_hears_of_is_told(make: Any, tmp_path: Path) -> None:
    """There is no step behind it that could tell."""
    told: list[str] = []
    trainer = make(wait=False, term=Poison(2), not_finite="skip", total_steps=3)
    assert run_of(trainer, tmp_path, told).play() == "finished"
    (line,) = told
    assert line.startswith("step 3: not finite any more: phase 'discriminator'")
    assert line.endswith("; this update is skipped")


@pytest.mark.parametrize("policy", ["stop", "rollback"])
def test_a_run_that_did_not_wait_saves_or_goes_back(make: Any, tmp_path: Path, policy: str) -> None:
    """Stopped, it keeps what came behind the update that was left out, which is finite."""
    told: list[str] = []
    trainer = make(wait=False, term=Poison(1), not_finite=policy, total_steps=4)
    run = run_of(trainer, tmp_path, told)
    if policy == "rollback":
        assert run.play() == "finished"
        assert told[0].endswith("; going back to step 0 with other noise (1 of 3)")
    else:
        with pytest.raises(NotFiniteError, match="step 2: "):
            run.play()
        assert told == [f"Saved is step 2. To go on from there: ganforge resume {tmp_path}"]
    assert [not_finite(network) for network in trainer.networks.values()] == [[], []]
