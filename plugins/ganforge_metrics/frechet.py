"""The metric ``frechet_distance``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from ganforge.api import Better, Evidence, FeatureNetworkOption, Metric, Moments, UsageError


class FrechetDistance(Metric):
    """The distance of two normal distributions with the features' means and covariances.

    ``|m - n|^2 + tr(C) + tr(D) - 2 tr((C D)^(1/2))``, with the covariances divided by n - 1. With
    the features of InceptionV3 it is FID. It depends on the number of samples: with fewer it is
    higher, so compare only what was measured with equally many.

    Source: Heusel et al. 2017, arXiv:1706.08500. Dowson and Landau (1982), "The Fréchet distance
    between multivariate normal distributions".

    Args:
        features: The network that gives the features; the data set suggests one.
    """

    values: ClassVar[Mapping[str, Better]] = {"frechet_distance": "lower"}

    def __init__(self, *, features: FeatureNetworkOption | None = None) -> None:
        self.features = features

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        real = evidence.moments("real", self.features)
        fake = evidence.moments("fake", self.features)
        return {"frechet_distance": frechet_distance(real, fake)}


def frechet_distance(one: Moments, other: Moments) -> float:
    """The squared Fréchet distance of two sets of features.

    With roots ``A^T A`` and ``B^T B`` of the covariances, ``tr((C D)^(1/2))`` is the sum of the
    singular values of ``A B^T``. So no root of a product of covariances is taken, which loses half
    of all digits where they have no full rank.

    Raises:
        UsageError: A set has fewer than two samples.
    """
    if min(one.count, other.count) < 2:
        raise UsageError("a Fréchet distance needs at least two samples of each side")
    first, second = one.scaled_root, other.scaled_root
    shared = torch.linalg.svdvals(first @ second.T).sum()
    traces = first.square().sum() + second.square().sum()
    distance = (one.mean - other.mean).square().sum() + traces - 2.0 * shared
    return max(0.0, float(distance))  # of equal sets, rounding may leave less than nothing
