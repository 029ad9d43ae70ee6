"""The generator of progressive growing."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from ganforge_progressive.growing import Count, Grows, Output, factorize, upsampled, widths
from ganforge_progressive.layers import EqualizedConv2d, EqualizedLinear, PixelNorm, rectifier


class ProgressiveGenerator(Grows):
    """Latents ``(N, latent_dim)`` to images ``(N, C, H, W)``, at the size that it has grown to.

    Latents are brought to the length sqrt(latent_dim). A dense layer makes maps of 4x4 or 7x7; each
    further stage doubles their side (nearest neighbours) and has two 3x3 convolutions, each with
    LeakyReLU 0.2 and pixel normalisation. Every stage has a 1x1 convolution of its own to colours.
    While a stage fades in, its image is blended with that of the stage before, doubled. What is
    smaller than full size is repeated up to it. Weights have an equalized learning rate.

    Source: Karras et al. 2018, arXiv:1710.10196, sections 2 and 4, and table 2.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        latent_dim: Length of a latent vector.
        channels: Feature maps at full size; they double whenever the side halves. The paper has 16
            at 1024x1024.
        max_channels: The most feature maps at any size; the paper has 512.
        output: ``tanh`` keeps images within [-1, 1]; ``linear`` is the paper's, and can leave it.
    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        channels: Count = 16,
        max_channels: Count = 512,
        output: Output = "tanh",
    ) -> None:
        base, stages = factorize(image_shape)
        super().__init__(stages)
        maps = widths(channels, max_channels, stages)
        self.begin = nn.Sequential(
            PixelNorm(),
            # The fan-in of the convolution over a 1x1 map that it is in the paper.
            EqualizedLinear(latent_dim, maps[0] * base * base, gain=math.sqrt(2.0) / base),
            nn.Unflatten(1, (maps[0], base, base)),
            *(rectifier(), PixelNorm()),
            *_convolution(maps[0], maps[0]),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolution(wide, narrow), *_convolution(narrow, narrow))
            for wide, narrow in pairwise(maps)
        )
        self.to_colours = nn.ModuleList(
            EqualizedConv2d(width, image_shape[0], 1, gain=1.0) for width in maps
        )
        self.bound: nn.Module = nn.Tanh() if output == "tanh" else nn.Identity()

    def forward(self, latents: Tensor) -> Tensor:
        stage, alpha = self.place()
        maps: Tensor = self.begin(latents)
        images: Tensor | None = None
        for number in range(1, stage + 1):
            if number == stage and alpha < 1.0:
                images = upsampled(self.to_colours[stage - 1](maps), 2)
            maps = self.blocks[number - 1](upsampled(maps, 2))
        new: Tensor = self.to_colours[stage](maps)
        images = new if images is None else images + alpha * (new - images)
        bounded: Tensor = self.bound(images)
        return upsampled(bounded, 1 << (self.stages - 1 - stage))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [EqualizedConv2d(inputs, outputs, 3, padding=1), rectifier(), PixelNorm()]
