"""The metrics ``precision_recall`` and ``density_coverage``: who lies near whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import Better, Evidence, FeatureNetworkOption, Metric, UsageError

Neighbours = Annotated[int, Field(ge=1)]
AT_ONCE = 1 << 18
"""Distances that are held at a time; they fit into a processor's cache."""


class PrecisionRecall(Metric):
    """Precision: the share of fakes within a real's sphere; recall: of reals within a fake's.

    A sample's sphere reaches to its k-th nearest neighbour on its own side. Precision falls with
    samples that are like nothing real, recall with what is real and never made.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2; k = 3 as there.

    Args:
        neighbours: k.
        features: The network that gives the features; the data set suggests one.
    """

    values: ClassVar[Mapping[str, Better]] = {"precision": "higher", "recall": "higher"}

    def __init__(
        self, *, neighbours: Neighbours = 3, features: FeatureNetworkOption | None = None
    ) -> None:
        self.neighbours = neighbours
        self.features = features

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        real = evidence.features("real", self.features)
        fake = evidence.features("fake", self.features)
        return {
            "precision": within(fake, real, _real_radii(evidence, self.neighbours, self.features)),
            "recall": within(real, fake, radii(fake, self.neighbours)),
        }


class DensityCoverage(Metric):
    """Density: in how many reals' spheres fakes lie, over k; coverage: reals with a fake in theirs.

    Spheres are those of the real side alone, and density counts them, so that one outlier with a
    large sphere says little. Density is about 1 for real samples and may be above.

    Source: Naeem et al. 2020, arXiv:2002.09797, equations 3 and 5; k = 5 as there.

    Args:
        neighbours: k.
        features: The network that gives the features; the data set suggests one.
    """

    values: ClassVar[Mapping[str, Better]] = {"density": "higher", "coverage": "higher"}

    def __init__(
        self, *, neighbours: Neighbours = 5, features: FeatureNetworkOption | None = None
    ) -> None:
        self.neighbours = neighbours
        self.features = features

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        real = evidence.features("real", self.features)
        fake = evidence.features("fake", self.features)
        reach = _real_radii(evidence, self.neighbours, self.features)
        inside, covered = 0, torch.zeros(len(real), dtype=torch.bool)
        for squared in _distances(fake, real):
            near = squared < reach
            inside += int(near.sum())
            covered |= near.any(dim=0)
        return {
            "density": inside / (self.neighbours * len(fake)),
            "coverage": int(covered.sum()) / len(real),
        }


def radii(points: Tensor, neighbours: int) -> Tensor:
    """The squared distance of each point ``(N, D)`` to its k-th nearest other one, ``(N,)``.

    Raises:
        UsageError: There are no k others.
    """
    if len(points) <= neighbours:
        raise UsageError(
            f"{len(points)} samples have no {neighbours} neighbours",
            hint="Measure more samples, or lower the metric's option neighbours.",
        )
    # The nearest to a point is itself.
    found = [
        squared.topk(neighbours + 1, dim=1, largest=False).values[:, -1]
        for squared in _distances(points, points)
    ]
    return torch.cat(found)


def _real_radii(evidence: Evidence, neighbours: int, network: nn.Module | None) -> Tensor:
    """Those of the real side, which are the same in every evaluation."""

    def compute() -> dict[str, Tensor]:
        return {"radii": radii(evidence.features("real", network), neighbours)}

    return evidence.of_reference(f"radii {neighbours}", network, compute)["radii"]


def within(points: Tensor, centers: Tensor, reach: Tensor) -> float:
    """The share of points ``(N, D)`` that lie in at least one center's sphere, edges included."""
    inside = [(squared <= reach).any(dim=1).sum() for squared in _distances(points, centers)]
    return int(torch.stack(inside).sum()) / len(points)


def _distances(points: Tensor, centers: Tensor) -> Iterator[Tensor]:
    """Squared distances ``(n, M)`` of some points after the other to all centers, float64.

    They come from products of matrices, which is ten times as fast as differences. What is no more
    than their rounding is 0, so that equal points have none.
    """
    middle = centers.double().mean(dim=0)
    points, centers = points.double() - middle, centers.double() - middle
    lengths = centers.square().sum(dim=1)
    rounding = 64.0 * torch.finfo(torch.float64).eps
    for part in torch.split(points, max(1, AT_ONCE // len(centers))):
        own = part.square().sum(dim=1, keepdim=True)
        squared = own + lengths - 2.0 * (part @ centers.T)
        yield torch.where(squared > rounding * (own + lengths), squared, 0.0)
