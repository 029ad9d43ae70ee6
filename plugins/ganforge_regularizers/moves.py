"""Small movements of images that leave what they show as it is: the T(x) of consistency terms."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Draw, UsageError

Pixels = Annotated[int, Field(ge=0)]


class Moves:
    """Moves each image by its own random number of pixels, and may mirror it.

    What a shift brings in from outside is the image mirrored at its edge. The result is
    differentiable by the images: every pixel of it is a pixel of theirs.

    Args:
        shift: Largest movement along each axis, in pixels; all whole numbers up to it are equally
            likely. 0 leaves images where they are.
        flip: Mirror an image left to right, or not, with equal chances.
    Raises:
        UsageError: Neither is asked for.
    """

    def __init__(self, *, shift: int, flip: bool) -> None:
        if not shift and not flip:
            raise UsageError(
                "a consistency term with 'shift: 0' and 'flip: false' compares images with "
                "themselves",
                hint="Give it 'shift: 1' or more, or 'flip: true', or leave the term out.",
            )
        self.shift = shift
        self.flip = flip

    def __call__(self, images: Tensor, draw: Draw, stream: str) -> Tensor:
        """Moved images ``(N, C, H, W)``, of as many.

        Args:
            images: ``(N, C, H, W)``, with any number of channels.
            draw: The random numbers of this micro-batch.
            stream: Their name begins with it.
        Raises:
            UsageError: They are no images, or too small to be moved so far.
        """
        if images.dim() != 4:
            raise UsageError(
                f"a consistency term moves images (N, C, H, W), and samples have the shape "
                f"{tuple(images.shape)}",
                hint="Choose a data set of images, or 'latent_consistency', which needs none.",
            )
        height, width = images.shape[2:]
        if self.shift >= min(height, width):
            raise UsageError(
                f"images of {height}x{width} cannot be moved by up to {self.shift} pixels",
                hint=f"Choose 'shift: {min(height, width) - 1}' or less.",
            )
        columns = torch.arange(width, device=images.device).expand(len(images), width)
        if self.flip:
            mirrored = draw.uniform(f"{stream}/flip", 1) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        if not self.shift:
            return _taken(images, torch.arange(height, device=images.device)[None], columns)
        shares = draw.uniform(f"{stream}/shift", 2)
        # A share just below 1 times their number may be rounded up to it.
        steps = (shares * (2 * self.shift + 1)).long().clamp_max(2 * self.shift) - self.shift
        rows = torch.arange(height, device=images.device) + steps[:, :1]
        wanted = _mirrored(torch.arange(width, device=images.device) + steps[:, 1:], width)
        return _taken(images, _mirrored(rows, height), columns.gather(1, wanted))


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places outside 0 ... size - 1, mirrored at the first or at the last."""
    return (size - 1) - ((size - 1) - places.abs()).abs()


def _taken(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Each image's own ``rows`` ``(N or 1, H)`` and ``columns`` ``(N, W)``."""
    count, channels = images.shape[:2]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return images[each, channel, rows[:, None, :, None], columns[:, None, None, :]]
