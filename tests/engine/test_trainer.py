"""The trainer's step: portions, lazy terms, clipping, faults, time, and resuming."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from torch.optim.lr_scheduler import LambdaLR

from ganforge.api import AdversarialLoss, AdversarialRound, Game, Phase, Play, Term
from ganforge.engine.average import Average
from ganforge.engine.callback import Facts
from ganforge.engine.clock import Clock
from ganforge.engine.data import Dataset
from ganforge.engine.evaluating import evaluating
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.finite import NotFiniteError, check_weights
from ganforge.engine.game import batches_per_step, judge_scores, optimizer_steps, rank
from ganforge.engine.run import Run
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Trainer
from ganforge.errors import GanforgeError, PluginError
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import Hinge, NonSaturating, Wasserstein
from ganforge_regularizers.gradients import R1, GradientPenalty

MakeTrainer = Callable[..., Trainer]


def points(count: int = 40) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(1)) + 1.0


def networks(seed: int = 0) -> dict[str, nn.Module]:
    torch.manual_seed(seed)
    return {
        "generator": nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)),
        "discriminator": nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)),
    }


def weights(trainer: Trainer) -> dict[str, Tensor]:
    """Everything in the networks, buffers too, as it is now."""
    return {
        f"{name}.{key}": value.clone()
        for name, network in trainer.networks.items()
        for key, value in network.state_dict().items()
    }


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


class Phases(Game):
    """A game of the phases it is given."""

    networks: ClassVar = {"generator": "generator", "discriminator": "discriminator"}

    def __init__(self, *phases: Phase) -> None:
        self._phases = phases

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play)


def usual(**options: Any) -> TwoPlayer:
    return TwoPlayer(loss=NonSaturating(), **{"regularizers": [], **options})


def fool(round: AdversarialRound) -> Tensor:
    return softplus(-round.scores("fake"))


def tell_apart(round: AdversarialRound) -> Tensor:
    return softplus(-round.scores("real")) + softplus(round.scores("fake"))


# Micro-batches.


@pytest.mark.parametrize("portions", [2, 3, 4, 8])
@pytest.mark.parametrize(
    ("loss", "terms"),
    [
        pytest.param(NonSaturating(), [], id="non_saturating"),
        pytest.param(NonSaturating(), [Term("r1", R1(), 2.0, every=2)], id="lazy r1"),
        pytest.param(Wasserstein(), [Term("gp", GradientPenalty(), 10.0)], id="wgan_gp"),
    ],
)
def test_a_step_does_not_depend_on_micro_batches(
    loss: AdversarialLoss, terms: list[Term], portions: int, make_trainer: MakeTrainer
) -> None:
    """The same weights and the same recorded values, equal portions or not (8 in 3 parts)."""
    trainers = [
        make_trainer(TwoPlayer(loss=loss, regularizers=terms), networks(), points(), **settings)
        for settings in ({}, {"micro_batches": portions})
    ]
    for _ in range(3):
        whole, parts = (trainer.step() for trainer in trainers)
        assert whole.keys() == parts.keys()
        for name, value in whole.items():
            torch.testing.assert_close(parts[name], value, rtol=1e-5, atol=1e-6)
    whole, parts = (weights(trainer) for trainer in trainers)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=1e-6)


# The weights of terms.


def one_weight(value: float = 0.0) -> nn.Linear:
    """A network that is one number."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def solo(*terms: Term, **options: Any) -> tuple[Phases, dict[str, nn.Module]]:
    """A game in which one number learns by the given terms."""
    return Phases(Phase("only", ("discriminator",), terms, **options)), {
        "discriminator": one_weight()
    }


def slope_one(round: AdversarialRound) -> Tensor:
    """A term whose gradient by that number is 1."""
    return round.network("discriminator").weight.sum()  # type: ignore[union-attr, operator]


