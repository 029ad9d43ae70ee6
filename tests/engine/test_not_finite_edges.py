"""Bad plays that are not the usual ones: lazy and constant terms, sums, sparse slopes, states."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from ganforge.api import AdversarialRound, Callback, Game, Phase, Play, Run, Term, Values
from ganforge.engine import checkpoint
from ganforge.engine.finite import NotFiniteError, check_weights
from ganforge.engine.trainer import Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating
from ganforge_regularizers.gradients import R1

MakeTrainer = Callable[..., Trainer]


class Solo(Game):
    """One network learns by the given terms."""

    networks: ClassVar = {"only": "discriminator"}
    sampler: ClassVar = "only"
    judge: ClassVar = None

    def __init__(self, *terms: Term) -> None:
        self.terms = terms

    def phases(self) -> Sequence[Phase]:
        return [Phase("alone", ("only",), self.terms)]

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play, generator="only", discriminator="only")


@pytest.fixture
def solo(make_trainer: MakeTrainer) -> Callable[..., Trainer]:
    """``solo(*terms)``: a trainer of one number, or of another network."""

    def make(*terms: Term, network: nn.Module | None = None, **settings: Any) -> Trainer:
        players = {"only": network or nn.Linear(1, 1, bias=False)}
        return make_trainer(Solo(*terms), players, torch.zeros(8, 1), **settings)

    return make


def number(round: AdversarialRound) -> Tensor:
    return next(round.network("only").parameters()).sum()


def bad_value(round: AdversarialRound) -> Tensor:
    return number(round) * math.nan


def bad_slope(round: AdversarialRound) -> Tensor:
    """The root of 0 is 0, its slope infinite, and infinity times 0 not a number."""
    return (number(round) * 0.0).abs().sqrt()


def constant(_round: AdversarialRound) -> Tensor:
    return torch.tensor(1.0)


def caught(trainer: Trainer) -> str:
    with pytest.raises(NotFiniteError) as error:
        trainer.step()
    return str(error.value)


START = "step 1: not finite any more: phase 'alone' "


def test_a_term_that_nothing_depends_on_stands_beside_a_bad_one(solo: Any) -> None:
    """Alone it has no gradient, and that is not the fault that is looked for."""
    trainer = solo(Term("one", constant), Term("bad", bad_slope), Term("good", number))
    assert caught(trainer) == START + "(term 'bad', gradient of network 'only')"


def test_a_sum_may_be_infinite_where_no_term_is(solo: Any) -> None:
    large = Term("large", lambda round: number(round) * 1e-30 + 1e30, weight=1e10)
    assert caught(solo(large)) == START + "(the sum of its terms)"


def test_a_term_may_have_a_networks_name(solo: Any) -> None:
    """Each is looked at for itself; here the network's gradient is good."""
    bad = Term("only", lambda round: number(round) + torch.tensor(math.inf))
    assert caught(solo(bad)) == START + "(term 'only')"
    network = nn.Linear(1, 1)
    optimizers = {"only": torch.optim.Adam(network.parameters(), fused=True)}
    trainer = solo(bad, network=network, optimizers=optimizers, wait=False)
    trainer.step()
    assert caught(trainer) == START + "(term 'only')"


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_plays_without_a_term_do_not_interrupt_a_row(solo: Any, micro_batches: int) -> None:
    """A lazy term that is always bad would otherwise be skipped for ever."""
    lazy = Term("lazy", bad_value, every=2)
    trainer = solo(lazy, not_finite="skip", max_skips=2, micro_batches=micro_batches)
    with pytest.raises(NotFiniteError, match="the 2 updates of this phase before it"):  # noqa: PT012
        for _ in range(10):
            trainer.step()
    assert [line[:7] for line in trainer.judge.take_notices()] == ["step 1:", "step 3:"]


@pytest.mark.parametrize("slope", [1.0, math.nan])
def test_sparse_gradients_are_looked_at(solo: Any, slope: float) -> None:
    table = nn.Embedding(3, 1, sparse=True)
    before = table.weight.detach().clone()

    def look_up(round: AdversarialRound) -> Tensor:
        found: Tensor = round.network("only")(torch.tensor([0, 0, 1]))
        return found.sum() * slope

    trainer = solo(Term("look_up", look_up), network=table)
    if math.isnan(slope):
        assert "gradient of network 'only'" in caught(trainer)
        assert torch.equal(table.weight, before)
    else:
        trainer.step()
        moved = (before - table.weight.detach()).flatten().tolist()
        assert moved == pytest.approx([0.2, 0.1, 0.0], abs=1e-6)


