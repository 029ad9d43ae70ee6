"""The generator of pix2pix."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_translation.layers import Norm, initialize, norm_layers

BASES = (4, 7)
"""The sides from which the last convolution comes down to one pixel."""

WIDEST = 8
"""Feature maps double at most this far, times the first ones."""

NOISY = 3
"""At most so many of the innermost layers have dropout."""

LEAKY_SLOPE = 0.2


class UNetGenerator(nn.Module):
    """Images ``(N, C, H, W)`` of one domain to images of another, in [-1, 1], of the same size.

    Convolutions (kernel 4, stride 2) halve the side k times, down to a base of 4 or 7, and one as
    large as the base comes down to a single pixel; transposed ones go the same way up. Each but
    the innermost gets, beside what comes from below, the maps of its own size from the way down.
    28x28 images with 64 channels go 64x14x14, 128x7x7, 256x1x1, and back. LeakyReLU 0.2 on the way
    down and ReLU on the way up stand before the convolutions; the outermost and the innermost on
    the way down have no norm.

    The paper's networks halve down to one pixel; here the last two halvings are one layer. Its only
    noise is dropout in the innermost layers on the way up. Here as there it makes outputs vary
    while training; while sampling it is off, unlike in the paper, so the same source gives the
    same picture.

    Source: Isola et al. 2017, arXiv:1611.07004, section 3.2.1 and appendix 6.1; Ronneberger et al.
    2015, arXiv:1505.04597.

    Args:
        image_shape: ``(C, H, W)`` of what it makes.
        source_shape: ``(C, H, W)`` of what it starts from: of the same size, square, with a side of
            ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        channels: Feature maps after the first convolution; they double with each further one, up
            to 8 times as many.
        norm: ``batch`` as in the paper, ``instance``, or ``none``.
        dropout: Share of features dropped, in the three innermost layers on the way up, or in fewer
            if there are not two more outside of them.
    Raises:
        UsageError: The architecture has no such sizes.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        source_shape: tuple[int, int, int],
        channels: Annotated[int, Field(ge=1)] = 64,
        norm: Norm = "batch",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    ) -> None:
        super().__init__()
        base, halvings = _stages(image_shape, source_shape)
        widths = [channels * min(2**level, WIDEST) for level in range(halvings + 1)]
        bias = norm == "none"  # a norm would cancel it
        self.down = nn.ModuleList([nn.Conv2d(source_shape[0], widths[0], 4, stride=2, padding=1)])
        self.up = nn.ModuleList()  # from the inside out
        for level in range(1, halvings):
            convolution = nn.Conv2d(
                widths[level - 1], widths[level], 4, stride=2, padding=1, bias=bias
            )
            self.down.append(
                nn.Sequential(
                    nn.LeakyReLU(LEAKY_SLOPE), convolution, *norm_layers(norm, widths[level])
                )
            )
        inner = nn.Conv2d(widths[-2], widths[-1], base)
        self.down.append(nn.Sequential(nn.LeakyReLU(LEAKY_SLOPE), inner))
        for level in range(halvings, 0, -1):
            narrow = widths[level - 1]
            deconvolution = (
                nn.ConvTranspose2d(widths[level], narrow, base, bias=bias)
                if level == halvings
                else nn.ConvTranspose2d(
                    2 * widths[level], narrow, 4, stride=2, padding=1, bias=bias
                )
            )
            noise = [nn.Dropout(dropout)] if halvings - level < min(NOISY, halvings - 1) else []
            self.up.append(
                nn.Sequential(nn.ReLU(), deconvolution, *norm_layers(norm, narrow), *noise)
            )
        last = nn.ConvTranspose2d(2 * channels, image_shape[0], 4, stride=2, padding=1)
        self.up.append(nn.Sequential(nn.ReLU(), last, nn.Tanh()))
        self.apply(initialize)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = images
        passed: list[Tensor] = []
        for down in self.down:
            maps = down(maps)
            passed.append(maps)
        passed.pop()  # the innermost is where the way up begins
        maps = self.up[0](maps)
        for up in self.up[1:]:
            maps = up(torch.cat([maps, passed.pop()], dim=1))
        return maps


def _stages(image_shape: tuple[int, ...], source_shape: tuple[int, ...]) -> tuple[int, int]:
    """The side at which halving ends, and how often it is halved."""
    images = len(image_shape) == 3 == len(source_shape)
    if not images or tuple(image_shape[1:]) != tuple(source_shape[1:]):
        raise UsageError(
            f"unet cannot make samples of shape {tuple(image_shape)} from ones of shape "
            f"{tuple(source_shape)}: both must be images (C, H, W) of one size",
            hint="Resize the images of one domain, or choose another generator.",
        )
    _, height, width = image_shape
    for base in BASES:
        halvings = (height // base).bit_length() - 1
        if height == width and halvings >= 1 and height == base << halvings:
            return base, halvings
    raise UsageError(
        f"unet cannot work with {height}x{width} images: it needs square images whose side is "
        "4*2^k or 7*2^k with k >= 1, such as 8, 14, 16, 28, 32, 56, 64, 128 or 256",
        hint="Resize or pad the images, or choose another generator, such as resnet.",
    )