def test_a_lazy_term_is_scaled_by_its_interval(make_trainer: MakeTrainer) -> None:
    """Every 3rd play it counts three times; what is recorded is the term itself."""
    game, players = solo(
        Term("steady", slope_one, weight=0.5), Term("lazy", slope_one, weight=2.0, every=3)
    )
    trainer = make_trainer(game, players, torch.zeros(8, 1))
    expected = 0.0
    for play in range(7):
        before = expected
        values = trainer.step()
        due = play % 3 == 0
        expected -= 0.1 * (0.5 + (3 * 2.0 if due else 0.0))
        assert players["discriminator"].weight.item() == pytest.approx(expected, abs=1e-6)
        assert ("only/lazy" in values) == due
        if due:
            assert values["only/lazy"].item() == pytest.approx(before, abs=1e-6)
            assert values["only/loss"].item() == pytest.approx(6.5 * before, abs=1e-5)


def test_laziness_counts_plays_and_not_steps(make_trainer: MakeTrainer) -> None:
    """Two repeats in every 2nd step: plays 0 1, 2 3, 4 5 in steps 0, 2, 4; due are 0 and 3."""
    game, players = solo(
        Term("nothing", lambda r: slope_one(r) * 0.0),
        Term("lazy", slope_one, every=3),
        repeats=2,
        every=2,
    )
    trainer = make_trainer(game, players, torch.zeros(8, 1))
    after = []
    for _ in range(6):
        trainer.step()
        after.append(players["discriminator"].weight.item())
    assert after == pytest.approx([-0.3, -0.3, -0.6, -0.6, -0.6, -0.6])


def test_a_play_without_a_due_term_changes_nothing(make_trainer: MakeTrainer) -> None:
    game, players = solo(Term("lazy", slope_one, every=2))
    optimizer = torch.optim.SGD(players["discriminator"].parameters(), lr=0.1)
    trainer = make_trainer(
        game, players, torch.zeros(8, 1), optimizers={"discriminator": optimizer}
    )
    trainer.step()
    before = weights(trainer)
    assert trainer.step() == {}
    assert_equal(weights(trainer), before)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_weights_of_the_two_player_game(player: str, make_trainer: MakeTrainer) -> None:
    """With plain gradient descent, a factor of a player's loss is a factor of its movement."""
    start = networks()[player][0].weight
    moved = {}
    for factor in (1.0, 0.5, 3.0):
        game = usual(**{f"{player}_weight": factor})
        phase = next(phase for phase in game.phases() if phase.name == player)
        trainer = make_trainer(Phases(replace(phase, draws_batch=True)), networks(), points())
        trainer.step()
        moved[factor] = trainer.networks[player][0].weight - start
    assert moved[1.0].abs().max() > 1e-3
    torch.testing.assert_close(moved[0.5], 0.5 * moved[1.0], rtol=0, atol=1e-7)
    torch.testing.assert_close(moved[3.0], 3.0 * moved[1.0], rtol=0, atol=1e-7)


# Clipping.


@pytest.mark.parametrize("micro_batches", [1, 4])
def test_gradients_are_clipped_network_by_network(
    micro_batches: int, make_trainer: MakeTrainer
) -> None:
    """Each network's gradient is scaled to the bound if it is longer, and left alone if not."""
    players: dict[str, nn.Module] = {}
    for name in ("long", "short"):
        players[name] = nn.Linear(2, 1, bias=False)
        nn.init.zeros_(players[name].weight)

    def term(round: AdversarialRound) -> Tensor:
        long, short = (round.network(name).weight[0] for name in ("long", "short"))  # type: ignore[union-attr, index]
        return 30.0 * long[0] + 40.0 * long[1] + 0.3 * short[0] + 0.4 * short[1]

    game = Phases(Phase("both", ("long", "short"), (Term("term", term),)))
    trainer = make_trainer(
        game, players, torch.zeros(8, 1), clip_grad_norm=2.0, micro_batches=micro_batches
    )
    trainer.step()
    # (30, 40) has norm 50 and becomes (1.2, 1.6); (0.3, 0.4) has norm 0.5 and stays.
    assert players["long"].weight.tolist()[0] == pytest.approx([-0.12, -0.16], rel=1e-5)
    assert players["short"].weight.tolist()[0] == pytest.approx([-0.03, -0.04], rel=1e-5)


