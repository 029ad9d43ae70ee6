"""Turns batches of images into picture files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganforge.engine.files import write_atomic
from ganforge.errors import GanforgeError

Pixels = NDArray[np.uint8]


def to_pixels(images: Tensor) -> Pixels:
    """Images ``(N, C, H, W)`` in [-1, 1] as uint8 ``(N, H, W, C)``, rounded; C is 1 or 3.

    Raises:
        GanforgeError: These are no pictures.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise GanforgeError(
            f"samples of shape {tuple(images.shape[1:])} cannot be drawn as pictures",
            hint="Pictures are (C, H, W) with one or three channels.",
        )
    scaled = images.detach().float().add(1.0).mul(127.5).round().clamp(0, 255)
    return scaled.byte().permute(0, 2, 3, 1).cpu().numpy()


def draw(
    samples: Tensor,
    columns: int | None = None,
    picture: Callable[[Tensor, int | None], Image.Image] | None = None,
) -> Image.Image:
    """One picture of samples ``(N, ...)``: as their data set draws them, or as a grid of images.

    Args:
        samples: What to draw.
        columns: Samples in a row.
        picture: The data set's own way, as in ``run.facts.picture``.
    Raises:
        GanforgeError: They are no images, and there is no other way.
    """
    return grid(samples, columns=columns) if picture is None else picture(samples, columns)


def grid(images: Tensor, *, columns: int | None = None, padding: int = 2) -> Image.Image:
    """One picture of all images ``(N, C, H, W)`` in [-1, 1], row by row.

    Args:
        images: What to show.
        columns: Images in a row; a near-square grid if not given.
        padding: Black pixels around each image.
    """
    pixels = to_pixels(images)
    count, height, width, channels = pixels.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    tile_height, tile_width = height + padding, width + padding
    canvas = np.zeros(
        (rows * tile_height + padding, columns * tile_width + padding, channels), np.uint8
    )
    for index, image in enumerate(pixels):
        top = padding + index // columns * tile_height
        left = padding + index % columns * tile_width
        canvas[top : top + height, left : left + width] = image
    return Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all; makes the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    write_atomic(path, buffer.getvalue())
