"""Moves the pixels of images by affine maps; differentiable twice, exact where no pixel is cut."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Affine(NamedTuple):
    """One map a sample, from places in the result to places in the image.

    Places are pixels from the centre of the image, ``x`` to the right and ``y`` down:
    ``(xx * x + xy * y + x0, yx * x + yy * y + y0)``. All parts are ``(N,)``. A map with another one
    in front of it is what ``scaled``, ``turned`` and ``moved`` return: the matrix product with the
    other on the right. Written out, as a matrix product may round its factors on an accelerator.
    """

    xx: Tensor
    xy: Tensor
    x0: Tensor
    yx: Tensor
    yy: Tensor
    y0: Tensor

    @classmethod
    def identity(cls, count: int, like: Tensor) -> Affine:
        """The map that changes nothing, for so many samples."""
        one, zero = like.new_ones(count), like.new_zeros(count)
        return cls(one, zero, zero, zero, one, zero)

    def scaled(self, x: Tensor, y: Tensor) -> Affine:
        """After ``(x * place_x, y * place_y)``."""
        return self._replace(xx=self.xx * x, xy=self.xy * y, yx=self.yx * x, yy=self.yy * y)

    def turned(self, cos: Tensor, sin: Tensor) -> Affine:
        """After a rotation that takes the x axis to ``(cos, sin)``."""
        return self._replace(
            xx=self.xx * cos + self.xy * sin,
            xy=self.xy * cos - self.xx * sin,
            yx=self.yx * cos + self.yy * sin,
            yy=self.yy * cos - self.yx * sin,
        )

    def moved(self, x: Tensor, y: Tensor) -> Affine:
        """After ``(place_x + x, place_y + y)``."""
        return self._replace(
            x0=self.x0 + self.xx * x + self.xy * y, y0=self.y0 + self.yx * x + self.yy * y
        )


def resample(images: Tensor, maps: Affine) -> Tensor:
    """Images ``(N, C, H, W)`` whose every pixel is looked up where its sample's map says.

    Between pixels it is bilinear; outside, the image is mirrored at the centres of its outermost
    pixels. Where the looked up places are pixels, their values come out exactly.

    It is what ``grid_sample`` does, made of lookups: torch cannot differentiate the gradient of
    ``grid_sample``, as a gradient penalty must, nor compute it deterministically on an accelerator.
    """
    height, width = images.shape[2:]
    dtype, device = maps.xx.dtype, images.device
    x = torch.arange(width, dtype=dtype, device=device) - (width - 1) / 2
    y = torch.arange(height, dtype=dtype, device=device)[:, None] - (height - 1) / 2
    xx, xy, x0, yx, yy, y0 = (part[:, None, None] for part in maps)
    at_x = _mirrored(xx * x + xy * y + (x0 + (width - 1) / 2), width)
    at_y = _mirrored(yx * x + yy * y + (y0 + (height - 1) / 2), height)

    left, top = at_x.floor(), at_y.floor()
    to_right, to_bottom = (at_x - left).unsqueeze(1), (at_y - top).unsqueeze(1)
    columns = (left.long(), (left.long() + 1).clamp(max=width - 1))
    rows = (top.long(), (top.long() + 1).clamp(max=height - 1))
    flat = images.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = (row * width + column).flatten(1).unsqueeze(1)
        found = flat.gather(2, index.expand(-1, flat.shape[1], -1))
        return found.view_as(images)

    upper = at(rows[0], columns[0]) * (1 - to_right) + at(rows[0], columns[1]) * to_right
    lower = at(rows[1], columns[0]) * (1 - to_right) + at(rows[1], columns[1]) * to_right
    return (upper * (1 - to_bottom) + lower * to_bottom).to(images.dtype)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places as they are in 0 to size - 1, and mirrored at both ends outside."""
    if size == 1:
        return torch.zeros_like(places)
    around = places.remainder(2 * (size - 1))
    return torch.minimum(around, 2 * (size - 1) - around)
