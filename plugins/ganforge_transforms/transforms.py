"""Data sets whose images are those of another one, changed: ``invert``, ``blur``, ``edges``..."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ganforge.api import AnyDataset, DataError, Dataset, DatasetOption, MapDataset, UsageError

CHUNK = 1024
"""Images changed at once: convolutions need floats, of which a whole data set would be many."""

Change = Callable[[Tensor], Tensor]
"""From float32 images ``(N, C, H, W)`` in 0..255 to others of the same shape and range."""


def invert(*, of: DatasetOption) -> AnyDataset:
    """``255 - x``: every pixel, in every channel. Labels, and a source, stay as they are.

    Args:
        of: The data set whose uint8 images are changed.
    Raises:
        UsageError: Its samples are no uint8 images.
    """
    return changed("invert", of, lambda images: 255.0 - images)


def blur(*, of: DatasetOption, sigma: Annotated[float, Field(gt=0, le=100)] = 1.0) -> AnyDataset:
    """Images convolved with a Gaussian, along rows and then along columns.

    The weights ``exp(-d^2 / (2 sigma^2))`` of the distances ``d = -r..r``, ``r = ceil(3 sigma)``,
    are scaled to the sum 1. Beyond its border an image goes on mirrored, without its outermost
    pixel twice. Results are rounded. Labels, and a source, stay as they are.

    Args:
        of: The data set whose uint8 images are changed.
        sigma: Standard deviation of the Gaussian, in pixels.
    Raises:
        UsageError: Its samples are no uint8 images, or smaller than ``ceil(3 sigma) + 1`` pixels.
    """
    radius = math.ceil(3.0 * sigma)
    smaller = min(of.sample_shape[-2:], default=0)
    if len(of.sample_shape) == 3 and radius >= smaller:
        raise UsageError(
            f"a sigma of {sigma:g} reaches {radius} pixels far, too far for images of "
            f"{_size(of.sample_shape)}",
            hint=f"Choose a sigma of at most {(smaller - 1) / 3:.2g}.",
        )
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-places.square() / (2.0 * sigma**2))
    weights = (weights / weights.sum()).float()
    return changed("blur", of, lambda images: _along_both(images, weights, weights))


def edges(*, of: DatasetOption) -> AnyDataset:
    """The strength of edges: the length of Sobel's gradient, a quarter of it, at most 255.

    ``gx`` is the convolution with ``[1 2 1]`` along columns and ``[-1 0 1]`` along rows, ``gy``
    the other way about; the result is ``min(255, sqrt(gx^2 + gy^2) / 4)``, rounded, for each
    channel. So a straight edge between 0 and 255 becomes 255. Beyond its border an image goes on
    mirrored. Labels, and a source, stay as they are.

    Source: Sobel and Feldman 1968, "A 3x3 isotropic gradient operator for image processing".

    Args:
        of: The data set whose uint8 images are changed.
    Raises:
        UsageError: Its samples are no uint8 images, or smaller than 2 x 2 pixels.
    """
    if len(of.sample_shape) == 3 and min(of.sample_shape[-2:]) < 2:
        raise UsageError(f"images of {_size(of.sample_shape)} have no edges: 2x2 are needed")
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])

    def strength(images: Tensor) -> Tensor:
        across = _along_both(images, rows=slope, columns=smooth)
        down = _along_both(images, rows=smooth, columns=slope)
        return torch.hypot(across, down) / 4.0

    return changed("edges", of, strength)


def thicken(*, of: DatasetOption, pixels: Annotated[int, Field(ge=1, le=100)] = 1) -> AnyDataset:
    """Light parts grown: each pixel becomes the lightest of the square around it (dilation).

    Labels, and a source, stay as they are.

    Args:
        of: The data set whose uint8 images are changed.
        pixels: How far light parts grow on each side; the square is ``2 pixels + 1`` wide.
    Raises:
        UsageError: Its samples are no uint8 images.
    """
    side = 2 * pixels + 1

    def grown(images: Tensor) -> Tensor:
        wide = functional.max_pool2d(images, (1, side), stride=1, padding=(0, pixels))
        return functional.max_pool2d(wide, (side, 1), stride=1, padding=(pixels, 0))

    return changed("thicken", of, grown)


def changed(name: str, of: AnyDataset, change: Change) -> AnyDataset:
    """A data set of changed images: at once if they are in memory, else as they are read.

    Args:
        name: The component's, for messages.
        of: The data set whose images are changed.
        change: What is done to them.
    Raises:
        UsageError: Its samples are no uint8 images.
    """
    if isinstance(of, MapDataset):
        return ChangedWhenRead(name, of, change)
    if of.samples.dtype != torch.uint8:
        raise UsageError(_no_images(name, of.samples.dtype, of.sample_shape), hint=_HINT)
    parts = [_in_bytes(part, change) for part in torch.split(of.samples, CHUNK)]
    return Dataset(
        samples=torch.cat(parts),
        labels=of.labels,
        num_classes=of.num_classes,
        source=of.source_dataset,
        paired=of.source_paired,
    )


class ChangedWhenRead(MapDataset):
    """Images of a data set that reads one when it is asked for, changed then.

    Args:
        name: The component's, for messages.
        of: The data set.
        change: What is done to its images.
    """

    def __init__(self, name: str, of: MapDataset, change: Change) -> None:
        super().__init__(
            sample_shape=of.sample_shape,
            num_classes=of.num_classes,
            source=of.source_dataset,
            paired=of.source_paired,
        )
        self.name = name
        self.of = of
        self.change = change

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: int) -> Any:
        """The changed image, with its class if there are classes.

        Raises:
            DataError: It is no uint8 image.
        """
        item: Any = self.of[index]
        image, *label = item if isinstance(item, tuple | list) else (item,)
        if image.dtype != torch.uint8 or image.dim() != 3:
            raise DataError(_no_images(self.name, image.dtype, tuple(image.shape)), hint=_HINT)
        made = _in_bytes(image[None], self.change)[0]
        return (made, *label) if label else made


def _in_bytes(images: Tensor, change: Change) -> Tensor:
    """uint8 images in and out; results are rounded and kept within 0..255."""
    return change(images.float()).round_().clamp_(0.0, 255.0).to(torch.uint8)


def _along_both(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Each channel correlated with one kernel along its rows and another along its columns.

    Mirrored at the borders; the kernels have odd lengths.
    """
    flat = images.flatten(0, 1)[:, None]
    wide, tall = len(rows) // 2, len(columns) // 2
    flat = functional.pad(flat, (wide, wide, tall, tall), mode="reflect")
    flat = functional.conv2d(flat, rows[None, None, None, :])
    flat = functional.conv2d(flat, columns[None, None, :, None])
    return flat.reshape(images.shape)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[-2]}x{shape[-1]} pixels"


def _no_images(name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> str:
    kind = str(dtype).removeprefix("torch.")
    return f"{name} changes uint8 images (C, H, W), and these samples are {kind} of shape {shape}"


_HINT = "Choose a data set of images, such as {use: mnist}."
