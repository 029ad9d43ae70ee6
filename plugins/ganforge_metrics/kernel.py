"""The metric ``kernel_distance``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from ganforge.api import Better, Evidence, FeatureNetworkOption, Metric
from ganforge_metrics.extra import quietly, torchmetrics


class KernelDistance(Metric):
    """KID: the unbiased squared distance of features in the space of the kernel (x y / D + 1)^3.

    It is the mean over subsets of the samples of both sides. Unlike the Fréchet distance, its
    expectation does not depend on the number of samples; it may be a little below 0. Computed by
    torchmetrics (extra ``metrics``) in float64.

    Source: Bińkowski et al. 2018, arXiv:1801.01401, section 4.

    Args:
        subsets: How many subsets.
        subset_size: Samples of each side in a subset; fewer where there are fewer.
        features: The network that gives the features; the data set suggests one.
    """

    values: ClassVar[Mapping[str, Better]] = {"kernel_distance": "lower"}

    def __init__(
        self,
        *,
        subsets: Annotated[int, Field(ge=1)] = 100,
        subset_size: Annotated[int, Field(ge=2)] = 1000,
        features: FeatureNetworkOption | None = None,
    ) -> None:
        self.subsets = subsets
        self.subset_size = subset_size
        self.features = features

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        real = evidence.features("real", self.features).double()
        fake = evidence.features("fake", self.features).double()
        with quietly():
            distance = torchmetrics("image.kid").KernelInceptionDistance(
                feature=nn.Identity(),
                subsets=self.subsets,
                subset_size=min(self.subset_size, len(real), len(fake)),
            )
            distance.update(real, real=True)
            distance.update(fake, real=False)
            return {"kernel_distance": float(distance.compute()[0])}
