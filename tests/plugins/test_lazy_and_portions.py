"""Of every loss and term: lazy ones weigh as much as eager ones, and portions do not show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from test_consistency import DoubleLatent
from torch import Tensor, nn

from ganforge.api import AdversarialLoss, Batch, Dataset, Phase, Regularizer, Term
from ganforge.engine.backward import Backward
from ganforge.engine.execution import Execution
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.freezing import Freezer
from ganforge.engine.latent import Latent
from ganforge.engine.parts import Parts
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge.plugins import load_registry
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)
SIZE = 64
DIM = 3
BATCH = 8
LEARNING_RATE = 0.01

Make = Callable[[], Any]


def registered(kind: str, plugin: str) -> dict[str, Make]:
    """What a first-party plugin registers of a kind, by name, in alphabetical order."""
    (found,) = [each for each in load_registry().plugins if each.name == plugin]
    components = {each.name: each.load() for each in found.components if each.kind == kind}
    return dict(sorted(components.items()))


LOSSES = registered("loss", "losses")
TERMS = registered("regularizer", "regularizers")

OF_THE_BATCH = {
    "dragan": "the standard deviation of the real samples",
    "feature_matching": "the mean features",
    "relativistic_average": "the mean score of the other side",
}
"""What looks at a micro-batch as a whole, so that its size shows; and what it looks at."""


class Maker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(DIM, 16), nn.Tanh(), nn.Linear(16, SIZE), nn.Tanh())

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.layers(latents)
        return images.reshape(-1, *SHAPE)


class Looker(nn.Module):
    """Smooth, steep enough for ``lipschitz_penalty``, and without batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(SIZE, 16)
        self.logit = nn.Linear(16, 1)
        with torch.no_grad():
            self.logit.weight.mul_(8.0)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = torch.tanh(self.hidden(images.flatten(1)))
        return {"logits": self.logit(features), "features": features}


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": Maker(), "discriminator": Looker()}


def images() -> Tensor:
    """Numbers in [-1, 1], not centred, and of a contrast that rises from the first to the last."""
    generator = torch.Generator().manual_seed(1)
    shares = torch.rand(BATCH, *SHAPE, generator=generator).pow(2)
    return (shares * 2 - 1) * torch.linspace(0.1, 1, BATCH).reshape(-1, 1, 1, 1)


def phases_of(term: Regularizer) -> tuple[str, ...]:
    return (term.phase,) if isinstance(term.phase, str) else term.phase


def primed(name: str) -> Regularizer:
    """A term in the middle of a run: what compares with the plays before has had some."""
    term = TERMS[name]()
    if name == "lecam":
        term.load_state_dict({"real": torch.tensor(0.4), "fake": torch.tensor(-0.3)})
    return term


PLACES = [(name, phase) for name, make in TERMS.items() for phase in phases_of(make())]


# Lazy terms.


def gradients(
    phase: Phase, game: TwoPlayer, made: Mapping[str, nn.Module], play: int
) -> dict[str, Tensor]:
    """Those of one play: whichever it is, it sees the same samples and the same numbers."""
    backward = Backward(
        game=game,
        networks=made,
        latent=DoubleLatent(DIM),
        streams=Streams(0),
        micro_batches=1,
        execution=Execution(CPU),
        parts=Parts(),
    )
    Freezer(made).learn(phase.learns)
    batch = Batch(images().double())
    backward(phase, (0, phase.name, 0), phase.due_terms(play), batch)
    found = made[phase.name].named_parameters()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in found}


def played(name: str, phase: str, every: int, plays: int) -> dict[str, Tensor]:
    """The mean gradient of so many plays in which nothing moves, from a fresh term."""
    made = {each: network.double() for each, network in networks().items()}
    term = Term(name, primed(name), weight=0.7, every=every)
    game = TwoPlayer(loss=NonSaturating(), regularizers=[term])
    (own,) = [each for each in game.phases() if each.name == phase]
    found = [gradients(own, game, made, play) for play in range(plays)]
    return {key: torch.stack([each[key] for each in found]).mean(0) for key in found[0]}


@pytest.mark.parametrize("every", [2, 5])
@pytest.mark.parametrize(("name", "phase"), PLACES)
def test_a_lazy_term_weighs_what_an_eager_one_does(name: str, phase: str, every: int) -> None:
    eager = played(name, phase, every=1, plays=1)
    lazy = played(name, phase, every=every, plays=every)
    for key, gradient in eager.items():
        torch.testing.assert_close(lazy[key], gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "phase"), PLACES)
def test_every_term_but_one_is_felt(name: str, phase: str) -> None:
    """So that the test above compares something; clipping acts after the step only."""
    felt, tripled = (played(name, phase, every=every, plays=1) for every in (1, 3))
    moved = max(float((tripled[key] - felt[key]).abs().max()) for key in felt)
    assert (moved > 1e-8) == (name != "weight_clipping")


# Portions.


def weights_after_a_step(
    loss: AdversarialLoss, terms: list[Term], micro_batches: int
) -> dict[str, Tensor]:
    """Every weight after one step of gradient descent, in float32."""
    made, streams = networks(), Streams(0)
    feed = ResidentFeed(Dataset(samples=images()), batch_size=BATCH, streams=streams, device=CPU)
    trainer = Trainer(
        game=TwoPlayer(loss=loss, regularizers=terms),
        networks=made,
        optimizers={
            name: torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
            for name, network in made.items()
        },
        feed=feed,
        latent=Latent(DIM),
        streams=streams,
        settings=Settings(total_steps=1, batch_size=BATCH, micro_batches=micro_batches),
        device=CPU,
    )
    trainer.step()
    return {
        f"{name}.{key}": value.clone()
        for name, network in made.items()
        for key, value in network.state_dict().items()
    }


def apart(name: str, portions: int) -> float:
    """The largest difference of a weight between a step with portions and one without."""

    def after(micro_batches: int) -> dict[str, Tensor]:
        if name in LOSSES:
            return weights_after_a_step(LOSSES[name](), [], micro_batches)
        return weights_after_a_step(NonSaturating(), [Term(name, primed(name))], micro_batches)

    whole, cut = after(1), after(portions)
    return max(float((whole[key] - cut[key]).abs().max()) for key in whole)


@pytest.mark.parametrize("portions", [2, 4])
def test_the_list_of_exceptions_is_exact(portions: int) -> None:
    """What is on it shows its portions by far more than rounding, and nothing else does."""
    differences = {name: apart(name, portions) for name in (*LOSSES, *TERMS)}
    assert {name for name, found in differences.items() if found > 1e-6} == set(OF_THE_BATCH)
    assert min(differences[name] for name in OF_THE_BATCH) > 1e-5


@pytest.mark.parametrize("portions", [2, 3, 4])
@pytest.mark.parametrize("name", sorted((LOSSES.keys() | TERMS.keys()) - OF_THE_BATCH.keys()))
def test_portions_do_not_show(name: str, portions: int) -> None:
    """3 cut a batch of 8 into unequal parts."""
    assert apart(name, portions) <= 1e-6
