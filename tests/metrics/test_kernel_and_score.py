"""KID and the Inception score against the papers' formulae, in NumPy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from given import evidence, normal
from numpy.typing import NDArray

from ganforge.api import UsageError
from ganforge_metrics.kernel import KernelDistance
from ganforge_metrics.score import InceptionScore

Array = NDArray[np.float64]


def squared_mmd(x: Array, y: Array) -> float:
    """The unbiased estimate of Gretton et al. 2012, lemma 6, with KID's kernel."""

    def kernel(a: Array, b: Array) -> Array:
        cube: Array = (a @ b.T / a.shape[1] + 1.0) ** 3
        return cube

    n, m = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2.0 * kernel(x, y).mean())


def test_a_subset_of_all_is_the_whole_estimate() -> None:
    real, fake = normal(60, 9), 1.2 * normal(60, 9, seed=1) + 0.1
    fake = fake.float().double()
    found = KernelDistance(subsets=2, subset_size=60)(evidence(real, fake))
    assert found["kernel_distance"] == pytest.approx(
        squared_mmd(real.numpy(), fake.numpy()), rel=1e-6
    )


def test_subsets_are_no_larger_than_the_samples() -> None:
    real, fake = normal(30, 4), normal(20, 4, seed=1)
    assert abs(KernelDistance(subsets=50)(evidence(real, fake))["kernel_distance"]) < 1.0


def test_in_expectation_equal_distributions_have_none() -> None:
    found = KernelDistance(subset_size=100)(evidence(normal(4000, 4), normal(4000, 4, seed=1)))
    assert found["kernel_distance"] == pytest.approx(0.0, abs=0.02)


def test_the_score_is_the_papers() -> None:
    logits = (2.0 * normal(50, 7)).float().double()
    found = InceptionScore(splits=1)(evidence(normal(50, 7), logits))["inception_score"]
    shares = np.exp(logits.numpy())
    shares /= shares.sum(axis=1, keepdims=True)
    divergence = (shares * np.log(shares / shares.mean(axis=0))).sum(axis=1).mean()
    assert found == pytest.approx(np.exp(divergence), rel=1e-6)


def test_a_sure_classifier_of_even_classes_gives_their_number() -> None:
    logits = 100.0 * torch.eye(5).repeat(10, 1)
    found = InceptionScore(splits=1)(evidence(normal(50, 5), logits))["inception_score"]
    assert found == pytest.approx(5.0, rel=1e-6)


def test_without_torchmetrics_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.image.kid", None)
    with pytest.raises(UsageError) as caught:
        KernelDistance()(evidence(normal(9, 2), normal(9, 2)))
    assert "torchmetrics" in caught.value.message
    assert caught.value.hint == "Install it with: pip install 'ganforge[metrics]'"
