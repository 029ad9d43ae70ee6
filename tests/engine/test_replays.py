"""Plays that are done again from a record are those that would have been played, bit for bit.

On a CPU the recorder notes torch's operations (``tape.py``); what a GPU records is in
``test_cuda_graphs.py``.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tape import TapeRecorder
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge import build
from ganforge.api import AdversarialRound, Play, Term
from ganforge.engine.average import Average
from ganforge.engine.finite import NotFiniteError
from ganforge.engine.replays import ANEW, Replays
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import folder
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating

MakeTrainer = Callable[..., Trainer]
CPU = torch.device("cpu")
STEPS = 8
RATE = 2.0**-6
"""A float32, as a record keeps rates."""

RECORDED = {
    "mnist_dcgan": (),  # the generator's play goes backward through what the other's has left
    "mnist_dcgan_classic": ("train.micro_batches=3",),
    "mnist_r1": ("regularizers.0.every=3",),  # two records of the discriminator's phase
    "mnist_wgan_gp": ("game.d_steps=2", "train.clip_grad_norm=0.5"),
    "mnist_cgan": (),
    "mnist_infogan": (),
    "mnist_pix2pix": (),
    "mnist_bigan": (),
    "mnist_diffaugment": (),
    "mnist_crgan": (),
    "mnist_orthogonal": (),
    "ring_gan": (),
}
SAW_STEP = "something in it goes by the number of the step"
DICE = "it draws random numbers on the CPU, outside of its 'draw'"
STATE = "something in it has a state of its own"
REFUSED = {
    "mnist_ada": (STATE, STATE),
    "mnist_lecam": (STATE, None),
    "mnist_instance_noise": (SAW_STEP, SAW_STEP),
    "mnist_progressive": (SAW_STEP, SAW_STEP),
    "mnist_topk": (None, SAW_STEP),
    "mnist_wgan": ("RMSprop cannot leave out an update by itself if a gradient is not finite",) * 2,
}


def of_recipe(name: str, *overrides: str, recorder: TapeRecorder | None = None) -> Trainer:
    given = ["train.batch_size=12", *overrides]
    recipe, _ = load(folder() / f"{name}.yaml", load_registry(), given)
    trainer = build.prepare(recipe, device=CPU).trainer
    for optimizer in trainer.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=torch.float32).item()
    trainer.judge.waits = False  # as on a GPU
    trainer._replays = Replays(trainer.plays, recorder)
    return trainer


def told(trainer: Trainer, steps: int = STEPS) -> list[dict[str, Tensor]]:
    rows = [dict(trainer.step().items()) for _ in range(steps)]
    trainer.judge.settle()
    return rows


def state(trainer: Trainer) -> dict[str, Tensor]:
    found = {}
    for name, network in trainer.networks.items():
        found |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for name, optimizer in trainer.optimizers.items():
        for number, each in enumerate(optimizer.state.values()):
            found |= {f"{name}.{number}.{key}": value for key, value in each.items()}
    return found


def same(
    one: Trainer, rows: list[dict[str, Tensor]], other: Trainer, others: list[dict[str, Tensor]]
) -> None:
    for step, (row, again) in enumerate(zip(rows, others, strict=True), start=1):
        assert row.keys() == again.keys()
        for name, value in row.items():
            assert torch.equal(value, again[name]), f"{name} of step {step}"
    wanted, found = state(one), state(other)
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if not torch.equal(wanted[name], found[name])] == []


@pytest.mark.parametrize("name", RECORDED)
def test_a_recipe_from_records_is_the_recipe(name: str) -> None:
    anew, recorder = of_recipe(name, *RECORDED[name]), TapeRecorder()
    recorded = of_recipe(name, *RECORDED[name], recorder=recorder)
    same(anew, told(anew), recorded, told(recorded))
    assert recorded.take_notices() == []
    assert recorder.records >= 2
    assert recorder.plays >= 2 * (STEPS - ANEW - 2)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_played_without_and_told(name: str) -> None:
    anew, recorder = of_recipe(name), TapeRecorder()
    recorded = of_recipe(name, recorder=recorder)
    same(anew, told(anew), recorded, told(recorded))
    phases = [phase.name for phase in recorded.phases]
    assert recorded.take_notices() == [
        f"phase '{phase}' is played without a CUDA graph: {why}"
        for phase, why in zip(phases, REFUSED[name], strict=True)
        if why is not None
    ]
    assert recorder.records == sum(why is None for why in REFUSED[name])
    assert recorded.take_notices() == []  # once


class Counted(nn.Module):
    """Counts how often Python comes by."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.calls = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        made: Tensor = self.layers(inputs)
        return made


