"""What a game has to look at when it shows what its networks have learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.engine.calling import asks_for, call
from ganforge.engine.data import Batch
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.errors import UsageError


@dataclass(frozen=True)
class Panel:
    """Samples that make one picture.

    Args:
        samples: ``(N, ...)``.
        columns: Samples in a row, or None for a near-square grid.
    """

    samples: Tensor
    columns: int | None = None


@dataclass(frozen=True)
class Show:
    """A request for pictures: the same one gets the same latents and real samples in a whole run.

    Args:
        networks: Every network of the game in evaluation mode, the averages where there are any.
        latent: The distribution of latents.
        streams: The run's random streams.
        device: Where the networks are.
        examples: Gives so many real samples, always the same ones.
        num_classes: How many classes the data have, or None.
        count: How many samples are wanted.
        columns: How many of them in a row, if the user said so.
        truncation: Bound on the noise of latents, or None.
    """

    networks: Mapping[str, nn.Module]
    latent: Latent
    streams: Streams
    device: torch.device
    examples: Callable[[int], Batch]
    num_classes: int | None
    count: int
    columns: int | None = None
    truncation: float | None = None

    def latents(self, count: int) -> Tensor:
        """``count`` latents ``(count, latent_dim)``, on the device."""
        generator = self.streams.generator("fixed_latents")
        if self.truncation is None:
            return self.latent.sample(count, generator).to(self.device)
        return self.latent.truncated(count, generator, self.truncation).to(self.device)

    @cached_property
    def batch(self) -> Batch:
        """``count`` real samples, with their labels and their source."""
        return self.examples(self.count)

    def by_class(self, network: nn.Module) -> Panel:
        """Samples of a generator; a row for each class, of the same latents, if it takes labels."""
        if "labels" not in asks_for(network):
            return Panel(call(network, self.latents(self.count)), self.columns)
        if self.num_classes is None:
            raise UsageError(
                f"{type(network).__name__} takes labels, and the data set has none",
                hint="Choose a data set that has labels, or a generator that takes none.",
            )
        columns = self.columns or max(1, self.count // self.num_classes)
        latents, labels = class_rows(self.latents(columns), self.num_classes)
        return Panel(call(network, latents, labels=labels), columns)


def class_rows(latents: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Each class with each latent: latents ``(K * N, D)`` and labels ``(K * N,)``, by class."""
    labels = torch.arange(num_classes, device=latents.device).repeat_interleave(len(latents))
    return latents.repeat(num_classes, *(1 for _ in latents.shape[1:])), labels


def plain_samples(network: nn.Module, show: Show, *, of_source: bool) -> dict[str, Any]:
    """What a game shows that says nothing of its own: its sampler's work.

    Args:
        network: The sampler.
        show: What is wanted.
        of_source: Whether it makes samples of a source's samples, not of latents.
    """
    if not of_source:
        return {"samples": show.by_class(network)}
    source = show.batch.source
    if source is None:
        raise UsageError("the game makes samples of a source, and the data set has none")
    return {"samples": Panel(call(network, source), show.columns)}
