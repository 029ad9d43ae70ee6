"""The data set ``mixture``: its constants, its density, what is counted and what is drawn."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganforge.api import DataError
from ganforge.options import read_signature
from ganforge_mixture.dataset import PIXELS, Mixture, hits, modes
from ganforge_mixture.picture import BOTTOM, LEFT, SIDE

Array = NDArray[np.float64]

STD = {"grid": 0.05, "ring": 0.01, "spiral": 0.02}
HIGH_QUALITY = 1 - math.exp(-9 / 2)
"""The share of a Gaussian in the plane within three standard deviations: Rayleigh's law."""


def expected_centers(shape: str) -> Array:
    """The papers' centres, by a second way: complex roots of unity, and two loops."""
    if shape == "ring":
        roots = np.exp(2j * np.pi * np.arange(8) / 8)
        return np.stack([roots.real, roots.imag], axis=1)
    return np.array([(-4.0 + 2 * i, -4.0 + 2 * j) for i in range(5) for j in range(5)])


def density(points: Array, centers: Array, std: float) -> Array:
    """The mean of the Gaussians' densities, written out."""
    total = np.zeros(len(points))
    for center in centers:
        square = ((points - center) ** 2).sum(axis=1)
        total += np.exp(-square / (2 * std**2)) / (2 * np.pi * std**2)
    return total / len(centers)


def count_as_the_authors(samples: Array, centers: Array, std: float) -> Array:
    """The loops of the authors' ``MetricLogger``, for equal variances."""
    counts = np.zeros(len(centers))
    for sample in samples:
        nearest, which = 1e7, -1
        for j, center in enumerate(centers):
            distance = math.sqrt((((sample - center) / std) ** 2).sum())
            if distance < nearest:
                nearest, which = distance, j
        if nearest < 3:
            counts[which] += 1
    return counts


# Constants.


@pytest.mark.parametrize("shape", ["grid", "ring"])
def test_modes_are_where_the_papers_have_them(shape: str) -> None:
    mixture = Mixture(shape=shape, samples=10)  # type: ignore[arg-type]
    np.testing.assert_allclose(mixture.centers.numpy(), expected_centers(shape), atol=1e-15)
    assert mixture.std == STD[shape]
    assert mixture.num_classes == len(expected_centers(shape))


def test_a_hundred_thousand_points_are_drawn_unless_told_otherwise() -> None:
    mixture = Mixture()
    assert mixture.shape == "ring"
    assert mixture.samples.shape == (100_000, 2)
    assert mixture.samples.dtype == torch.float32
    assert mixture.sample_shape == (2,)


def test_the_spiral_goes_evenly_along_its_curve() -> None:
    centers = Mixture(shape="spiral", samples=1).centers.numpy()
    radii = np.hypot(*centers.T)
    angles = np.unwrap(np.arctan2(centers[1:, 1], centers[1:, 0]))
    np.testing.assert_allclose(radii[1:], angles / (4 * np.pi), atol=1e-12)
    assert radii[0] == 0.0
    assert radii[-1] == pytest.approx(1.0, abs=1e-12)
    turn = 4 * math.pi  # the length of r = a t up to t is a/2 (t sqrt(1 + t^2) + asinh t)
    length = (turn * math.sqrt(1 + turn**2) + math.asinh(turn)) / (2 * turn)
    steps = np.hypot(*np.diff(centers, axis=0).T)
    np.testing.assert_allclose(steps, length / (len(centers) - 1), rtol=0.05)


def test_the_spiral_has_no_modes() -> None:
    mixture = Mixture(shape="spiral", samples=10)
    assert mixture.labels is None
    assert mixture.num_classes is None


def test_the_spirals_density_has_no_beads() -> None:
    """Between two neighbours it is what it is at them."""
    mixture = Mixture(shape="spiral", samples=1)
    inner = mixture.centers[75:175]
    between = (inner[1:] + inner[:-1]) / 2
    at, half_way = mixture.log_density(inner[:-1]), mixture.log_density(between)
    assert (at - half_way).abs().max() < 0.01