def networks(made: Sequence[nn.Module], judged: Sequence[nn.Module]) -> dict[str, Counted]:
    """With more layers behind those of the generator, and of the discriminator."""
    torch.manual_seed(0)
    maker = [nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)]
    judge = [nn.Linear(2, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
    return {
        "generator": Counted(*maker, *made),
        "discriminator": Counted(*judge, nn.Linear(8, 1), *judged),
    }


def points() -> Tensor:
    return torch.randn(40, 2, generator=torch.Generator().manual_seed(1)) + 1.0


def optimizers(made: Mapping[str, nn.Module]) -> dict[str, Optimizer]:
    return {
        "generator": torch.optim.Adam(made["generator"].parameters(), lr=RATE, fused=True),
        "discriminator": torch.optim.SGD(
            made["discriminator"].parameters(), lr=RATE, momentum=0.5, fused=True
        ),
    }


@pytest.fixture
def small(make_trainer: MakeTrainer) -> Callable[..., Trainer]:
    """``small(recorder=..., terms=...)``: with dropout, batch norm, momentum and an average."""

    def make(
        *,
        recorder: TapeRecorder | None = None,
        made: Sequence[nn.Module] = (),
        judged: Sequence[nn.Module] = (),
        terms: tuple[Term, ...] = (),
        samples: Tensor | None = None,
        game: TwoPlayer | None = None,
        schedules: Callable[[Mapping[str, Optimizer]], dict[str, LRScheduler]] = lambda _: {},
        **settings: Any,
    ) -> Trainer:
        players = networks(made, judged)
        steppers = optimizers(players)
        return make_trainer(
            game or TwoPlayer(loss=NonSaturating(), regularizers=terms, reuse_fakes=True),
            players,
            points() if samples is None else samples,
            optimizers=steppers,
            schedules=schedules(steppers),
            averages={"generator": Average(players["generator"], decay=0.9)},
            recorder=recorder,
            wait=False,
            **settings,
        )

    return make


def test_python_comes_by_no_more(small: Callable[..., Trainer]) -> None:
    anew, recorded = small(), small(recorder=TapeRecorder())
    rows, others = told(anew, 5), told(recorded, 5)
    calls = [network.calls for network in recorded.networks.values()]  # type: ignore[union-attr]
    same(anew, rows + told(anew, 10), recorded, others + told(recorded, 10))
    assert [network.calls for network in recorded.networks.values()] == calls  # type: ignore[union-attr]
    assert torch.equal(
        anew.averages["generator"].network.layers[0].weight,  # type: ignore[union-attr, index]
        recorded.averages["generator"].network.layers[0].weight,  # type: ignore[union-attr, index]
    )


def test_a_rate_that_changes_is_followed(small: Callable[..., Trainer]) -> None:
    def halved(steppers: Mapping[str, Optimizer]) -> dict[str, LRScheduler]:
        return {
            name: torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
            for name, optimizer in steppers.items()
        }

    anew, recorded = small(schedules=halved), small(schedules=halved, recorder=TapeRecorder())
    same(anew, told(anew, 12), recorded, told(recorded, 12))
    assert recorded.take_notices() == []
    assert recorded.optimizers["generator"].param_groups[0]["lr"] == RATE * 0.5**6
    assert recorded.optimizers["generator"].param_groups[0]["capturable"] is False


def test_another_option_that_changes_ends_the_record(small: Callable[..., Trainer]) -> None:
    def cycled(steppers: Mapping[str, Optimizer]) -> dict[str, LRScheduler]:
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            steppers["generator"], max_lr=0.1, total_steps=20
        )  # moves beta1 too
        return {"generator": schedule}

    anew, recorded = small(schedules=cycled), small(schedules=cycled, recorder=TapeRecorder())
    rows, others = told(anew), told(recorded)
    for row, again in zip(rows, others, strict=True):
        for name, value in row.items():
            assert torch.allclose(value, again[name], rtol=1e-5)  # such rates are no float32
    (notice,) = recorded.take_notices()
    assert notice.endswith(
        "'generator' is played without a CUDA graph: options of its optimizers other than 'lr' "
        "change"
    )


@pytest.mark.parametrize("operation", ["leaky_relu", "_fused_adam_", "native_batch_norm"])
def test_a_record_that_does_something_else_is_found_out(
    operation: str, small: Callable[..., Trainer]
) -> None:
    anew, recorded = small(), small(recorder=TapeRecorder(forgets=operation))
    same(anew, told(anew), recorded, told(recorded))
    notices = recorded.take_notices()
    assert all(" would be " in notice for notice in notices[:1])
    assert all("what a phase without one has made" in notice for notice in notices[1:])
    assert notices


class Asks(nn.Module):
    """Looks at a number, for which a device must be waited for."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * (1.0 if inputs.mean() > 0 else 0.5)


def test_what_waits_for_the_device_is_played_without(small: Callable[..., Trainer]) -> None:
    anew, recorded = small(judged=[Asks()]), small(judged=[Asks()], recorder=TapeRecorder())
    same(anew, told(anew), recorded, told(recorded))
    assert [notice.split(": ")[1] for notice in recorded.take_notices()] == [
        "operation not permitted when stream is capturing",
        "it learns from what a phase without one has made",
    ]


def poisoned() -> Tensor:
    samples = points()
    samples[7] = math.nan
    return samples


def test_counts_that_an_optimizer_puts_elsewhere_are_followed() -> None:
    """A head learns from a lazy term: adam moves its counts when all weights have gradients."""
    lazy = "regularizers.0.every=4"
    anew = of_recipe("mnist_infogan_head", lazy)
    recorded = of_recipe("mnist_infogan_head", lazy, recorder=TapeRecorder())
    same(anew, told(anew, 14), recorded, told(recorded, 14))
    assert recorded.take_notices() == []


class Mean(nn.Module):
    """Puts another tensor in its buffer's place, as many a module does."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * inputs.detach().mean()
        return inputs - 0.0 * self.mean


class Dice(nn.Module):
    """Throws dice in Python."""

    def __init__(self, throw: Callable[[], float]) -> None:
        super().__init__()
        self.throw = throw

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * (1.0 if self.throw() < 0.5 else 0.5)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Mean(), "something in it replaces a tensor instead of changing it"),
        (Dice(random.random), DICE),
        (
            Dice(lambda: np.random.rand()),
            "it draws random numbers on the CPU, outside of its 'draw'",
        ),
    ],
)
def test_what_python_does_is_not_recorded(
    layer: nn.Module, why: str, small: Callable[..., Trainer]
) -> None:
    found: list[Any] = []
    for recorder in (None, TapeRecorder()):
        random.seed(0)
        np.random.seed(0)
        trainer = small(judged=[copy.deepcopy(layer)], recorder=recorder)
        found += [trainer, told(trainer)]
    same(*found)
    assert found[2].take_notices()[0].endswith(why)


