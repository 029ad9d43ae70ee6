"""The random numbers of a play, as a function of where in the run it is."""

from __future__ import annotations

import copy
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ganforge.engine.ahead import Ahead
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams

FEW = 4096
"""More numbers than these are not drawn ahead: they take their time, however they are drawn."""


class Want(NamedTuple):
    """Random numbers that somebody wants of a play.

    Args:
        kind: Which distribution.
        stream: The name under which they are drawn.
        of: The latents' distribution, or the shape of each sample's numbers.
    """

    kind: Literal["latents", "uniform", "normal"]
    stream: str
    of: Latent | tuple[int, ...]


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

    def __init__(
        self,
        streams: Streams,
        counters: tuple[int | str, ...],
        total: int,
        where: slice,
        device: torch.device,
        ahead: Ahead[Tensor] | None = None,
    ) -> None:
        self.streams = streams
        self.total = total
        self.where = where
        self.device = device
        self._counters = counters
        self._ahead = ahead

    @property
    def counters(self) -> tuple[int | str, ...]:
        """Where in the run this is: step, phase and repeat."""
        return self._counters

    @property
    def step(self) -> int:
        """The step of the run, from 0."""
        return int(self._counters[0])

    @property
    def turn(self) -> tuple[str, int]:
        """The phase, and which of its plays in this step, from 0."""
        return str(self._counters[1]), int(self._counters[2])

    def of(self, phase: str, repeat: int) -> Draw:
        """The random numbers of another play of the same step."""
        other = copy.copy(self)
        step, _, _, *again = self._counters
        other._counters = (step, phase, repeat, *again)
        return other

    def part(self, where: slice) -> Draw:
        """Those of some rows of the whole batch."""
        other = copy.copy(self)
        other.where = where
        return other

    def generator(self, stream: str) -> torch.Generator:
        return self._generator(stream)

    def latents(self, latent: Latent, stream: str = "latent") -> Tensor:
        """Latents ``(n, latent.size)``."""
        return self._cut(self.whole(Want("latents", stream, latent)))

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Numbers ``(n, *shape)``, uniform on [0, 1)."""
        return self._cut(self.whole(Want("uniform", stream, shape)))

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Numbers ``(n, *shape)``, standard normal."""
        return self._cut(self.whole(Want("normal", stream, shape)))

    def whole(self, want: Want) -> Tensor:
        """The numbers of the whole batch, ``(total, ...)``."""
        if isinstance(want.of, Latent):
            return self._latents(want.of, want.stream)
        make = torch.rand if want.kind == "uniform" else torch.randn
        generator = self._generator(want.stream)
        return make(self.total, *want.of, generator=generator, device=self.device)

    def _latents(self, latent: Latent, stream: str) -> Tensor:
        if self._ahead is None or self.total * latent.size > FEW:
            return latent.sample(self.total, self._generator(stream))
        step, *others = self._counters
        return self._ahead(int(step), latent, stream, self.total, *others)

    def _generator(self, stream: str) -> torch.Generator:
        return self.streams.generator(stream, *self._counters, device=self.device)

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
