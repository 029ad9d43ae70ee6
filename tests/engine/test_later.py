"""Values that are computed when they are read, and what is drawn for some steps at once."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge.api import AdversarialRound, Later, Play, Values
from ganforge.engine import adversarial
from ganforge.engine.ahead import Ahead
from ganforge.engine.draw import Draw, latents_ahead
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.tally import Tally
from ganforge.engine.trainer import Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating

MakeTrainer = Callable[..., Trainer]


def counted(calls: list[float]) -> Callable[[Tensor], Tensor]:
    def double(value: Tensor) -> Tensor:
        calls.append(float(value))
        return 2 * value

    return double


def test_a_value_is_computed_once_and_only_if_somebody_reads_it() -> None:
    calls: list[float] = []
    double = counted(calls)
    tally = Tally()
    tally.add("d", {"loss": torch.tensor(1.0), "seen": Later(double, torch.tensor(3.0))})
    tally.add("g", {"never": Later(double, torch.tensor(4.0))})
    values = tally.take()
    assert isinstance(values, Values)
    assert (list(values), len(values), "g/never" in values) == (
        ["d/loss", "d/seen", "g/never"],
        3,
        True,
    )
    assert calls == []
    assert [float(values["d/seen"]), float(values["d/seen"])] == [6.0, 6.0]
    assert calls == [3.0]
    assert "d/loss" in repr(values)


def test_repeats_are_averaged_and_a_state_holds_tensors() -> None:
    tally, again = Tally(), Tally()
    for number in (1.0, 5.0):
        tally.add("d", {"belief": Later(torch.Tensor.clone, torch.tensor(number))})
    tally.add("g", {"belief": Later(torch.Tensor.neg, torch.tensor(2.0))})
    state = tally.state_dict()
    assert all(isinstance(value, Tensor) for value in state["sums"].values())
    again.load_state_dict(state)
    for values in (tally.take(), again.take()):
        assert {name: float(value) for name, value in values.items()} == {
            "d/belief": 3.0,
            "g/belief": -2.0,
        }


def networks() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {"generator": torch.nn.Linear(3, 2), "discriminator": torch.nn.Linear(2, 1)}


def data() -> Tensor:
    return torch.randn(40, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_beliefs_are_the_same_now_and_later(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, micro_batches: int
) -> None:
    """D(x) is computed at once where there are many scores, and when it is read where few."""
    game = {"loss": NonSaturating(), "regularizers": []}
    found = []
    for kept in (0, adversarial.KEPT):
        monkeypatch.setattr(adversarial, "KEPT", kept)
        trainer = make_trainer(TwoPlayer(**game), networks(), data(), micro_batches=micro_batches)
        steps = [trainer.step() for _ in range(3)]
        found.append([{name: float(value) for name, value in values.items()} for values in steps])
    assert found[0] == found[1]
    assert 0 < found[0][-1]["discriminator/belief_real"] < 1


def test_values_that_wait_keep_no_round_in_memory(make_trainer: MakeTrainer) -> None:
    rounds = []

    class Seen(TwoPlayer):
        def round(self, play: Play) -> AdversarialRound:
            made = super().round(play)
            rounds.append(weakref.ref(made))
            return made

    trainer = make_trainer(Seen(loss=NonSaturating(), regularizers=[]), networks(), data())
    values = [trainer.step() for _ in range(3)]
    gc.collect()
    assert len(rounds) == 6
    assert not any(round() is not None for round in rounds)
    assert all(float(each["generator/belief_fake"]) > 0 for each in values)


def test_what_is_made_ahead_is_what_is_made_alone() -> None:
    made: list[tuple[Any, ...]] = []

    def make(first: int, steps: int, *others: Any) -> list[tuple[Any, ...]]:
        steps = 2 if first == 100 else steps  # there it makes fewer
        made.append((first, steps, *others))
        return [(step, *others) for step in range(first, first + steps)]

    ahead = Ahead(make, steps=4)
    asked = [(0, "g"), (0, "d"), (1, "g"), (1, "g"), (3, "g"), (4, "g"), (2, "g")]
    assert [ahead(*each) for each in asked] == asked
    assert made[:2] == [(0, 4, "g"), (0, 4, "d")]
    assert made[2] == (1, 1, "g")  # asked for once more, so made once more
    assert made[3:] == [(4, 4, "g"), (2, 4, "g")]
    del made[:]
    assert [ahead(step, "g") for step in (100, 101, 102)] == [(100, "g"), (101, "g"), (102, "g")]
    assert made == [(100, 2, "g"), (102, 4, "g")]


@pytest.mark.parametrize("count", [8, 100])
def test_latents_drawn_ahead_are_those_drawn_alone(count: int) -> None:
    streams, device = Streams(3), torch.device("cpu")
    latent = Latent(dim=50, categorical=(4,))
    ahead = latents_ahead(streams, device)
    for counters in [(5, "d", 0), (5, "d", 1), (6, "d", 0), (6, "d", 0), (4, "d", 0, "attempt 1")]:
        alone = Draw(streams, counters, count, slice(0, count), device)
        for stream in ("latent", "other"):
            expected = alone.latents(latent, stream)
            found = Draw(streams, counters, count, slice(0, count), device, ahead)
            assert torch.equal(found.latents(latent, stream), expected)
            part = Draw(streams, counters, count, slice(2, 5), device, ahead)
            assert torch.equal(part.latents(latent, stream), expected[2:5])
            found.latents(latent, stream).zero_()  # whoever changes its own changes no other's


def test_global_seeds_are_those_of_their_own_counters() -> None:
    ahead, alone = Streams(7), Streams(7)
    for counters in [(0, "d", 0), (1, "d", 0), (1, "g", 0), (40, "d", 0), (2, "d", 0)]:
        ahead.seed_modules(*counters)
        found = torch.rand(3)
        torch.manual_seed(alone.number("modules", *counters))
        assert torch.equal(torch.rand(3), found)