# Not finite any more.


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_bad_objective_stops_before_the_weights(
    bad: float, micro_batches: int, make_trainer: MakeTrainer
) -> None:
    """The message names step, phase and term; no weight of any network has changed in the step."""
    calls: list[int] = []

    def poison(round: AdversarialRound) -> Tensor:
        calls.append(1)
        spoilt = bad if len(calls) > 2 * micro_batches else 0.0
        return round.scores("real") * 0.0 + spoilt

    game = usual(regularizers=[Term("poison", poison)])
    trainer = make_trainer(game, networks(), points(), micro_batches=micro_batches)
    trainer.step()
    trainer.step()
    before = weights(trainer)
    with pytest.raises(NotFiniteError) as caught:
        trainer.step()
    assert_equal(weights(trainer), before)
    message = str(caught.value)
    assert message.startswith("step 3: not finite any more: phase 'discriminator'")
    assert "poison" in message
    assert "adversarial" not in message
    assert "learning rate" in (caught.value.hint or "")


def test_bad_weights_are_found(make_trainer: MakeTrainer) -> None:
    """Before a save, where objectives are not looked at: the network that is spoilt is named."""
    trainer = make_trainer(usual(), networks(), points())
    trainer.step()
    check_weights(trainer.networks, trainer.step_count)
    with torch.no_grad():
        trainer.networks["generator"][2].bias[1] = math.nan
    with pytest.raises(NotFiniteError, match=r"step 1: .*network 'generator' \(2\.bias\)"):
        check_weights(trainer.networks, trainer.step_count)


# Games that cannot be played.


def test_a_phase_needs_something_that_learns_and_a_term() -> None:
    term = Term("t", fool)
    for learns, terms in (((), (term,)), (("generator",), ())):
        with pytest.raises(PluginError, match=r"phase 'g' needs a network that learns and a term"):
            Phase("g", learns, terms)


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"every": 0}])
def test_counts_of_a_phase_start_at_one(wrong: dict[str, int]) -> None:
    with pytest.raises(PluginError, match="phase 'g': repeats and every must be 1 or more"):
        Phase("g", ("generator",), (Term("t", fool),), **wrong)
    with pytest.raises(PluginError, match="must be 1 or more"):
        Phase("g", ("generator",), (Term("t", fool, every=0),))


def test_what_learns_needs_an_optimizer(make_trainer: MakeTrainer) -> None:
    game = Phases(Phase("g", ("generator", "encoder"), (Term("t", fool),)))
    with pytest.raises(PluginError, match="phase 'g' trains encoder, which has no optimizer"):
        make_trainer(game, networks(), points())


def test_phases_have_names_of_their_own(make_trainer: MakeTrainer) -> None:
    phase = Phase("g", ("generator",), (Term("t", fool),))
    with pytest.raises(PluginError, match="two phases of the game share a name: g, g"):
        make_trainer(Phases(phase, phase), networks(), points())


def test_terms_of_a_phase_have_names_of_their_own(make_trainer: MakeTrainer) -> None:
    """Else the record of one would hide the other's, and its saved state too."""
    phase = Phase("g", ("generator",), (Term("same", fool), Term("same", fool)))
    with pytest.raises(PluginError, match="same"):
        make_trainer(Phases(phase), networks(), points())


def test_some_phase_must_draw_a_batch(make_trainer: MakeTrainer) -> None:
    phase = Phase("g", ("generator",), (Term("t", fool),), draws_batch=False)
    with pytest.raises(PluginError, match="no phase of this game draws a batch"):
        make_trainer(Phases(phase), networks(), points())


def test_a_term_that_detaches_everything_is_told(make_trainer: MakeTrainer) -> None:
    """The phase, what learns in it, and what to look for."""
    phase = Phase("g", ("generator",), (Term("t", lambda round: fool(round).detach()),))
    with pytest.raises(PluginError, match=r"no term of phase 'g' depends on .* \(generator\)") as e:
        make_trainer(Phases(phase), networks(), points()).step()
    assert "detach" in (e.value.hint or "")


def test_a_regularizer_of_an_unknown_phase_is_refused() -> None:
    class Lost(R1):
        phase: ClassVar[str] = "encoder"

    with pytest.raises(PluginError, match=r"'lost' joins phase 'encoder'.*and generator"):
        usual(regularizers=[Term("lost", Lost())])


# Steps and epochs.


def mnist_sized(game: Game, make_trainer: MakeTrainer) -> Trainer:
    return make_trainer(game, networks(), torch.zeros(60_000, 2), batch_size=128)


