"""Where samples come from: a data set's rows, or a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from ganforge.engine.calling import asks_for, call
from ganforge.engine.data import AnyDataset, normalised
from ganforge.engine.evaluating import evaluating
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.errors import UsageError

CHUNK = 250
"""Samples made at once; fixed, as another number may round differently."""


class Source(Protocol):
    """A set of samples, which can be gone through more than once and is always the same."""

    @property
    def count(self) -> int:
        """How many samples it has."""
        ...

    def chunks(self) -> Iterator[Tensor]:
        """The samples ``(n, ...)`` in portions; images are in [-1, 1]."""
        ...


@dataclass(frozen=True)
class Rows:
    """Some rows of a data set.

    Args:
        dataset: The data set.
        rows: Indices ``(N,)``.
        device: Where the samples are wanted.
    """

    dataset: AnyDataset
    rows: Tensor
    device: torch.device

    @property
    def count(self) -> int:
        return len(self.rows)

    def chunks(self) -> Iterator[Tensor]:
        for rows in torch.split(self.rows, CHUNK):
            yield normalised(self.dataset.gather(rows)[0].to(self.device))


@dataclass(frozen=True)
class Made:
    """What a generator makes of fresh latents, of classes as frequent as in the data.

    Args:
        network: The generator; it is in evaluation mode only meanwhile.
        latent: The distribution of latents.
        dataset: Where classes come from, and samples to translate.
        samples_of: Whether the network starts from latents or from samples of the data's source.
        count: How many samples.
        seed: Of latents, classes and whatever else is drawn.
        device: Where the network is.
    """

    network: nn.Module
    latent: Latent
    dataset: AnyDataset
    samples_of: Literal["latents", "source"]
    count: int
    seed: int
    device: torch.device

    def chunks(self) -> Iterator[Tensor]:
        inputs, labels = self._inputs(), self._labels()
        for start in range(0, self.count, CHUNK):
            where = slice(start, start + CHUNK)
            # A caller may train between two portions, so what is set for one is put back after it.
            with ExitStack() as stack:
                stack.enter_context(evaluating(self.network))
                stack.enter_context(torch.no_grad())
                stack.enter_context(Streams(self.seed).isolated("evaluation", start))
                samples: Tensor = call(
                    self.network,
                    inputs(where).to(self.device),
                    labels=None if labels is None else labels[where].to(self.device),
                )
            yield samples

    def _inputs(self) -> Callable[[slice], Tensor]:
        """Gives the network's inputs for some of the samples."""
        if self.samples_of == "latents":
            latents = self.latent.sample(self.count, self._generator("latents"))
            return lambda where: latents[where]
        source = self.dataset.source_dataset
        if source is None:
            raise UsageError("this generator translates samples, and the data set has no source")
        rows = self._rows(len(source), "sources")
        return lambda where: normalised(source.gather(rows[where])[0])

    def _labels(self) -> Tensor | None:
        if "labels" not in asks_for(self.network):
            return None
        labels = self.dataset.gather(self._rows(len(self.dataset), "labels"))[1]
        if labels is None:
            raise UsageError("this generator takes classes, and the data set has none")
        return labels

    def _rows(self, among: int, stream: str) -> Tensor:
        return torch.randint(among, (self.count,), generator=self._generator(stream))

    def _generator(self, stream: str) -> torch.Generator:
        return Streams(self.seed).generator("evaluation", stream)