# Draws.


@pytest.mark.parametrize("std", [None, 0.3])
@pytest.mark.parametrize("shape", ["grid", "ring", "spiral"])
def test_samples_have_the_mixtures_moments(shape: str, std: float | None) -> None:
    mixture = Mixture(shape=shape, std=std)  # type: ignore[arg-type]
    points, centers = mixture.samples.double().numpy(), mixture.centers.numpy()
    width = STD[shape] if std is None else std
    # Of a mixture: the mean of the means, and within plus between.
    mean, between = centers.mean(axis=0), np.cov(centers.T, bias=True)
    covariance = between + width**2 * np.eye(2)
    error = np.sqrt(np.diag(covariance) / len(points))
    assert (np.abs(points.mean(axis=0) - mean) < 5 * error).all()
    np.testing.assert_allclose(
        np.cov(points.T), covariance, atol=5 * 1.5 * covariance.max() / math.sqrt(len(points))
    )


@pytest.mark.parametrize("shape", ["grid", "ring"])
def test_labels_are_the_modes_from_which_samples_come(shape: str) -> None:
    mixture = Mixture(shape=shape)  # type: ignore[arg-type]
    assert mixture.labels is not None
    count = torch.bincount(mixture.labels)
    share = 1 / len(count)
    expected, error = len(mixture) * share, math.sqrt(len(mixture) * share * (1 - share))
    assert ((count - expected).abs() < 5 * error).all()
    offsets = (mixture.samples.double() - mixture.centers[mixture.labels]) / mixture.std
    for label in range(len(count)):
        own = offsets[mixture.labels == label]
        assert (own.mean(dim=0).abs() < 5 / math.sqrt(len(own))).all()
        assert own.std(dim=0) == pytest.approx([1, 1], abs=5 / math.sqrt(2 * len(own)))
    assert offsets.prod(dim=1).mean().abs() < 5 / math.sqrt(len(offsets))


def test_the_seed_decides_the_draw() -> None:
    one, same, other = Mixture(seed=1), Mixture(seed=1), Mixture(seed=2)
    assert torch.equal(one.samples, same.samples)
    assert not torch.equal(one.samples, other.samples)


def test_the_draw_leaves_torchs_own_generator_alone() -> None:
    before = torch.get_rng_state()
    Mixture(samples=100)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "options",
    [{"samples": 0}, {"seed": -1}, {"shape": "disc"}, {"std": 0.0}, {"std": "0.1"}],
    ids=str,
)
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    signature = read_signature(Mixture, "dataset")
    assert signature.check({})[1] == []
    assert len(signature.check(options)[1]) == 1


# Density.


@pytest.mark.parametrize(
    ("shape", "std", "reach", "cells"),
    [
        ("grid", None, 4.5, 600),
        ("grid", 0.5, 9.0, 200),
        ("ring", None, 1.1, 600),
        ("ring", 0.2, 3.0, 200),
        ("spiral", None, 1.3, 300),
    ],
)
def test_the_density_integrates_to_one(
    shape: str, std: float | None, reach: float, cells: int
) -> None:
    mixture = Mixture(shape=shape, std=std, samples=1)  # type: ignore[arg-type]
    middles = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells * 2 * reach - reach
    points = torch.cartesian_prod(middles, middles)
    total = mixture.log_density(points).exp().sum() * (2 * reach / cells) ** 2
    assert total == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("shape", ["grid", "ring", "spiral"])
def test_the_density_is_the_mean_of_gaussians(shape: str) -> None:
    mixture = Mixture(shape=shape, samples=500, seed=3)  # type: ignore[arg-type]
    points = mixture.samples.double() + 0.01
    expected = density(points.numpy(), mixture.centers.numpy(), STD[shape])
    np.testing.assert_allclose(mixture.log_density(points).exp().numpy(), expected, rtol=1e-9)