def test_an_epoch_is_one_pass_through_the_data(make_trainer: MakeTrainer) -> None:
    """60,000 samples in batches of 128 are 468 steps; with five D steps in each, 93.6."""
    assert mnist_sized(usual(), make_trainer).steps_per_epoch == 468
    five = mnist_sized(usual(d_steps=5), make_trainer)
    assert batches_per_step(five.phases) == 5
    assert five.steps_per_epoch == Fraction(468, 5) == Fraction("93.6")
    assert mnist_sized(usual(g_steps=3), make_trainer).steps_per_epoch == 468


def test_a_phase_in_every_other_step_draws_half_a_batch_a_step() -> None:
    terms = (Term("t", fool),)
    phases = [
        Phase("a", ("x",), terms, repeats=3, every=2),
        Phase("b", ("y",), terms),
        Phase("c", ("z",), terms, repeats=7, draws_batch=False),
    ]
    assert batches_per_step(phases) == Fraction(5, 2)


def test_the_clock_ends_each_epoch_once() -> None:
    """With 93.6 steps an epoch, epoch k is over after ceil(93.6 k) steps."""
    ends = [step for step in range(500) if Clock(step, 1000, Fraction(468, 5)).ended_epochs]
    assert ends == [math.ceil(93.6 * k) for k in range(1, 6)] == [94, 188, 281, 375, 468]
    assert Clock(468, 1000, Fraction(468, 5)).epoch == 5.0
    assert Clock(94, 1000, Fraction(468, 5)).epochs_completed() == 1
    assert Clock(94, 1000, Fraction(468, 5)).epochs_completed(93) == 0
    assert [Clock(step, 3, Fraction(1)).finished for step in (0, 2, 3, 4)] == [
        False,
        False,
        True,
        True,
    ]


def test_the_trainer_keeps_time_with_the_feed(make_trainer: MakeTrainer) -> None:
    """10 batches in steps of 4 are 2.5 steps an epoch; the feed has then dealt all of them."""
    trainer = make_trainer(usual(d_steps=4), networks(), points(80), total_steps=5)
    for step in range(1, 6):
        assert not trainer.clock.finished
        trainer.step()
        assert trainer.clock.step == step
        assert trainer.clock.epoch == pytest.approx(step / 2.5)
        assert trainer.feed.state_dict() == {"drawn": 4 * step}
    assert trainer.clock.finished


# Schedules.


def test_a_schedule_steps_with_its_optimizer(make_trainer: MakeTrainer) -> None:
    """Three D steps a step are three of D's schedule; G has none and keeps its rate."""
    players = networks()
    optimizers = {
        name: torch.optim.SGD(network.parameters(), lr=1.0) for name, network in players.items()
    }
    schedule = LambdaLR(optimizers["discriminator"], lambda count: 1 / (1 + count))
    rates: list[float] = []
    optimizers["discriminator"].register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    trainer = make_trainer(
        usual(d_steps=3),
        players,
        points(),
        optimizers=optimizers,
        schedules={"discriminator": schedule},
    )
    trainer.step()
    trainer.step()
    assert rates == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6])
    assert optimizers["generator"].param_groups[0]["lr"] == 1.0


def test_averages_follow_once_a_step(make_trainer: MakeTrainer) -> None:
    """After the last phase, however many optimizer steps there were."""
    players = networks()
    average = Average(players["generator"], decay=0.15)
    trainer = make_trainer(
        usual(d_steps=2, g_steps=3), players, points(), averages={"generator": average}
    )
    expected = players["generator"][0].weight.detach().clone()
    for decay in (0.1, 0.15, 0.15):  # warm-up: 1/10, then 2/11 is above 0.15
        trainer.step()
        expected = decay * expected + (1 - decay) * players["generator"][0].weight.detach()
        torch.testing.assert_close(average.network[0].weight, expected)  # type: ignore[index]


# What a discriminator may return.


