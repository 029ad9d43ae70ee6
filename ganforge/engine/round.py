"""A round: what the terms of a phase may look at for one micro-batch, each part computed once.

Parts of a round are ``functools.cached_property`` attributes: a part that no term asks for is
never computed, and one that several terms ask for is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.engine.ahead import Ahead
from ganforge.engine.data import Batch
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.tally import Scalar

FEW = 4096
"""More numbers than these are not drawn ahead: they take their time, however they are drawn."""


@dataclass(frozen=True)
class Draw:
    """The random numbers of one micro-batch.

    They are drawn for the whole batch and then cut, so that splitting a batch into micro-batches
    does not change which numbers a sample meets.

    Args:
        streams: The run's random streams.
        counters: Where in the run this is: step, phase and repeat.
        total: Samples in the whole batch.
        where: The rows of this micro-batch.
        device: Where the numbers are needed.
        ahead: Draws the latents of some steps at once, see :func:`latents_ahead`.
    """

    streams: Streams
    counters: tuple[int | str, ...]
    total: int
    where: slice
    device: torch.device
    ahead: Ahead[Tensor] | None = None

    def of(self, phase: str, repeat: int) -> Draw:
        """The random numbers of another play of the same step."""
        step, _, _, *again = self.counters
        return replace(self, counters=(step, phase, repeat, *again))

    def generator(self, stream: str) -> torch.Generator:
        return self.streams.generator(stream, *self.counters, device=self.device)

    def latents(self, latent: Latent, stream: str = "latent") -> Tensor:
        """Latents ``(n, latent.size)``."""
        if self.ahead is None or self.total * latent.size > FEW:
            return self._cut(latent.sample(self.total, self.generator(stream)))
        step, *others = self.counters
        return self._cut(self.ahead(int(step), latent, stream, self.total, *others))

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Numbers ``(n, *shape)``, uniform on [0, 1)."""
        generator = self.generator(stream)
        return self._cut(torch.rand(self.total, *shape, generator=generator, device=self.device))

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Numbers ``(n, *shape)``, standard normal."""
        generator = self.generator(stream)
        return self._cut(torch.randn(self.total, *shape, generator=generator, device=self.device))

    def _cut(self, numbers: Tensor) -> Tensor:
        whole = self.where.start == 0 and self.where.stop == self.total
        return numbers if whole else numbers[self.where]


def latents_ahead(streams: Streams, device: torch.device) -> Ahead[Tensor]:
    """Draws the latents of some steps at once, the same numbers as one by one."""

    def make(
        first: int, steps: int, latent: Latent, stream: str, total: int, *others: int | str
    ) -> list[Tensor]:
        generator = torch.Generator(device)
        return [
            latent.sample(total, generator.manual_seed(streams.number(stream, step, *others)))
            for step in range(first, first + steps)
        ]

    return Ahead(make)


@dataclass(frozen=True)
class Play:
    """What the engine knows about one micro-batch of one phase.

    Args:
        phase: The phase's name.
        networks: All networks of the game, by name.
        learning: The networks that learn in this phase.
        differentiates: The inputs by which a term of this phase will differentiate.
        batch: The micro-batch of real samples.
        latent: The distribution of latents.
        draw: The random numbers of this micro-batch.
        shared: What plays of this step leave for later ones, by any key; it may be gone when the
            run goes on within a step, and must then be made again.
        watched: Whether somebody looks at this play closely: a round may then observe what costs
            something.
    """

    phase: str
    networks: Mapping[str, nn.Module]
    learning: frozenset[str]
    differentiates: frozenset[str]
    batch: Batch
    latent: Latent
    draw: Draw
    shared: dict[Any, Any] = field(default_factory=dict)
    watched: bool = False

    @property
    def step(self) -> int:
        """The step of the run, from 0."""
        return int(self.draw.counters[0])

    @property
    def repeat(self) -> int:
        """Which play of the phase in this step, from 0."""
        return int(self.draw.counters[2])


class Round:
    """Base of all rounds; a game's own rounds add the parts that its terms need."""

    def __init__(self, play: Play) -> None:
        self.play = play

    def __len__(self) -> int:
        return len(self.play.batch)

    def network(self, name: str) -> nn.Module:
        return self.play.networks[name]

    def learns(self, name: str) -> bool:
        """Whether the network of this name learns in the phase being played."""
        return name in self.play.learning

    def prepared(self, name: str, value: Tensor) -> Tensor:
        """``value``, as a leaf with a gradient if a term will differentiate by ``name``."""
        if name in self.play.differentiates and not value.requires_grad:
            return value.detach().requires_grad_()
        return value

    def observe(self) -> Mapping[str, Scalar]:
        """Scalars worth recording that this round has computed anyway, or :class:`Later` ones."""
        return {}
