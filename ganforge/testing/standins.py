"""Small networks, data and rounds, with which losses, games and callbacks are tried out.

The core brings no architecture and no loss; these stand in for what a recipe would name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from ganforge.engine.adversarial import AdversarialLoss, AdversarialRound
from ganforge.engine.data import Batch, Dataset
from ganforge.engine.draw import Draw
from ganforge.engine.evaluating import evaluating
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.freezing import Freezer
from ganforge.engine.game import Game, Phase, Term
from ganforge.engine.latent import Latent
from ganforge.engine.round import Play
from ganforge.engine.show import Show
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer

CPU = torch.device("cpu")
IMAGE = (1, 8, 8)
POINT = (2,)
LATENT = Latent(3, categorical=(2,), continuous=1)
CODES = LATENT.size - LATENT.dim
CLASSES = 3
BATCH = 4
WIDTH = 12


class StandInGenerator(nn.Module):
    """Latents, or samples of any shape, to samples ``(N, *shape)`` in [-1, 1].

    Args:
        shape: Of one sample.
        steady: Without batch norm and dropout, whose modes others may leave changed.
    """

    def __init__(self, shape: tuple[int, ...], *, steady: bool = True) -> None:
        super().__init__()
        self.shape = shape
        size = torch.Size(shape).numel()
        self.of_latents = nn.Linear(LATENT.size, WIDTH)
        self.of_samples = nn.Linear(size, WIDTH)
        self.norm = nn.Identity() if steady else nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Dropout())
        self.out = nn.Linear(WIDTH, size)

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.flatten(1)
        layer = self.of_latents if inputs.shape[1] == LATENT.size else self.of_samples
        samples: Tensor = self.out(self.norm(layer(inputs)).tanh()).tanh()
        return samples.reshape(len(samples), *self.shape)


class StandInDiscriminator(nn.Module):
    """Samples to ``logits`` ``(N,)``, ``class_logits``, ``codes`` and ``features``; smooth.

    It judges latents beside them, where a game offers some.

    Args:
        shape: Of one sample.
        steady: Without batch norm and dropout, whose modes others may leave changed.
    """

    def __init__(self, shape: tuple[int, ...], *, steady: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(torch.Size(shape).numel(), WIDTH)
        self.norm = nn.Identity() if steady else nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Dropout())
        self.of_latents = nn.Linear(LATENT.size, WIDTH)
        self.logit = nn.Linear(WIDTH, 1)
        self.classes = nn.Linear(WIDTH, CLASSES)
        self.codes = nn.Linear(WIDTH, CODES)

    def forward(self, samples: Tensor, latents: Tensor | None = None) -> dict[str, Tensor]:
        hidden = self.hidden(samples.flatten(1))
        if latents is not None:
            hidden = hidden + self.of_latents(latents)
        features = self.norm(hidden).tanh()
        return {
            "logits": self.logit(features).squeeze(1),
            "class_logits": self.classes(features),
            "codes": self.codes(features),
            "features": features,
        }


class StandInEncoder(nn.Module):
    """Samples to latents ``(N, latent_dim)``, or to codes ``(N, code_dim)``.

    Args:
        shape: Of one sample.
        steady: It has nothing that could be unsteady.
        size: How many numbers it makes of a sample.
    """

    def __init__(
        self, shape: tuple[int, ...], *, steady: bool = True, size: int = LATENT.size
    ) -> None:
        super().__init__()
        self.steady = steady
        self.hidden = nn.Linear(torch.Size(shape).numel(), WIDTH)
        self.out = nn.Linear(WIDTH, size)

    def forward(self, samples: Tensor) -> Tensor:
        latents: Tensor = self.out(self.hidden(samples.flatten(1)).tanh())
        return latents


FAMILIES: dict[str, Callable[..., nn.Module]] = {
    "generator": StandInGenerator,
    "discriminator": StandInDiscriminator,
    "encoder": StandInEncoder,
}


class StandInLoss(AdversarialLoss):
    """Cross-entropy on logits, and -log D(G(z)) for the generator."""

    def discriminator(self, round: AdversarialRound) -> Tensor:
        return functional.softplus(-round.scores("real")) + functional.softplus(
            round.scores("fake")
        )

    def generator(self, round: AdversarialRound) -> Tensor:
        return functional.softplus(-round.scores("fake"))


class StandInGame(Game):
    """One generator against one discriminator."""

    networks: ClassVar[Mapping[str, str]] = {
        "generator": "generator",
        "discriminator": "discriminator",
    }

    def phases(self) -> Sequence[Phase]:
        loss = StandInLoss()
        return (
            Phase("discriminator", ("discriminator",), (Term("adversarial", loss.discriminator),)),
            Phase(
                "generator",
                ("generator",),
                (Term("adversarial", loss.generator),),
                draws_batch=False,
            ),
        )

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play)


def networks(
    kinds: Mapping[str, str],
    shape: tuple[int, ...] = IMAGE,
    *,
    steady: bool = True,
    families: Mapping[str, Callable[..., nn.Module]] = FAMILIES,
    shape_of: Callable[[str], tuple[int, ...]] | None = None,
) -> dict[str, nn.Module]:
    """A network for each place of a game, with weights that are always the same.

    Args:
        kinds: The kind of each, by name.
        shape: Of what they make or judge.
        steady: Without batch norm and dropout.
        families: What makes them, by kind.
        shape_of: Gives another shape to each network, by its name.
    """
    made: dict[str, nn.Module] = {}
    for number, (name, kind) in enumerate(kinds.items()):
        torch.manual_seed(number)
        own = shape if shape_of is None else shape_of(name)
        made[name] = families[kind](own, steady=steady).train()
    return made


def round_of(
    phase: str,
    shape: tuple[int, ...],
    *,
    differentiates: frozenset[str] = frozenset(),
    steep: bool = False,
    step: int = 0,
) -> AdversarialRound:
    """A round as the engine makes it for a phase in which the network of its name learns.

    A steep discriminator is one whose scores change fast. Rounds of several steps are alike but for
    what they draw.
    """
    made = networks(StandInGame.networks, shape)
    if steep:
        with torch.no_grad():
            made["discriminator"].logit.weight.mul_(1000.0)  # type: ignore[union-attr, operator]
    Freezer(made).learn([phase])
    generator = torch.Generator().manual_seed(7)
    real = torch.empty(BATCH, *shape).uniform_(-1.0, 1.0, generator=generator)
    play = Play(
        phase=phase,
        networks=made,
        learning=frozenset({phase}),
        differentiates=differentiates,
        batch=Batch(real, torch.arange(BATCH) % CLASSES, real.flip(0)),
        latent=LATENT,
        draw=Draw(Streams(0), (step, phase, 0), BATCH, slice(0, BATCH), CPU),
    )
    return AdversarialRound(play)


def dataset(shape: tuple[int, int, int] = (1, 28, 28)) -> Dataset:
    """16 images of noise, in classes."""
    generator = torch.Generator().manual_seed(8)
    images = torch.randint(0, 256, (4 * BATCH, *shape), generator=generator, dtype=torch.uint8)
    return Dataset(samples=images, labels=torch.arange(len(images)) % CLASSES, num_classes=CLASSES)


def trainer(
    game: Game,
    *,
    total_steps: int,
    steady: bool = True,
    families: Mapping[str, Callable[..., nn.Module]] = FAMILIES,
) -> Trainer:
    """A trainer of 16 images, in batches of 4, with gradient descent for every network.

    The images have labels, and belong in pairs to those of a source.
    """
    streams = Streams(3)

    def shape_of(name: str) -> tuple[int, ...]:
        return game.shapes(name, IMAGE, IMAGE)["image_shape"] or IMAGE

    made = networks(game.networks, steady=steady, families=families, shape_of=shape_of)
    domain = dataset(IMAGE)
    images = domain.samples
    paired = Dataset(
        samples=images,
        labels=domain.labels,
        num_classes=CLASSES,
        source=Dataset(samples=images.flip(0)),
        paired=True,
    )
    optimizers: dict[str, Optimizer] = {
        name: torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.5)
        for name, network in made.items()
    }
    return Trainer(
        game=game,
        networks=made,
        optimizers=optimizers,
        feed=ResidentFeed(paired, batch_size=BATCH, streams=streams, device=CPU),
        latent=LATENT,
        streams=streams,
        settings=Settings(total_steps=total_steps, batch_size=BATCH),
        device=CPU,
    )


def shown(trainer: Trainer, count: int, columns: int | None = None) -> Any:
    """What the trainer's game gives for pictures, asked as a run asks."""
    show = Show(
        networks=trainer.networks,
        latent=LATENT,
        streams=trainer.streams,
        device=CPU,
        examples=examples,
        num_classes=CLASSES,
        count=count,
        columns=columns,
    )
    with ExitStack() as stack:
        for network in trainer.networks.values():
            stack.enter_context(evaluating(network))
        stack.enter_context(torch.no_grad())
        return trainer.game.pictures(show)


def examples(count: int) -> Batch:
    """So many images with labels and a source, always the same."""
    generator = torch.Generator().manual_seed(9)
    images = torch.empty(count, *IMAGE).uniform_(-1.0, 1.0, generator=generator)
    return Batch(images, torch.arange(count) % CLASSES, images.flip(0))


def weights(made: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Every parameter and buffer of every network, as it is now."""
    return {
        f"{name}.{key}": value.clone()
        for name, network in made.items()
        for key, value in network.state_dict().items()
    }


def differing(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights that are not the same to the last bit."""
    return [name for name in first if not torch.equal(first[name], second[name])]