class Annotated(nn.Linear):
    """A module with a state that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """There is nothing to take back."""


def test_a_network_may_keep_what_is_no_tensor() -> None:
    network = Annotated(2, 1)
    check_weights({"only": network}, 1)
    nn.init.constant_(network.bias, math.inf)
    with pytest.raises(NotFiniteError, match=r"network 'only' \(bias\)"):
        check_weights({"only": network}, 1)


class LateMean:
    """A term whose state is empty before its first play; the plays named are bad."""

    def __init__(self, *bad: int) -> None:
        self.bad = bad
        self.mean: Tensor | None = None

    def __call__(self, round: AdversarialRound) -> Tensor:
        scores = round.scores("real")
        now = scores.detach().mean()
        self.mean = now if self.mean is None else 0.5 * self.mean + 0.5 * now
        bad = round.play.draw.counters[0] in self.bad
        return (scores * 0.0).abs().sqrt() if bad else scores * self.mean

    def state_dict(self) -> dict[str, Any]:
        return {} if self.mean is None else {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean = state.get("mean")


def test_the_state_of_a_term_is_put_back_where_there_was_none(solo: Any) -> None:
    term = LateMean(0)
    trainer = solo(Term("mean", term), not_finite="skip")
    trainer.step()
    assert term.mean is None
    trainer.step()
    assert term.mean is not None


def busy(make_trainer: MakeTrainer, term: LateMean, **settings: Any) -> Trainer:
    """Batch norm, spectral norm, dropout, momentum, a schedule, a lazy term, portions, clipping."""
    torch.manual_seed(0)
    judge = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 8))
    players: dict[str, nn.Module] = {
        "generator": nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)),
        "discriminator": nn.Sequential(judge, nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)),
    }
    optimizers = {
        name: torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        for name, network in players.items()
    }
    terms = [Term("r1", R1(), every=2), Term("mean", term, 0.1)]
    return make_trainer(
        TwoPlayer(loss=NonSaturating(), regularizers=terms, d_steps=2),
        players,
        torch.randn(40, 2, generator=torch.Generator().manual_seed(1)),
        optimizers=optimizers,
        schedules={"generator": LambdaLR(optimizers["generator"], lambda count: 0.9**count)},
        micro_batches=2,
        clip_grad_norm=0.5,
        **settings,
    )


def owned(trainer: Trainer, name: str) -> dict[str, Tensor]:
    """Everything of a network that a play moves: weights, buffers, momentum."""
    moments = trainer.optimizers[name].state_dict()["state"]
    return {
        **{key: value.clone() for key, value in trainer.networks[name].state_dict().items()},
        **{f"{i}.{k}": v.clone() for i, kept in moments.items() for k, v in kept.items()},
    }


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert [name for name in second if not torch.equal(first[name], second[name])] == []


def test_a_skipped_play_leaves_no_trace(make_trainer: MakeTrainer) -> None:
    """Both plays of the discriminator in the third step: weights, buffers, momentum, the term."""
    term = LateMean(2)
    trainer = busy(make_trainer, term, not_finite="skip")
    for _ in range(2):
        trainer.step()
    before, kept = owned(trainer, "discriminator"), copy.deepcopy(term.state_dict())
    # the generator's play, which is good, goes through the discriminator's spectral norm
    moved = {name for name in before if name.startswith("0.parametrizations.weight.0")}
    trainer.step()
    after = owned(trainer, "discriminator")
    assert_same(after, {name: value for name, value in before.items() if name not in moved})
    assert torch.equal(term.state_dict()["mean"], kept["mean"])
    assert len(trainer.judge.take_notices()) == 2
    assert before["1.num_batches_tracked"] == 2 * 2 * 2 * 2  # steps, plays, portions, sides
    trainer.step()
    assert not torch.equal(owned(trainer, "discriminator")["3.weight"], before["3.weight"])


def test_a_resumed_run_goes_on_counting_what_it_skips(make_trainer: MakeTrainer) -> None:
    """The bound holds for a run, however often it is stopped."""
    settings = {"not_finite": "skip", "max_skips": 5}
    first = busy(make_trainer, LateMean(1, 2, 3, 4), **settings)
    for _ in range(3):
        first.step()  # two plays a step: four in a row
    second = busy(make_trainer, LateMean(1, 2, 3, 4), **settings)
    second.load_state_dict(first.state_dict())
    with pytest.raises(NotFiniteError, match=r"step 4: .*; the 5 updates of this phase before it"):
        second.step()


def test_a_run_tells_what_it_skipped_before_it_stopped(make_run: Callable[..., Run]) -> None:
    """In the very step that ends it, too."""
    told: list[str] = []
    settings = ("game.d_steps=4", "train.not_finite=skip", "train.max_skips=2")
    run = make_run(*settings, tell=told.append)
    bad = Term("bad", lambda round: round.scores("real") * math.nan)
    phase = run.trainer.phases[0]
    object.__setattr__(phase, "terms", (*phase.terms, bad))
    with pytest.raises(NotFiniteError, match="the 2 updates of this phase before it"):
        run.play()
    assert [line.endswith("; this update is skipped") for line in told] == [True, True, False]


class StopAt(Callback):
    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == 4:
            run.request_stop("max_time")


def test_a_run_that_went_back_can_be_resumed(make_run: Callable[..., Run]) -> None:
    """It goes on with the other noise that it has chosen, as if it had not been stopped."""
    callbacks = "[{use: checkpoint, every: 2 steps}, {use: sample_grid, enabled: false}]"

    def start(**options: Any) -> Run:
        settings = ("train.not_finite=rollback", f"callbacks={callbacks}")
        run = make_run(*settings, tell=told.append, **options)
        phase = run.trainer.phases[1]
        object.__setattr__(phase, "terms", (*phase.terms, Term("bad", bad)))
        return run

    def bad(round: AdversarialRound) -> Tensor:
        meets = round.play.draw.counters == (2, "generator", 0)  # only at the first attempt
        return round.scores("fake") * (math.nan if meets else 0.1)

    told: list[str] = []
    straight, stopped = start(), start()
    straight.play()
    stopped.callbacks = {**stopped.callbacks, "stop": StopAt()}
    assert stopped.play() == "stopped"
    assert [line.rpartition("; ")[2] for line in told] == [
        "going back to step 2 with other noise (1 of 3)"
    ] * 2
    resumed = start(folder=stopped.folder)
    found = checkpoint.load_newest(
        resumed.checkpoints, device=torch.device("cpu"), tell=told.append
    )
    resumed.load_state_dict(found.state)
    assert resumed.play() == "finished"
    assert len(told) == 2
    assert resumed.trainer.rollbacks == straight.trainer.rollbacks == 1
    for name in ("generator", "discriminator"):
        assert_same(owned(resumed.trainer, name), owned(straight.trainer, name))
