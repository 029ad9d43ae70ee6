"""Classes and modes against counts by hand; the likeness of pairs."""

from __future__ import annotations

import math

import pytest
import torch
from given import evidence, normal

from ganforge.api import Dataset, UsageError
from ganforge_metrics.classes import ClassModes
from ganforge_metrics.similarity import WEIGHTS, MultiScaleSimilarity, scales
from ganforge_mixture.dataset import Mixture
from ganforge_mixture.metric import MixtureModes


def of_classes(*labels: int, classes: int = 4) -> torch.Tensor:
    """Logits that are surest of these classes."""
    return torch.nn.functional.one_hot(torch.tensor(labels), classes).float()


def test_classes_by_hand() -> None:
    real = of_classes(0, 0, 1, 2, 3, 3, 3, 1)
    fake = of_classes(0, 0, 0, 0, 0, 0, 1, 1)
    found = ClassModes()(evidence(real, fake))
    assert found["modes"] == 2
    expected = 0.75 * math.log(0.75 / 0.25) + 0.25 * math.log(0.25 / 0.25)
    assert found["reverse_kl"] == pytest.approx(expected, rel=1e-12)


def test_against_equal_shares_the_data_are_not_looked_at() -> None:
    real = of_classes(0, 0, 0, 1)
    fake = of_classes(0, 0, 0, 0, 0, 0, 1, 1)
    found = ClassModes(against="uniform")(evidence(real, fake))
    expected = 0.75 * math.log(0.75 * 4) + 0.25 * math.log(0.25 * 4)
    assert found == {"modes": 2, "reverse_kl": pytest.approx(expected, rel=1e-12)}


def test_equal_shares_have_no_divergence() -> None:
    logits = of_classes(0, 1, 2, 3)
    assert ClassModes()(evidence(logits, logits)) == {"modes": 4, "reverse_kl": 0.0}


def test_a_class_that_no_real_sample_has_counts_as_half_a_sample() -> None:
    found = ClassModes()(evidence(of_classes(0, 0, 0, 0), of_classes(1, 1, 1, 1)))
    assert found["reverse_kl"] == pytest.approx(math.log(1.0 / (0.5 / 4)))


def test_modes_of_a_ring_by_hand() -> None:
    ring = Mixture(shape="ring", samples=100)
    points = torch.tensor([[1.0, 0.0], [1.02, 0.0], [0.0, 1.0], [0.5, 0.5], [float("nan"), 0.0]])
    found = MixtureModes()(evidence(ring.samples, points, ring))
    assert found == {"mixture_modes": 2.0, "high_quality": 3 / 5}


@pytest.mark.parametrize(
    "data", [Mixture(shape="spiral", samples=9), Dataset(samples=torch.rand(9, 2))]
)
def test_only_what_has_modes_is_counted(data: Dataset) -> None:
    with pytest.raises(UsageError, match="a ring or a grid"):
        MixtureModes()(evidence(data.samples, data.samples, data))


def test_pairs_of_one_image_are_alike() -> None:
    image = normal(1, 3, 32, 32).clamp(-1, 1).repeat(20, 1, 1, 1)
    data = Dataset(samples=normal(20, 3, 32, 32, seed=1).clamp(-1, 1).float())
    found = MultiScaleSimilarity(pairs=10)(evidence(data.samples, image, data))
    assert found["ms_ssim"] == pytest.approx(1.0, abs=1e-4)
    assert found["ms_ssim_real"] < 0.2


@pytest.mark.parametrize(
    ("size", "count"), [(11, 2), (28, 2), (44, 3), (99, 4), (176, 5), (512, 5)]
)
def test_as_many_scales_as_fit(size: int, count: int) -> None:
    found = scales(size)
    assert len(found) == count
    assert sum(found) == pytest.approx(1.0)
    assert found[0] / found[-1] == pytest.approx(WEIGHTS[0] / WEIGHTS[count - 1])


def test_images_without_room_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 11 pixels, not 8"):
        scales(8)
    with pytest.raises(UsageError, match="pairs of images"):
        MultiScaleSimilarity()(evidence(normal(9, 2), normal(9, 2)))
