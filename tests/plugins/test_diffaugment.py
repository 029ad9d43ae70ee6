"""DiffAugment against numpy, given the same random numbers, in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganforge.api import Draw, PluginError, UsageError
from ganforge.engine.streams import Streams
from ganforge_augmentations.diffaugment import DiffAugment

COUNTERS = (3, "discriminator", 0)
STREAM = "augmentation/0/real"

Array = NDArray[Any]

SHAPES = [(1, 8, 8), (3, 7, 10), (1, 28, 28), (2, 1, 5)]


def images(count: int, *shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=generator, dtype=torch.float64)


def draws(total: int, where: slice | None = None) -> Draw:
    where = slice(0, total) if where is None else where
    return Draw(Streams(0), COUNTERS, total, where, torch.device("cpu"))


def shares(part: str, total: int, *shape: int) -> Array:
    """The numbers of a part, as `Draw` documents them."""
    generator = Streams(0).generator(f"{STREAM}/{part}", *COUNTERS)
    return np.asarray(torch.rand(total, *shape, generator=generator).double())


def color(found: Array, brightness: float, saturation: Any, contrast: Any) -> Array:
    """Equation by equation, an image at a time."""
    out = np.empty_like(found)
    for n, (image, u) in enumerate(
        zip(found, shares("color", len(found), 3, 1, 1, 1), strict=True)
    ):
        b, s, c = u.ravel()
        x = image + (2 * b - 1) * brightness
        grey = sum(x[k] for k in range(len(x))) / len(x)
        x = (x - grey) * (saturation[0] + (saturation[1] - saturation[0]) * s) + grey
        x = (x - x.mean()) * (contrast[0] + (contrast[1] - contrast[0]) * c) + x.mean()
        out[n] = x
    return out


def translation(found: Array, ratio: float) -> Array:
    """Cut out of the image with enough zeros around it."""
    height, width = found.shape[2:]
    far = [int(height * ratio + 0.5), int(width * ratio + 0.5)]
    out = np.empty_like(found)
    for n, (image, u) in enumerate(zip(found, shares("translation", len(found), 2), strict=True)):
        down, right = (int(np.floor(a * (2 * b + 1))) - b for a, b in zip(u, far, strict=True))
        padded = np.pad(image, [(0, 0), (far[0], far[0]), (far[1], far[1])])
        out[n] = padded[:, far[0] - down :, far[1] - right :][:, :height, :width]
    return out


def cutout(found: Array, ratio: float) -> Array:
    """Blanked pixel by pixel, as the authors' code clamps the hole at the borders."""
    height, width = found.shape[2:]
    size = [int(height * ratio + 0.5), int(width * ratio + 0.5)]
    out = found.copy()
    for n, u in enumerate(shares("cutout", len(found), 2)):
        top, left = (
            int(np.floor(a * (whole + 1 - s % 2))) - s // 2
            for a, whole, s in zip(u, (height, width), size, strict=True)
        )
        for i in range(top, top + size[0]):
            for j in range(left, left + size[1]):
                if 0 <= i < height and 0 <= j < width:
                    out[n, :, i, j] = 0
    return out


def close(ours: Tensor, expected: Array) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(expected), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_color_is_the_papers(shape: tuple[int, ...]) -> None:
    given = images(9, *shape)
    ours = DiffAugment(policy=("color",))(given, draws(9), STREAM)
    close(ours, color(given.numpy(), 0.5, (0, 2), (0.5, 1.5)))
    other = DiffAugment(policy=("color",), brightness=0.1, saturation=(0.5, 3), contrast=(1, 4))
    close(other(given, draws(9), STREAM), color(given.numpy(), 0.1, (0.5, 3), (1, 4)))


def test_each_constant_acts_on_its_own_part() -> None:
    """With the two others at rest: what changes, and what does not."""
    given = images(64, 3, 4, 4)
    rest: dict[str, Any] = {"brightness": 0.0, "saturation": (1.0, 1.0), "contrast": (1.0, 1.0)}

    def alone(**options: Any) -> Tensor:
        return DiffAugment(policy=("color",), **{**rest, **options})(given, draws(64), STREAM)

    torch.testing.assert_close(alone(), given, rtol=0, atol=1e-12)
    moved = alone(brightness=0.5) - given
    assert moved.abs().amax() <= 0.5
    assert moved.amin() < -0.4
    assert moved.amax() > 0.4
    torch.testing.assert_close(moved, moved[:, :1, :1, :1].expand_as(moved), rtol=0, atol=1e-12)
    grey = alone(saturation=(0.0, 0.0))
    torch.testing.assert_close(grey, given.mean(1, keepdim=True).expand_as(given))
    double = alone(contrast=(2.0, 2.0))
    torch.testing.assert_close(double.std((1, 2, 3)), 2 * given.std((1, 2, 3)))