class TwoHeads(nn.Module):
    """Logits as ``(N, 1)`` and class logits ``(N, 3)``."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 4)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        both = self.body(samples)
        return {"logits": both[:, :1], "class_logits": both[:, 1:]}


@pytest.mark.parametrize("batch", ["separate", "joint"])
def test_a_discriminator_may_have_more_heads(batch: str, make_trainer: MakeTrainer) -> None:
    """A term finds them by name; a joint batch is cut into real and fake for every head."""
    seen: dict[str, Tensor] = {}

    def classify(round: AdversarialRound) -> Tensor:
        head = round.outputs("real")["class_logits"]
        seen["head"], seen["real"] = head.detach(), round.real
        seen["logits"] = round.scores("fake")
        return cross_entropy(head, torch.zeros(len(round), dtype=torch.int64))

    players = {**networks(), "discriminator": TwoHeads()}
    start = copy.deepcopy(players["discriminator"])
    game = usual(regularizers=[Term("classify", classify)], discriminator_batch=batch)
    values = make_trainer(game, players, points()).step()

    assert seen["logits"].shape == (8,)
    expected = start.body(seen["real"])[:, 1:]
    torch.testing.assert_close(seen["head"], expected)
    target_probability = expected.softmax(dim=1)[:, 0]
    assert values["discriminator/classify"].item() == pytest.approx(
        -target_probability.log().mean().item(), rel=1e-5
    )


class NoLogits(nn.Module):
    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        return {"score": samples.sum(1), "features": samples}


def test_a_dict_without_logits_is_told(make_trainer: MakeTrainer) -> None:
    """The message lists the heads that are there."""
    players = {**networks(), "discriminator": NoLogits()}
    optimizers = {"generator": torch.optim.SGD(players["generator"].parameters(), lr=0.1)}
    game = Phases(Phase("g", ("generator",), (Term("t", fool),)))
    with pytest.raises(
        PluginError, match=r"without 'logits'; its keys are \['features', 'score'\]"
    ):
        make_trainer(game, players, points(), optimizers=optimizers).step()


def test_logits_are_one_number_a_sample_or_a_map() -> None:
    """(N, 1) and (N, 1, 1, 1) become (N,); a map of logits keeps its shape and is averaged."""
    for shape in ((4,), (4, 1), (4, 1, 1, 1)):
        assert judge_scores(torch.zeros(shape), 4)["logits"].shape == (4,)
    patches = torch.arange(16.0).reshape(4, 1, 2, 2)
    assert judge_scores(patches, 4)["logits"].shape == (4, 1, 2, 2)
    assert rank(nn.Identity(), patches).tolist() == [1.5, 5.5, 9.5, 13.5]


def test_beliefs_are_recorded(make_trainer: MakeTrainer) -> None:
    """D(x) and D(G(z)) as the loss means them: probabilities of logits, or plain scores."""
    for loss, meaning in ((NonSaturating(), torch.sigmoid), (Hinge(), lambda s: s)):
        players = networks()
        start = copy.deepcopy(players)
        trainer = make_trainer(TwoPlayer(loss=loss, regularizers=[]), players, points())
        real = points()[torch.randperm(40, generator=Streams(0).generator("data_order", 0))[:8]]
        z = torch.randn(8, 3, generator=Streams(0).generator("latent", 0, "discriminator", 0))
        values = trainer.step()
        fake = start["generator"](z)
        for side, samples in (("real", real), ("fake", fake)):
            expected = meaning(start["discriminator"](samples)).mean()
            torch.testing.assert_close(values[f"discriminator/belief_{side}"], expected.detach())
        assert "generator/belief_fake" in values
        assert "generator/belief_real" not in values


# Stopping, resuming, looking in between.


def eventful(make_trainer: MakeTrainer, seed: int, *, averaged: bool = True) -> Trainer:
    """All that has a memory: Adam, momentum, a schedule, an average, batch norm, dropout."""
    torch.manual_seed(seed)
    players: dict[str, nn.Module] = {
        "generator": nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)),
        "discriminator": nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 1)
        ),
    }
    optimizers = {
        "generator": torch.optim.Adam(players["generator"].parameters(), lr=1e-2, fused=True),
        "discriminator": torch.optim.SGD(
            players["discriminator"].parameters(), lr=0.05, momentum=0.9
        ),
    }
    return make_trainer(
        usual(d_steps=2, regularizers=[Term("r1", R1(), every=3)]),
        players,
        points(),
        optimizers=optimizers,
        schedules={"generator": LambdaLR(optimizers["generator"], lambda count: 0.9**count)},
        averages={"generator": Average(players["generator"], decay=0.9)} if averaged else {},
        micro_batches=2,
    )


def everything(trainer: Trainer) -> dict[str, Tensor]:
    averages = {
        f"average.{name}.{key}": value.clone()
        for name, average in trainer.averages.items()
        for key, value in average.network.state_dict().items()
    }
    return weights(trainer) | averages


@pytest.mark.parametrize("stop", [1, 4, 5])
def test_a_resumed_run_goes_on_bit_for_bit(
    stop: int, tmp_path: Path, make_trainer: MakeTrainer
) -> None:
    """Saved, loaded into a trainer that started elsewhere, continued: the uninterrupted run."""
    whole = eventful(make_trainer, seed=0)
    values = [whole.step() for _ in range(9)]

    first = eventful(make_trainer, seed=0)
    for _ in range(stop):
        first.step()
    torch.save(first.state_dict(), tmp_path / "state.pt")

    second = eventful(make_trainer, seed=99)
    second.step()  # it has even begun a run of its own
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert second.clock.step == stop
    assert_equal(everything(second), everything(first))
    resumed = [second.step() for _ in range(9 - stop)]

    assert_equal(everything(second), everything(whole))
    for ours, theirs in zip(resumed, values[stop:], strict=True):
        assert_equal(ours, theirs)


@pytest.mark.parametrize(
    "phases",
    [
        pytest.param(
            (
                Phase("g", ("generator",), (Term("t", fool),), draws_batch=False),
                Phase("d", ("discriminator",), (Term("t", tell_apart),)),
            ),
            id="the first phase draws no batch",
        ),
        pytest.param(
            (
                Phase("d", ("discriminator",), (Term("t", tell_apart),), every=2),
                Phase("g", ("generator",), (Term("t", fool),), draws_batch=False),
            ),
            id="the phase that draws is played in every 2nd step",
        ),
    ],
)
def test_a_batch_that_was_drawn_last_is_remembered(
    phases: tuple[Phase, ...], make_trainer: MakeTrainer
) -> None:
    """A phase that draws no batch sees the last one, also when the run was stopped in between."""
    whole = make_trainer(Phases(*phases), networks(), points())
    for _ in range(4):
        whole.step()

    first = make_trainer(Phases(*phases), networks(), points())
    for _ in range(3):
        first.step()
    second = make_trainer(Phases(*phases), networks(9), points())
    second.load_state_dict(first.state_dict())
    second.step()

    assert second.feed.state_dict() == whole.feed.state_dict()
    assert_equal(weights(second), weights(whole))


class Counting:
    """A term with a memory."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, round: AdversarialRound) -> Tensor:
        self.calls += 1
        return round.scores("real") * 0.01 * self.calls

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


