"""The discriminator of progressive growing."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganforge_progressive.growing import Count, Grows, factorize, pooled, widths
from ganforge_progressive.layers import EqualizedConv2d, EqualizedLinear, MinibatchStd, rectifier

Group = Annotated[int, Field(ge=0)]


class ProgressiveDiscriminator(Grows):
    """Images ``(N, C, H, W)`` of full size to scores ``(N,)``, seen at the size it has grown to.

    The mirror of ``generator progressive``: images are averaged down to the present size and go
    through that stage's own 1x1 convolution from colours; each stage has two 3x3 convolutions and
    halves the side (averages). While a stage fades in, what it gives is blended with the image
    averaged once more, through the from-colours layer of the stage before. At 4x4 or 7x7 comes the
    minibatch standard deviation, a 3x3 convolution, one over all that is left, and a linear layer.

    The minibatch standard deviation lets scores depend on the other samples of a batch, so
    micro-batches change them.

    Source: Karras et al. 2018, arXiv:1710.10196, sections 2, 3 and 4.1, and table 2.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        channels: Feature maps at full size; they double whenever the side halves. The paper has 16
            at 1024x1024.
        max_channels: The most feature maps at any size; the paper has 512.
        group: Samples in a group of the minibatch standard deviation; 0 leaves it out. A batch that
            it does not divide is one group.
    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        channels: Count = 16,
        max_channels: Count = 512,
        group: Group = 4,
    ) -> None:
        base, stages = factorize(image_shape)
        super().__init__(stages)
        maps = widths(channels, max_channels, stages)
        self.from_colours = nn.ModuleList(
            nn.Sequential(EqualizedConv2d(image_shape[0], width, 1), rectifier()) for width in maps
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(EqualizedConv2d(narrow, narrow, 3, padding=1), rectifier()),
                *(EqualizedConv2d(narrow, wide, 3, padding=1), rectifier()),
                nn.AvgPool2d(2),
            )
            for wide, narrow in pairwise(maps)
        )
        width = maps[0]
        self.end = nn.Sequential(
            *([MinibatchStd(group)] if group else []),
            *(EqualizedConv2d(width + bool(group), width, 3, padding=1), rectifier()),
            *(EqualizedConv2d(width, width, base), rectifier()),
            nn.Flatten(),
            EqualizedLinear(width, 1, gain=1.0),
        )

    def forward(self, images: Tensor) -> Tensor:
        stage, alpha = self.place()
        factor = 1 << (self.stages - 1 - stage)
        maps: Tensor = self.from_colours[stage](pooled(images, factor))
        for number in range(stage, 0, -1):
            maps = self.blocks[number - 1](maps)
            if number == stage and alpha < 1.0:
                old: Tensor = self.from_colours[stage - 1](pooled(images, 2 * factor))
                maps = old + alpha * (maps - old)
        scores: Tensor = self.end(maps)
        return scores.flatten()
