"""Resizes grey images once, before training."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.api import DataError

MAX_BYTES = 16 * 1024**3
"""A resident data set above this is refused rather than left to the kernel's memory killer."""


def resize(images: Tensor, size: int) -> Tensor:
    """Images ``(N, 1, size, size)``, bilinear and antialiased; uint8 in 0..255 as they came.

    Raises:
        DataError: The result would be too large to keep in memory.
    """
    needed = len(images) * size * size
    if needed > MAX_BYTES:
        raise DataError(
            f"mnist: {len(images):,} images of {size} x {size} need {needed / 1024**3:.1f} GiB, "
            f"more than the {MAX_BYTES // 1024**3} GiB that a resident data set may take",
            hint="Choose a smaller `size`, fewer `classes`, or `split: test`.",
        )
    return torch.nn.functional.interpolate(
        images, size=(size, size), mode="bilinear", antialias=True
    )