def test_the_state_of_terms_is_saved(make_trainer: MakeTrainer) -> None:
    first = make_trainer(usual(regularizers=[Term("c", Counting())]), networks(), points())
    first.step()
    first.step()
    term = Counting()
    second = make_trainer(usual(regularizers=[Term("c", term)]), networks(), points())
    second.load_state_dict(first.state_dict())
    assert term.calls == 2


def test_a_state_of_another_recipe_is_refused(make_trainer: MakeTrainer) -> None:
    """Other owners, or the same owners in other shapes: the message says which."""
    state = make_trainer(usual(), networks(), points()).state_dict()
    players = networks()
    averages = {"generator": Average(players["generator"], decay=0.9)}
    averaged = make_trainer(usual(), players, points(), averages=averages)
    with pytest.raises(GanforgeError, match=r"averages \(none\) are not .* \(generator\)"):
        averaged.load_state_dict(state)
    players = {**networks(), "generator": nn.Linear(3, 2)}
    with pytest.raises(GanforgeError, match="does not fit the network 'generator'"):
        make_trainer(usual(), players, points()).load_state_dict(state)


def run_of(trainer: Trainer, folder: Path) -> Run:
    return Run(
        trainer=trainer,
        folder=folder,
        callbacks={},
        facts=Facts("test", 8, (2,)),
        manifest={},
        export=lambda run, folder: None,
        tell=pytest.fail,
    )