def test_dropout_in_what_makes_the_fakes(small: Callable[..., Trainer]) -> None:
    """Made again, they would have other noise: then nothing that leaves them is recorded."""
    recorded = small(made=[nn.Dropout(0.3)], recorder=TapeRecorder())
    maker = recorded.networks["generator"]
    told(recorded, 5)
    assert [notice.split(":")[0] for notice in recorded.take_notices()] == [
        "phase 'generator' is played without a CUDA graph",
    ]
    before = maker.calls
    told(recorded, 4)
    assert maker.calls == before + 4  # once a step: they are not made again


def test_a_lazy_term_with_a_state_costs_its_own_plays(small: Callable[..., Trainer]) -> None:
    class Stateful:
        def __call__(self, round: AdversarialRound) -> Tensor:
            return round.scores("real").square() * 0.1

        def state_dict(self) -> dict[str, Any]:
            return {"so": "it is"}

        def load_state_dict(self, state: dict[str, Any]) -> None: ...

    terms = (Term("stateful", Stateful(), 1.0, 4),)
    anew, recorder = small(terms=terms), TapeRecorder()
    recorded = small(terms=terms, recorder=recorder)
    rows, others = told(anew, 16), told(recorded, 16)
    plays = recorder.plays
    same(anew, rows + told(anew, 4), recorded, others + told(recorded, 4))
    assert recorder.plays == plays + 6  # three steps of four
    assert recorded.take_notices() == [
        "phase 'discriminator' (adversarial + stateful) is played without a CUDA graph: something "
        "in it has a state of its own",
        "phase 'generator' is played without a CUDA graph: it learns from what a phase without one "
        "has made",
    ]


def test_a_bad_play_where_a_record_is_due_puts_it_off(small: Callable[..., Trainer]) -> None:
    given = {"samples": poisoned(), "not_finite": "skip", "total_steps": 40}
    batches = [row for row in told(small(**given), 5) if row["discriminator/loss"].isnan()]
    assert len(batches) == 1
    for seed in range(12):
        trainer = small(**given, seed=seed)
        rows = told(trainer, 3)
        if rows[2]["discriminator/loss"].isnan():
            break
    else:
        pytest.fail("no seed has the bad sample in the third batch")
    recorder = TapeRecorder()
    recorded = small(**given, seed=seed, recorder=recorder)
    told(recorded, 10)
    assert all("skipped" in line for line in recorded.take_notices())
    assert recorder.records == 2


class Spoils(TapeRecorder):
    """Fails when all has been noted, and again when it ends the record."""

    def record(self, function: Callable[[], Any]) -> Any:
        super().record(function)
        try:
            raise RuntimeError("no such operation in a graph\nmore of it")
        except RuntimeError:
            raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904


def test_a_record_that_fails_changes_nothing_and_its_cause_is_told(
    small: Callable[..., Trainer],
) -> None:
    anew, recorded = small(), small(recorder=Spoils())
    same(anew, told(anew), recorded, told(recorded))
    assert recorded.take_notices()[0].endswith("without a CUDA graph: no such operation in a graph")