def test_saturation_does_nothing_to_one_channel() -> None:
    given = images(16, 1, 6, 6)
    few, many = (
        DiffAugment(policy=("color",), saturation=ends)(given, draws(16), STREAM)
        for ends in ((0.0, 0.0), (5.0, 9.0))
    )
    torch.testing.assert_close(few, many, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.125, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_translation_is_the_authors(shape: tuple[int, ...], ratio: float) -> None:
    """Exact: no value changes."""
    given = images(40, *shape)
    ours = DiffAugment(policy=("translation",), translation=ratio)(given, draws(40), STREAM)
    assert np.array_equal(ours.numpy(), translation(given.numpy(), ratio))


def test_every_move_is_as_likely() -> None:
    """An image of 8 moves by -1, 0 or 1 in each direction."""
    given = torch.zeros(9000, 1, 8, 8)
    given[:, :, 4, 4] = 1
    ours = DiffAugment(policy=("translation",))(given, draws(9000), STREAM)
    seen = ours.mean((0, 1))[3:6, 3:6]
    assert float(ours.mean((0, 1)).sum()) == pytest.approx(1)
    torch.testing.assert_close(seen, torch.full((3, 3), 1 / 9), rtol=0, atol=0.015)


@pytest.mark.parametrize("ratio", [0.125, 0.5, 0.6, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_cutout_is_the_authors(shape: tuple[int, ...], ratio: float) -> None:
    given = images(40, *shape)
    ours = DiffAugment(policy=("cutout",), cutout=ratio)(given, draws(40), STREAM)
    assert np.array_equal(ours.numpy(), cutout(given.numpy(), ratio))


def test_the_policy_is_done_in_its_order() -> None:
    given = images(9, 3, 8, 8)
    ours = DiffAugment(policy=("cutout", "color", "translation"))(given, draws(9), STREAM)
    expected = color(cutout(given.numpy(), 0.5), 0.5, (0, 2), (0.5, 1.5))
    close(ours, translation(expected, 0.125))
    usual = DiffAugment()(given, draws(9), STREAM)
    expected = translation(color(given.numpy(), 0.5, (0, 2), (0.5, 1.5)), 0.125)
    close(usual, cutout(expected, 0.5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("part", ["color", "translation", "cutout"])
def test_gradients(part: Any, channels: int) -> None:
    """Once and twice, against differences."""
    augment = DiffAugment(policy=(part,))
    given = images(2, channels, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, draws(2), STREAM), [given])
    assert torch.autograd.gradgradcheck(lambda x: augment(x, draws(2), STREAM).sin(), [given])


@pytest.mark.parametrize("cuts", [(0, 3, 7), (0, 1, 2, 7)])
def test_micro_batches_give_the_same_images(cuts: tuple[int, ...]) -> None:
    given, augment = images(7, 3, 8, 8), DiffAugment()
    whole = augment(given, draws(7), STREAM)
    parts = [
        augment(given[start:stop], draws(7, slice(start, stop)), STREAM)
        for start, stop in itertools.pairwise(cuts)
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(augment(given[:2], draws(7), STREAM), whole[:2])
    assert not torch.equal(augment(given, draws(7), "augmentation/1/real"), whole)


def test_precision_stays() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert DiffAugment()(images(2, 3, 8, 8).to(dtype), draws(2), STREAM).dtype == dtype


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"policy": ()}, r"policy \[\] is empty"),
        ({"policy": ("color", "color")}, "names something twice"),
        ({"saturation": (2.0, 1.0)}, r"saturation \[2.0, 1.0\] ends before it starts"),
        ({"contrast": (2.0, 0.0)}, "contrast"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        DiffAugment(**options)


def test_samples_that_it_cannot_augment() -> None:
    with pytest.raises(UsageError, match="needs images"):
        DiffAugment()(images(4, 2), draws(4), STREAM)
    with pytest.raises(PluginError, match="5 samples cannot be augmented in a micro-batch of 3"):
        DiffAugment()(images(5, 1, 4, 4), draws(8, slice(2, 5)), STREAM)
