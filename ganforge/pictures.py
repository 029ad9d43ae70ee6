"""Turns batches of images into picture files."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ganforge.engine.data import normalised
from ganforge.engine.files import write_atomic
from ganforge.errors import GanforgeError, UsageError

Pixels = NDArray[np.uint8]


def to_pixels(images: Tensor) -> Pixels:
    """Images ``(N, C, H, W)`` in [-1, 1] as uint8 ``(N, H, W, C)``, rounded; C is 1 or 3.

    Raises:
        GanforgeError: These are no pictures.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise GanforgeError(
            f"samples of shape {tuple(images.shape[1:])} cannot be drawn as pictures",
            hint="Pictures are (C, H, W) with one or three channels; generate writes the numbers "
            "of other samples with --out FILE.npy.",
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


def save_gif(frames: Sequence[Image.Image], path: Path, *, milliseconds: int) -> None:
    """Write pictures of one size as an endless GIF, whole or not at all.

    Args:
        frames: In their order.
        path: Where to; its folder is made where it is missing.
        milliseconds: How long each is shown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    first, *rest = frames
    first.save(
        buffer, format="GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0
    )
    write_atomic(path, buffer.getvalue())


def read_pictures(files: Sequence[Path], shape: tuple[int, ...]) -> Tensor:
    """Picture files as images ``(N, C, H, W)`` in [-1, 1].

    Args:
        files: What to read.
        shape: ``(C, H, W)`` of each; with one channel they are made grey, with three coloured.
    Raises:
        UsageError: One cannot be read, or has another size.
    """
    channels, height, width = shape
    images = []
    for file in files:
        try:
            with Image.open(file) as opened:
                picture = opened.convert("L" if channels == 1 else "RGB")
        except FileNotFoundError as error:
            raise UsageError(f"there is no picture '{file}'") from error
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise UsageError(f"'{file}' is no picture that can be read: {error}") from error
        if picture.size != (width, height):
            raise UsageError(
                f"'{file}' is {picture.width}x{picture.height}, and should be {width}x{height}",
                hint="Resize it to the size of the pictures that the generator was trained on.",
            )
        pixels = np.asarray(picture).reshape(height, width, channels).transpose(2, 0, 1)
        images.append(torch.from_numpy(pixels.copy()))
    return normalised(torch.stack(images))