def test_memory_that_is_short_beside_records_is_made(
    small: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    anew, recorded = small(), small(recorder=TapeRecorder())
    anew.watch_every = recorded.watch_every = 5
    rows, others = told(anew, 4), told(recorded, 4)
    compute, failed = recorded.backward.compute, []

    def short(*given: Any) -> Any:
        if recorded._replays._records:
            failed.append(given)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(*given)

    monkeypatch.setattr(recorded.backward, "compute", short)
    same(anew, rows + told(anew, 4), recorded, others + told(recorded, 4))
    assert len(failed) == 1
    (notice,) = recorded.take_notices()
    assert "there is not enough memory beside what was recorded" in notice


def test_a_bad_play_from_a_record_is_left_out(small: Callable[..., Trainer]) -> None:
    given = {"samples": poisoned(), "not_finite": "skip", "total_steps": 40}
    anew, recorder = small(**given), TapeRecorder()
    recorded = small(**given, recorder=recorder)
    rows, others = told(anew, 20), told(recorded, 20)
    assert recorder.plays >= 30
    assert anew.judge.skipped == recorded.judge.skipped == 4  # an epoch has five batches
    assert anew.take_notices() == recorded.take_notices()
    for row, again in zip(rows, others, strict=True):
        for name, value in row.items():
            assert torch.equal(value, again[name]) or (value.isnan() and again[name].isnan())
    wanted, found = state(anew), state(recorded)
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())
    assert all(value.isfinite().all() for value in wanted.values())


def test_a_bad_play_from_a_record_stops_the_run(small: Callable[..., Trainer]) -> None:
    recorded = small(samples=torch.cat([points(), points()]), recorder=TapeRecorder())
    told(recorded, 4)
    before = {name: value.clone() for name, value in state(recorded).items()}
    with torch.no_grad():
        recorded.networks["generator"].layers[3].bias.fill_(math.inf)  # type: ignore[union-attr, index]
    with pytest.raises(NotFiniteError, match="step 5: not finite any more: phase 'discriminator'"):
        told(recorded, 2)
    after = state(recorded)
    assert torch.equal(
        before["discriminator.layers.0.weight"], after["discriminator.layers.0.weight"]
    )


def test_a_watched_step_is_played_anew(small: Callable[..., Trainer]) -> None:
    anew, recorder = small(), TapeRecorder()
    recorded = small(recorder=recorder)
    anew.watch_every = recorded.watch_every = 3
    rows, others = told(anew, 12), told(recorded, 12)
    same(anew, rows, recorded, others)
    assert [n for n, row in enumerate(others, 1) if "generator/gradient_generator" in row] == [
        3,
        6,
        9,
        12,
    ]
    assert recorder.records == 2


@pytest.mark.parametrize("saved", [1, 3, 6])
def test_it_goes_on_from_a_checkpoint(saved: int, small: Callable[..., Trainer]) -> None:
    whole = small()
    rows = told(whole, 12)
    first, again = small(recorder=TapeRecorder()), small(recorder=TapeRecorder())
    told(first, saved)
    told(again, 5)  # it has records of another state
    again.load_state_dict(first.state_dict())
    same(whole, rows[saved:], again, told(again, 12 - saved))


class Interrupts:
    """Stops before the so-manieth batch is drawn."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self) -> bool:
        self.number -= 1
        return self.number == 0


def test_a_step_that_was_interrupted_is_finished(small: Callable[..., Trainer]) -> None:
    def twice() -> TwoPlayer:
        return TwoPlayer(loss=NonSaturating(), regularizers=[], reuse_fakes=True, d_steps=2)

    anew, recorded = small(game=twice()), small(game=twice(), recorder=TapeRecorder())
    rows, others = told(anew, 6), told(recorded, 6)
    with pytest.raises(BaseException, match=r"^$"):
        recorded.step(Interrupts(2))  # the second of its two plays
    rows += told(anew, 4)
    same(anew, rows, recorded, others + told(recorded, 4))


class Remade(AdversarialRound):
    """Asks for other random numbers now and then."""

    asked = 0

    def __init__(self, play: Play, **options: Any) -> None:
        super().__init__(play, **options)
        Remade.asked += 1
        self.stream = f"latent {Remade.asked}"


def test_other_numbers_than_before_are_not_recorded(
    small: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    game = TwoPlayer(loss=NonSaturating(), regularizers=[])
    monkeypatch.setattr(game, "round", Remade)
    recorded = small(game=game, recorder=TapeRecorder())
    told(recorded, 4)
    assert [notice.split(": ")[1] for notice in recorded.take_notices()] == [
        "it does not draw the same random numbers in every step"
    ] * 2
