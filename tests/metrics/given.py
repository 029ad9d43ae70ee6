"""Evidence of given features, for the tests of metrics."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganforge.api import Dataset, Evidence
from ganforge.evaluation.sources import Rows
from ganforge.evaluation.store import Store

CPU = torch.device("cpu")
_numbers = itertools.count()


class Same(nn.Module):
    """A feature network that shows samples as they are, as features and as logits."""

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        flat = samples.flatten(1)
        return {"features": flat, "logits": flat}


@dataclass(frozen=True)
class Given:
    """Samples that are there already, in portions of seven."""

    samples: Tensor

    @property
    def count(self) -> int:
        return len(self.samples)

    def chunks(self) -> Iterator[Tensor]:
        yield from torch.split(self.samples, 7)


def evidence(real: Tensor, fake: Tensor, dataset: Dataset | None = None) -> Evidence:
    """Evidence of float32 features ``(N, D)`` of both sides."""
    data = Dataset(samples=real.float()) if dataset is None else dataset
    return Evidence(
        real=Rows(data, torch.arange(len(data)), CPU),
        fake=Given(fake.float()),
        dataset=data,
        features=Same,
        store=Store(None, print),
        fingerprint=f"given {next(_numbers)}",
        device=CPU,
    )


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers that float32 holds exactly, as float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).double()
