"""The Fréchet distance against closed forms and against 60 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from given import evidence, normal
from torch import Tensor

from ganforge.api import Moments, UsageError
from ganforge_metrics.frechet import FrechetDistance


def distance(real: Tensor, fake: Tensor) -> float:
    return FrechetDistance()(evidence(real, fake))["frechet_distance"]


def in_60_digits(real: Tensor, fake: Tensor) -> float:
    """The paper's formula, with the eigenvalues of the product of the covariances."""
    with mpmath.workdps(60):
        sides = []
        for features in (real, fake):
            rows = mpmath.matrix(features.tolist())
            ones = mpmath.ones(1, rows.rows)
            mean = ones * rows / rows.rows
            centred = rows - ones.T * mean
            sides.append((mean, centred.T * centred / (rows.rows - 1)))
        (m, c), (n, d) = sides
        eigenvalues = mpmath.eig(c * d, left=False, right=False)
        root = sum(mpmath.sqrt(abs(value)) for value in eigenvalues)
        traces = sum(c[i, i] + d[i, i] for i in range(c.rows))
        return float(mpmath.norm(m - n) ** 2 + traces - 2 * root)


CASES = {
    "full rank": (normal(40, 6), 1.3 * normal(30, 6, seed=1) + 0.2),
    "no full rank": (
        normal(40, 3) @ normal(3, 6, seed=2),
        normal(30, 3, seed=1) @ normal(3, 6, seed=2),
    ),
    "different ranks": (normal(40, 2) @ normal(2, 6, seed=2), normal(30, 6, seed=1)),
    "fewer samples than features": (normal(4, 6), normal(5, 6, seed=1)),
    "large mean": (normal(40, 6) + 1000.0, normal(30, 6, seed=1) + 1000.0),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_papers_formula(name: str) -> None:
    real, fake = (side.float().double() for side in CASES[name])
    assert distance(real, fake) == pytest.approx(in_60_digits(real, fake), rel=1e-6)


@pytest.mark.parametrize("shape", [(500, 8), (5, 8), (500, 1)])
def test_equal_sets_have_none(shape: tuple[int, int]) -> None:
    features = normal(*shape)
    assert distance(features, features) == pytest.approx(0.0, abs=1e-12)


def test_of_independent_features_it_is_that_of_means_and_deviations() -> None:
    signs = torch.tensor(np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))
    # The columns are orthogonal and have mean 0, so the covariances are diagonal.
    real = signs * torch.tensor([1.0, 2.0, 0.0])
    fake = signs * torch.tensor([3.0, 2.0, 1.0]) + torch.tensor([0.5, 0.0, -1.0])
    factor = 4 / 3  # n / (n - 1)
    expected = factor * ((1 - 3) ** 2 + (2 - 2) ** 2 + (0 - 1) ** 2) + 0.5**2 + 1.0**2
    assert distance(real, fake) == pytest.approx(expected, rel=1e-12)


def test_one_sample_has_no_covariance() -> None:
    with pytest.raises(UsageError, match="at least two samples"):
        distance(normal(1, 3), normal(5, 3))


def test_moments_do_not_depend_on_the_portions() -> None:
    features = normal(101, 5) * torch.tensor([1.0, 1e3, 1e-3, 1.0, 0.0]) + 7.0
    whole, parts = Moments.of([features]), Moments.of(torch.split(features, 13))
    assert parts.count == 101
    torch.testing.assert_close(parts.mean, features.mean(dim=0), rtol=1e-12, atol=0.0)
    for moments in (whole, parts):
        covariance = moments.scaled_root.T @ moments.scaled_root
        torch.testing.assert_close(covariance, torch.cov(features.T), rtol=1e-9, atol=1e-18)
