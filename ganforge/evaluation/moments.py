"""Mean and covariance of features, gathered in portions and without loss of digits."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor


class Moments:
    """Count, mean ``(D,)`` and a root ``(R, D)`` of the scatter of features, float64.

    ``root.T @ root`` is the sum of the outer products of the centred features. A root keeps twice
    the digits that the products themselves would keep, also where the covariance has no full rank.
    Portions are joined as by Chan, Golub and LeVeque (1983), "Algorithms for computing the sample
    variance".
    """

    def __init__(self, count: int, mean: Tensor, root: Tensor) -> None:
        self.count = count
        self.mean = mean
        self.root = root

    @classmethod
    def of(cls, portions: Iterable[Tensor]) -> Moments:
        """The moments of features ``(N, D)`` that come in portions."""
        found: Moments | None = None
        for portion in portions:
            features = portion.double()
            mean = features.mean(dim=0)
            one = cls(len(features), mean, _triangle(features - mean))
            found = one if found is None else found.joined(one)
        if found is None:
            raise ValueError("there are no features")
        return found

    def joined(self, other: Moments) -> Moments:
        """Of both sets together."""
        count = self.count + other.count
        difference = other.mean - self.mean
        between = difference * (self.count * other.count / count) ** 0.5
        mean = self.mean + difference * (other.count / count)
        return Moments(count, mean, _triangle(torch.cat([self.root, other.root, between[None]])))

    @property
    def scaled_root(self) -> Tensor:
        """A root ``(R, D)`` of the unbiased covariance."""
        return self.root / math.sqrt(max(1, self.count - 1))


def _triangle(rows: Tensor) -> Tensor:
    """The upper triangle ``(min(N, D), D)`` with the same product with itself."""
    triangle: Tensor = torch.linalg.qr(rows, mode="r").R
    return triangle