@pytest.mark.parametrize("averaged", [True, False])
def test_looking_at_a_run_does_not_change_it(
    averaged: bool, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """Samples, evaluation mode and numbers drawn meanwhile leave no trace in the training."""
    undisturbed = eventful(make_trainer, seed=0, averaged=averaged)
    looked_at = eventful(make_trainer, seed=0, averaged=averaged)
    run = run_of(looked_at, tmp_path)
    for _ in range(5):
        undisturbed.step()
        looked_at.step()
        run.sample(run.fixed_latents(16))
        with evaluating(looked_at.networks["discriminator"]), torch.no_grad():
            looked_at.networks["discriminator"](torch.randn(4, 2))
        torch.rand(7)
    assert_equal(everything(looked_at), everything(undisturbed))


@pytest.mark.parametrize("averaged", [True, False])
def test_samples_are_those_of_evaluation_mode(
    averaged: bool, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """By the average, if there is one. A sample does not depend on those beside it."""
    trainer = eventful(make_trainer, seed=0, averaged=averaged)
    trainer.step()
    run = run_of(trainer, tmp_path)
    latents = run.fixed_latents(16)
    samples = run.sample(latents)

    assert not samples.requires_grad
    assert torch.equal(run.fixed_latents(16), latents)
    torch.testing.assert_close(run.sample(latents[:1]), samples[:1])
    source = trainer.averages["generator"].network if averaged else trainer.networks["generator"]
    expected = copy.deepcopy(source).eval()(latents).detach()
    torch.testing.assert_close(samples, expected)
    assert trainer.networks["generator"].training


class Noisy(nn.Module):
    """A generator that adds noise of its own from torch's global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)

    def forward(self, latents: Tensor) -> Tensor:
        return self.body(latents) + torch.randn(len(latents), 2)


def test_sampling_has_a_random_state_of_its_own(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    """Sampling twice at the same step gives the same, and the global state is put back."""
    trainer = make_trainer(usual(), {**networks(), "generator": Noisy()}, points())
    run = run_of(trainer, tmp_path)
    latents = run.fixed_latents(4)
    first = run.sample(latents)
    state = torch.get_rng_state()
    assert torch.equal(run.sample(latents), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluating_puts_mixed_modes_back() -> None:
    """Also when the block raises: a layer that its author keeps in evaluation mode stays so."""
    network = nn.Sequential(nn.Dropout(), nn.Dropout()).train()
    network[0].eval()

    def check_and_raise() -> None:
        assert not any(module.training for module in network.modules())
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"), evaluating(network):
        check_and_raise()
    assert [module.training for module in network.modules()] == [True, False, True]


def test_the_feed_is_dealt_batch_by_batch(make_trainer: MakeTrainer) -> None:
    """Every repeat of D's phase has a batch of its own; G's phase sees the last of them."""
    seen: list[tuple[str, Tensor]] = []

    class Watched(NonSaturating):
        def discriminator(self, round: AdversarialRound) -> Tensor:
            seen.append(("discriminator", round.real))
            return super().discriminator(round)

        def generator(self, round: AdversarialRound) -> Tensor:
            seen.append(("generator", round.real))
            return super().generator(round)

    game = TwoPlayer(loss=Watched(), regularizers=[], d_steps=3)
    make_trainer(game, networks(), points()).step()
    feed = ResidentFeed(
        Dataset(samples=points()), batch_size=8, streams=Streams(0), device=torch.device("cpu")
    )
    batches = [feed.next().samples for _ in range(3)]
    assert [phase for phase, _ in seen] == ["discriminator"] * 3 + ["generator"]
    for (_, real), expected in zip(seen, [*batches, batches[-1]], strict=True):
        assert torch.equal(real, expected)


@pytest.mark.parametrize(("every", "repeats", "steps", "expected"), [(1, 5, 4, 20), (3, 2, 7, 6)])
def test_an_optimizers_steps_are_counted_over_its_phases(
    every: int, repeats: int, steps: int, expected: int
) -> None:
    """A schedule must know how often it will be stepped; in steps 0, 3 and 6 a phase plays."""
    phase = Phase("p", ("d",), (Term("t", lambda round: round),), repeats=repeats, every=every)
    assert optimizer_steps([phase], "d", steps) == expected
    assert optimizer_steps([phase], "g", steps) == 0
