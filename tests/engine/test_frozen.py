"""What learns in a phase changes, what does not is left alone, and nothing is computed in vain."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from ganforge.api import AdversarialRound, Game, Phase, Play, Regularizer, Term
from ganforge.engine.freezing import Freezer
from ganforge.engine.trainer import Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating
from ganforge_regularizers.gradients import R1, GradientPenalty

MakeTrainer = Callable[..., Trainer]


def points() -> Tensor:
    return torch.randn(40, 2, generator=torch.Generator().manual_seed(1)) + 1.0


def networks() -> dict[str, nn.Module]:
    """A generator and a discriminator, both with batch norm."""
    torch.manual_seed(0)
    return {
        "generator": nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)),
        "discriminator": nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)
        ),
    }


class Watched(NonSaturating):
    """The usual loss; what it meets in each phase is shown to functions of the test."""

    def __init__(self, **watchers: Callable[[AdversarialRound], None]) -> None:
        self.watchers = watchers

    def discriminator(self, round: AdversarialRound) -> Tensor:
        loss = super().discriminator(round)
        self.watchers.get("discriminator", lambda round: None)(round)
        return loss

    def generator(self, round: AdversarialRound) -> Tensor:
        loss = super().generator(round)
        self.watchers.get("generator", lambda round: None)(round)
        return loss


def buffers(network: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in network.named_buffers()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    return [name for name in before if not torch.equal(before[name], after[name])]


ALL_BUFFERS = ["1.running_mean", "1.running_var", "1.num_batches_tracked"]


def test_the_discriminator_is_frozen_while_the_generator_learns(make_trainer: MakeTrainer) -> None:
    """It collects no gradient and keeps its batch-norm statistics, yet gradients pass through."""
    players = networks()
    discriminator = players["discriminator"]
    seen: dict[str, object] = {}

    def before_the_generators_forward(_: nn.Module, __: object) -> None:
        seen.setdefault("buffers", []).append(buffers(discriminator))  # type: ignore[attr-defined]

    def clear(round: AdversarialRound) -> None:
        seen["weights"] = copy.deepcopy(discriminator.state_dict())
        for parameter in discriminator.parameters():
            parameter.grad = None  # what D's own phase left

    players["generator"].register_forward_pre_hook(before_the_generators_forward)
    trainer = make_trainer(
        TwoPlayer(loss=Watched(generator=clear), regularizers=[]), players, points()
    )
    trainer.step()

    assert [p.grad for p in discriminator.parameters()] == [None] * 6
    assert all(p.grad is not None and p.grad.any() for p in players["generator"][3].parameters())
    at_phase_start = seen["buffers"][1]  # type: ignore[index]
    assert changed(at_phase_start, buffers(discriminator)) == []
    assert changed(seen["weights"], discriminator.state_dict()) == []  # type: ignore[arg-type]
    assert int(discriminator[1].num_batches_tracked) == 2  # real and fake, in D's own phase


def test_the_generator_is_frozen_while_the_discriminator_learns(make_trainer: MakeTrainer) -> None:
    """Fakes are made without a graph; G's statistics and weights stay."""
    players = networks()
    generator = players["generator"]
    before = {**buffers(generator), **dict(copy.deepcopy(generator).named_parameters())}
    phases: list[str] = []

    def in_discriminator(round: AdversarialRound) -> None:
        phases.append(round.play.phase)
        assert not round.fake.requires_grad
        assert round.fake.grad_fn is None
        assert changed(before, {**buffers(generator), **dict(generator.named_parameters())}) == []
        assert not any(p.requires_grad for p in generator.parameters())

    def in_generator(round: AdversarialRound) -> None:
        phases.append(round.play.phase)
        assert round.fake.grad_fn is not None
        assert all(p.grad is None for p in generator.parameters())

    loss = Watched(discriminator=in_discriminator, generator=in_generator)
    make_trainer(TwoPlayer(loss=loss, regularizers=[]), players, points()).step()

    assert phases == ["discriminator", "generator"]
    assert changed(before, buffers(generator) | dict(generator.named_parameters()))
    assert int(generator[1].num_batches_tracked) == 1


def test_a_frozen_network_normalises_by_the_batch() -> None:
    """Freezing keeps the statistics, not the mathematics, of training."""
    norm = nn.BatchNorm1d(2)
    samples = points() * 5.0
    Freezer({"norm": norm}).learn([])
    expected = (samples - samples.mean(0)) / (samples.var(0, unbiased=False) + norm.eps).sqrt()
    torch.testing.assert_close(norm(samples), expected)
    assert torch.equal(norm.running_mean, torch.zeros(2))
    assert torch.equal(norm.running_var, torch.ones(2))
    assert int(norm.num_batches_tracked) == 0


