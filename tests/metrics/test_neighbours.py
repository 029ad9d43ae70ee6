"""Precision, recall, density and coverage against loops over all pairs."""

from __future__ import annotations

import math

import pytest
import torch
from given import evidence, normal
from torch import Tensor

from ganforge.api import UsageError
from ganforge_metrics import neighbours
from ganforge_metrics.neighbours import DensityCoverage, PrecisionRecall

Points = list[list[float]]


def reach(points: Points, k: int) -> list[float]:
    return [sorted(math.dist(p, q) for q in points)[k] for p in points]


def near(points: Points, centers: Points, k: int) -> float:
    """The share of points within some center's sphere."""
    spheres = list(zip(centers, reach(centers, k), strict=True))
    return sum(any(math.dist(p, c) <= r for c, r in spheres) for p in points) / len(points)


SETS = {
    "alike": (normal(40, 3), normal(40, 3, seed=1)),
    "apart": (normal(30, 3), normal(30, 3, seed=1) + 2.0),
    "fewer fakes": (normal(40, 3), normal(15, 3, seed=1)),
    "collapsed": (normal(40, 3), normal(1, 3, seed=1).repeat(20, 1)),
}


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("name", SETS)
def test_against_loops(name: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "AT_ONCE", 100)  # so that they come in several parts
    real, fake = SETS[name]
    kept = real[: len(fake)]  # no more reals than fakes
    reals, fakes = kept.tolist(), fake.tolist()
    found = PrecisionRecall(neighbours=k)(evidence(real, fake))
    assert found["precision"] == near(fakes, reals, k)
    assert found["recall"] == near(reals, fakes, k)

    spheres = list(zip(reals, reach(reals, k), strict=True))
    found = DensityCoverage(neighbours=k)(evidence(real, fake))
    inside = sum(math.dist(f, c) < r for f in fakes for c, r in spheres)
    covered = sum(any(math.dist(f, c) < r for f in fakes) for c, r in spheres)
    assert found["density"] == pytest.approx(inside / (k * len(fakes)), rel=1e-12)
    assert found["coverage"] == covered / len(reals)


def test_equal_sets_are_precise_and_recalled() -> None:
    points: Tensor = normal(50, 4)
    assert PrecisionRecall()(evidence(points, points)) == {"precision": 1.0, "recall": 1.0}
    assert DensityCoverage()(evidence(points, points))["coverage"] == 1.0


def test_too_few_samples_for_neighbours() -> None:
    with pytest.raises(UsageError, match="3 samples have no 3 neighbours"):
        PrecisionRecall()(evidence(torch.zeros(3, 2), torch.zeros(3, 2)))
