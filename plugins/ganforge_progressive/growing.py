"""How far a network has grown: its level, and what images look like there.

A network of S stages works at S sizes, each twice the one before; the last is that of the data. Its
*level* is a number in [0, S - 1]. At level s it works at the s-th size alone, from 0 on; between
s - 1 and s it fades the s-th size in, with alpha = level - (s - 1). Images have full size for
everybody outside, at every level.

**The protocol of a growing network**: an attribute ``stages: int``, and a method
``grow(level: float) -> None`` that sets the level. It remembers the level in a buffer, so that
checkpoints, moving averages and exported files know it too. :class:`Grows` is both.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ganforge.api import UsageError

PARTS = 1 << 16
"""A level is kept as a whole number of such parts of one."""

BASES = (4, 7)
"""The sides at which networks begin."""

Count = Annotated[int, Field(ge=1)]


@runtime_checkable
class Growing(Protocol):
    """What the game ``progressive`` asks of its networks."""

    stages: int

    def grow(self, level: float) -> None:
        """Work at a level in [0, stages - 1] from now on."""


class Grows(nn.Module):
    """A network that remembers its level; made fully grown, so any other game can use it.

    Args:
        stages: How many sizes it works at.
    """

    rests: ClassVar[bool] = True
    """Says to the checks of plugins that parts of it have their turn at other times."""

    level: Tensor

    def __init__(self, stages: int) -> None:
        super().__init__()
        self.stages = stages
        # A whole number: a moving average copies it, where it would average a fraction.
        self.register_buffer("level", torch.tensor((stages - 1) * PARTS, dtype=torch.int64))

    def grow(self, level: float) -> None:
        """Work at a level from now on, rounded to 1/65536.

        Raises:
            UsageError: It is not in [0, stages - 1].
        """
        if not 0 <= level <= self.stages - 1:
            raise UsageError(f"level {level} is not between 0 and {self.stages - 1}")
        self.level.fill_(round(level * PARTS))

    def place(self) -> tuple[int, float]:
        """The stage that is being faded in, and its alpha in (0, 1]; (0, 1.0) at level 0."""
        return place(int(self.level.item()))


def place(parts: int) -> tuple[int, float]:
    """The stage and its alpha, in (0, 1], at a level of so many parts."""
    stage, rest = divmod(parts, PARTS)
    return (stage, 1.0) if rest == 0 else (stage + 1, rest / PARTS)


def factorize(image_shape: tuple[int, ...]) -> tuple[int, int]:
    """The side at which images of a shape begin to grow, 4 or 7, and the number of sizes.

    Args:
        image_shape: ``(C, H, W)``.
    Raises:
        UsageError: The image is not square, or its side is not such a number, doubled at least
            once.
    """
    if len(image_shape) == 3 and image_shape[1] == image_shape[2]:
        side = image_shape[1]
        for base in BASES:
            doublings = (side // base).bit_length() - 1
            if doublings >= 1 and side == base << doublings:
                return base, doublings + 1
    raise UsageError(
        f"progressive cannot work with samples of shape {tuple(image_shape)}: it needs square "
        "images (C, H, W) whose side is 4*2^k or 7*2^k with k >= 1, such as 8, 14, 16, 28, 32, 56, "
        "64 or 128",
        hint="Resize or pad the images, such as with 'dataset: {use: mnist, size: 32}'.",
    )


def widths(channels: int, most: int, stages: int) -> list[int]:
    """Feature maps at each size, the smallest first: they double as the side halves, up to most."""
    return [min(most, channels << (stages - 1 - stage)) for stage in range(stages)]


def upsampled(images: Tensor, factor: int) -> Tensor:
    """Each pixel as a square of ``factor`` by ``factor``."""
    return images if factor == 1 else functional.interpolate(images, scale_factor=factor)


def pooled(images: Tensor, factor: int) -> Tensor:
    """The mean of each square of ``factor`` by ``factor`` pixels."""
    return images if factor == 1 else functional.avg_pool2d(images, factor)


def seen_at(images: Tensor, level: float, stages: int) -> Tensor:
    """Images ``(N, C, H, W)`` as they are at a level: of full size, and no finer than its size.

    Between two sizes they are faded as a generator's are. Source: arXiv:1710.10196, section 2.

    Args:
        images: Of full size.
        level: In [0, stages - 1].
        stages: How many sizes there are.
    """
    stage, alpha = place(round(level * PARTS))
    factor = 1 << (stages - 1 - stage)
    fine = upsampled(pooled(images, factor), factor)
    if alpha == 1.0:
        return fine
    coarse = upsampled(pooled(images, 2 * factor), 2 * factor)
    return coarse + alpha * (fine - coarse)


Output = Literal["tanh", "linear"]