def test_requires_grad_is_set_only_where_it_changes(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five discriminator steps in a row toggle nothing between them."""
    players = networks()
    sizes = {name: len(list(network.parameters())) for name, network in players.items()}
    calls: list[bool] = []
    original = torch.Tensor.requires_grad_

    def counted(parameter: nn.Parameter, requires_grad: bool = True) -> Tensor:
        calls.append(requires_grad)
        return original(parameter, requires_grad)

    trainer = make_trainer(
        TwoPlayer(loss=NonSaturating(), regularizers=[], d_steps=5), players, points()
    )
    monkeypatch.setattr(nn.Parameter, "requires_grad_", counted, raising=False)
    trainer.step()
    # D learns from the start: G is frozen for D's phase; then D is frozen and G learns.
    assert len(calls) == sizes["generator"] + sizes["discriminator"] + sizes["generator"]
    calls.clear()
    trainer.step()
    assert len(calls) == 2 * (sizes["generator"] + sizes["discriminator"])
    assert calls.count(True) == calls.count(False)


def test_what_an_author_froze_stays_frozen(make_trainer: MakeTrainer) -> None:
    """A pretrained layer, say: it gets no gradient in any phase, and no new value."""
    players = networks()
    first = players["discriminator"][0].requires_grad_(False)
    before = first.weight.clone()
    trainer = make_trainer(
        TwoPlayer(loss=NonSaturating(), regularizers=[]),
        players,
        points(),
        optimizers={
            name: torch.optim.SGD(network.parameters(), lr=0.1) for name, network in players.items()
        },
    )
    for _ in range(3):
        trainer.step()
        assert not first.weight.requires_grad
        assert first.weight.grad is None
    assert torch.equal(first.weight, before)
    assert players["discriminator"][3].weight.grad is not None


# What is computed.


def count_forwards(players: dict[str, nn.Module], phase: list[str]) -> dict[str, dict[str, int]]:
    """Forward passes by phase and network, counted from now on; ``phase[0]`` is the one played."""
    counts: dict[str, dict[str, int]] = {}
    for name, network in players.items():

        def count(_: nn.Module, __: object, name: str = name) -> None:
            of_phase = counts.setdefault(phase[0], {})
            of_phase[name] = of_phase.get(name, 0) + 1

        network.register_forward_pre_hook(count)
    return counts


class Told(TwoPlayer):
    """The usual game; it tells which phase is being played."""

    playing: list[str]

    def round(self, play: Play) -> AdversarialRound:
        self.playing[0] = play.phase
        return super().round(play)


def forwards(make_trainer: MakeTrainer, *terms: Term, **options: object) -> dict:
    players = networks()
    game = Told(loss=NonSaturating(), regularizers=list(terms), **options)  # type: ignore[arg-type]
    game.playing = [""]
    counts = count_forwards(players, game.playing)
    make_trainer(game, players, points()).step()
    return counts


def test_a_step_makes_the_forward_passes_it_needs_and_no_more(make_trainer: MakeTrainer) -> None:
    """D's phase: one of G, two of D, or one if they are joint. G's phase: one of each."""
    of_generator = {"generator": 1, "discriminator": 1}
    assert forwards(make_trainer) == {
        "discriminator": {"generator": 1, "discriminator": 2},
        "generator": of_generator,
    }
    assert forwards(make_trainer, discriminator_batch="joint") == {
        "discriminator": {"generator": 1, "discriminator": 1},
        "generator": of_generator,
    }


@pytest.mark.parametrize(
    ("terms", "passes"),
    [
        pytest.param([R1()], 2, id="R1 shares D(real) with the loss"),
        pytest.param([R1(), R1()], 2, id="two terms share it too"),
        pytest.param([GradientPenalty()], 3, id="WGAN-GP judges points of its own"),
    ],
)
def test_terms_share_what_they_ask_for(
    terms: list[Regularizer], passes: int, make_trainer: MakeTrainer
) -> None:
    """Scores and fakes that several terms ask for are computed once."""
    given = [Term(f"term_{index}", term) for index, term in enumerate(terms)]
    counts = forwards(make_trainer, *given)
    assert counts["discriminator"] == {"generator": 1, "discriminator": passes}


class RealOnly(Game):
    """A phase whose only term looks at real samples."""

    networks: ClassVar = {"generator": "generator", "discriminator": "discriminator"}
    playing: ClassVar[list[str]] = ["only"]

    def phases(self) -> Sequence[Phase]:
        return [Phase("only", ("discriminator",), (Term("r", lambda r: r.scores("real")),))]

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play)


def test_what_no_term_asks_for_is_not_computed(make_trainer: MakeTrainer) -> None:
    """No fakes for a phase that looks at real samples only, nor D(fake) among what is observed."""
    players = networks()
    counts = count_forwards(players, RealOnly.playing)
    values = make_trainer(RealOnly(), players, points()).step()
    assert counts == {"only": {"discriminator": 1}}
    assert set(values) == {"only/r", "only/loss", "only/belief_real"}


def test_a_lazy_term_costs_nothing_between_its_turns(make_trainer: MakeTrainer) -> None:
    """In the steps between, real samples are no leaves and no gradient by them is prepared."""
    leaves: list[bool] = []
    loss = Watched(discriminator=lambda round: leaves.append(round.real.requires_grad))
    game = TwoPlayer(loss=loss, regularizers=[Term("r1", R1(), every=3)])
    trainer = make_trainer(game, networks(), points())
    for _ in range(7):
        trainer.step()
    assert leaves == [True, False, False, True, False, False, True]


class R2(Regularizer):
    """R1's twin at generated samples (Mescheder et al. 2018)."""

    differentiates: ClassVar[tuple[str, ...]] = ("fake",)

    def __call__(self, round: AdversarialRound) -> Tensor:
        assert round.fake.is_leaf
        (slope,) = torch.autograd.grad(round.scores("fake").sum(), round.fake, create_graph=True)
        return 0.5 * slope.square().sum(dim=1)


def test_a_term_may_differentiate_by_the_fakes(make_trainer: MakeTrainer) -> None:
    """The fakes are leaves then, still cut off from the generator."""
    players = networks()
    trainer = make_trainer(
        TwoPlayer(loss=NonSaturating(), regularizers=[Term("r2", R2())]), players, points()
    )
    grads: list[bool] = []
    trainer.optimizers["discriminator"].register_step_pre_hook(
        lambda *_: grads.append(any(p.grad is not None for p in players["generator"].parameters()))
    )
    values = trainer.step()
    assert values["discriminator/r2"] > 0
    assert grads == [False]


class FlatAtFakes(R2):
    """A generator's term: the gradient of D at its samples should be small."""

    phase: ClassVar[str] = "generator"

    def __call__(self, round: AdversarialRound) -> Tensor:
        (slope,) = torch.autograd.grad(round.scores("fake").sum(), round.fake, create_graph=True)
        return 0.5 * slope.square().sum(dim=1)


def test_differentiating_by_the_fakes_does_not_cut_off_a_generator_that_learns(
    make_trainer: MakeTrainer,
) -> None:
    """With s(x) = sum x^4 / 4 the term is sum x^6 / 2, which has the slope 3 x^5 for G."""

    class Quartic(nn.Module):
        def forward(self, samples: Tensor) -> Tensor:
            return (samples**4).sum(dim=1) / 4

    class OnePoint(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.point = nn.Parameter(torch.tensor([0.5, -0.25]))

        def forward(self, latents: Tensor) -> Tensor:
            return self.point.expand(len(latents), 2)

    class Flat(RealOnly):
        def phases(self) -> Sequence[Phase]:
            return [Phase("g", ("generator",), (Term("flat", FlatAtFakes()),))]

    players: dict[str, nn.Module] = {"generator": OnePoint(), "discriminator": Quartic()}
    optimizers = {"generator": torch.optim.SGD(players["generator"].parameters(), lr=0.1)}
    values = make_trainer(Flat(), players, points(), optimizers=optimizers).step()

    start = torch.tensor([0.5, -0.25])
    assert values["g/flat"].item() == pytest.approx((start**6).sum().item() / 2)
    torch.testing.assert_close(players["generator"].point.detach(), start - 0.1 * 3 * start**5)


def test_a_part_that_two_networks_share_learns_with_either(make_trainer: MakeTrainer) -> None:
    """A recogniser on the discriminator's trunk, say (InfoGAN): D's phase trains the trunk."""

    class Shared(RealOnly):
        def phases(self) -> Sequence[Phase]:
            judge = Term("t", lambda round: round.scores("real"))
            recognise = Term("t", lambda round: round.network("recogniser")(round.real))
            return [
                Phase("d", ("discriminator",), (judge,)),
                Phase("q", ("recogniser",), (recognise,)),
            ]

    torch.manual_seed(0)
    trunk = nn.Linear(2, 4)
    players: dict[str, nn.Module] = {
        "discriminator": nn.Sequential(trunk, nn.Linear(4, 1)),
        "recogniser": nn.Sequential(trunk, nn.Linear(4, 1)),
    }
    trainer = make_trainer(Shared(), players, points())
    has_gradient: dict[str, bool] = {}
    for name, optimizer in trainer.optimizers.items():
        optimizer.register_step_pre_hook(
            lambda *_, name=name: has_gradient.update({name: trunk.weight.grad is not None})
        )
    for _ in range(2):
        trainer.step()
        assert has_gradient == {"discriminator": True, "recogniser": True}