def test_the_density_far_away_is_a_finite_logarithm() -> None:
    mixture = Mixture(samples=1)
    (found,) = mixture.log_density(torch.tensor([[101.0, 0.0]])).tolist()
    # Only the mode at (1, 0) counts; the next is sqrt(2) * 100 / 2 nearer to nothing.
    expected = -0.5 * (100 / 0.01) ** 2 - math.log(2 * math.pi * 0.01**2 * 8)
    assert found == pytest.approx(expected, rel=1e-12)


# Modes.


def test_modes_of_samples_made_by_hand() -> None:
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    samples = torch.tensor([[0.0, 0.0], [0.0, 2.9], [2.0, 2.0], [10.0, 3.1], [2.5, 2.5], [9.0, 0]])
    # Distances in standard deviations: 0, 2.9, 2.83, 3.1, 3.54, 1.
    assert hits(samples, centers, 1.0).tolist() == [3, 1, 0]
    assert modes(samples, centers, 1.0) == (2, 4 / 6)


def test_three_standard_deviations_are_too_many() -> None:
    centers = torch.zeros(1, 2)
    assert modes(torch.tensor([[3.0, 0.0]]), centers, 1.0) == (0, 0.0)
    assert modes(torch.tensor([[2.999, 0.0]]), centers, 1.0) == (1, 1.0)


def test_a_sample_recovers_only_the_nearest_mode() -> None:
    centers = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert hits(torch.tensor([[0.6, 0.0]]), centers, 1.0).tolist() == [0, 1]


@pytest.mark.parametrize("shape", ["grid", "ring"])
def test_counts_are_those_of_the_authors_loops(shape: str) -> None:
    mixture = Mixture(shape=shape, samples=400, seed=5)  # type: ignore[arg-type]
    noise = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    samples = mixture.samples + 1.5 * mixture.std * noise
    expected = count_as_the_authors(samples.double().numpy(), expected_centers(shape), STD[shape])
    assert 0 < expected.sum() < 400
    assert hits(samples, mixture.centers, mixture.std).tolist() == expected.tolist()
    found, share = modes(samples, mixture.centers, mixture.std)
    assert (found, share) == ((expected > 0).sum(), expected.sum() / 400)


@pytest.mark.parametrize("shape", ["grid", "ring"])
def test_the_mixtures_own_samples_are_of_high_quality(shape: str) -> None:
    mixture = Mixture(shape=shape)  # type: ignore[arg-type]
    found, share = modes(mixture.samples, mixture.centers, mixture.std)
    assert found == mixture.num_classes
    error = math.sqrt(HIGH_QUALITY * (1 - HIGH_QUALITY) / len(mixture))
    assert share == pytest.approx(HIGH_QUALITY, abs=5 * error)


def test_what_is_not_finite_is_of_no_quality() -> None:
    samples = torch.tensor([[math.nan, 0.0], [math.inf, 0.0], [0.0, 0.0], [1.0, -math.inf]])
    assert modes(samples, torch.zeros(1, 2), 1.0) == (1, 0.25)


def test_no_samples_have_no_share() -> None:
    with pytest.raises(DataError, match="no samples"):
        modes(torch.zeros(0, 2), torch.zeros(1, 2), 1.0)


# Pictures.


def reds(picture: Array) -> Array:
    """How much redder than blue each pixel is ``(H, W)``."""
    return picture[:, :, 0] - picture[:, :, 2]


def drawn(mixture: Mixture, samples: Tensor, columns: int | None = None) -> Array:
    image = mixture.picture(samples, columns)
    assert image.size == (480, 480)
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.float64)


@pytest.mark.parametrize("point", [(-0.5, 1.0), (0.0, 0.0), (1.2, -1.2)])
def test_a_sample_is_drawn_where_it_is(point: tuple[float, float]) -> None:
    mixture = Mixture(samples=1)
    found = reds(drawn(mixture, torch.tensor([point])))
    row, column = np.unravel_index(found.argmax(), found.shape)
    expected_column = LEFT + (point[0] + mixture.reach) / (2 * mixture.reach) * PIXELS
    expected_row = SIDE - BOTTOM - (point[1] + mixture.reach) / (2 * mixture.reach) * PIXELS
    assert abs(column - expected_column) <= 3
    assert abs(row - expected_row) <= 3


def test_the_density_is_drawn_where_it_is() -> None:
    """Without samples, the bluest pixels of the grid are at its modes."""
    mixture = Mixture(shape="grid", samples=1)
    found = -reds(drawn(mixture, torch.zeros(0, 2)))
    for x, y in expected_centers("grid"):
        column = round(LEFT + (x + mixture.reach) / (2 * mixture.reach) * PIXELS)
        row = round(SIDE - BOTTOM - (y + mixture.reach) / (2 * mixture.reach) * PIXELS)
        assert found[row - 2 : row + 3, column - 2 : column + 3].max() > 100
        assert found[row - 30 : row - 20, column - 30 : column - 20].max() < 10


def test_the_density_stands_upright() -> None:
    """The spiral crosses the vertical axis at 1/8 and 5/8 above, and at 3/8 and 7/8 below."""
    mixture = Mixture(shape="spiral", samples=1)
    found = -reds(drawn(mixture, torch.zeros(0, 2)))
    blue = {}
    for y in (-7 / 8, 5 / 8, -5 / 8, 7 / 8):
        row = round(SIDE - BOTTOM - (y + mixture.reach) / (2 * mixture.reach) * PIXELS)
        blue[y] = found[row - 1 : row + 2, LEFT + PIXELS // 2].max() > 50
    assert blue == {-7 / 8: True, 5 / 8: True, -5 / 8: False, 7 / 8: False}


@pytest.mark.parametrize("shape", ["grid", "ring", "spiral"])
def test_the_shading_is_the_root_of_the_density(shape: str) -> None:
    mixture = Mixture(shape=shape, samples=1)  # type: ignore[arg-type]
    shading = mixture.shading
    assert shading.shape == (PIXELS, PIXELS)
    assert shading.max() == 1.0
    line = torch.linspace(-mixture.reach, mixture.reach, PIXELS, dtype=torch.float64)
    rows, columns = (shading > 1e-3).nonzero().T
    density = mixture.log_density(torch.stack([line[columns], line[rows]], dim=1)).exp()
    ratio = shading[rows, columns].square() / density
    assert (ratio / ratio[0] - 1).abs().max() < 1e-6


def test_gaussians_between_the_pixels_leave_a_plain_picture() -> None:
    mixture = Mixture(samples=1, std=1e-9)
    assert not mixture.shading.any()
    drawn(mixture, mixture.samples)


def test_the_same_samples_make_the_same_picture_whatever_the_columns() -> None:
    mixture = Mixture(samples=300)
    first = drawn(mixture, mixture.samples)
    assert (first == drawn(mixture, mixture.samples, 8)).all()
    assert not (first == drawn(mixture, mixture.samples[:100])).all()


@pytest.mark.parametrize("shape", ["grid", "ring", "spiral"])
def test_samples_that_no_picture_shows_do_not_stop_it(shape: str) -> None:
    mixture = Mixture(shape=shape, samples=1)  # type: ignore[arg-type]
    odd = torch.tensor([[math.nan, 0.0], [math.inf, 0.0], [1e30, -1e30], [0.0, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(mixture, odd)


def test_pictures_need_no_pyplot_and_the_hook_module_no_torch() -> None:
    code = (
        "import sys, ganforge_mixture\n"
        "assert 'torch' not in sys.modules\n"
        "from ganforge_mixture.dataset import Mixture\n"
        "mixture = Mixture(samples=5)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "mixture.picture(mixture.samples)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
