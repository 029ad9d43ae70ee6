"""The generator of CycleGAN."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_translation.layers import Norm, initialize, norm_layers

Count = Annotated[int, Field(ge=1)]


class ResNetGenerator(nn.Module):
    """Images ``(N, C, H, W)`` of one domain to images of another, in [-1, 1], of the same size.

    In the paper's words c7s1-k, d2k, d4k, ``blocks`` times R4k, u2k, uk, c7s1-C: a convolution of
    7x7, two of stride 2, residual blocks of two convolutions of 3x3, two transposed convolutions,
    one of 7x7 and tanh. The 7x7 and the blocks pad by reflection. A norm and ReLU follow each but
    the last; a block has no ReLU behind its second. The paper has k = 64, and 6 blocks for 128x128
    images or 9 for larger ones.

    Source: Zhu et al. 2017, arXiv:1703.10593, appendix 7.2; Johnson et al. 2016, arXiv:1603.08155.

    Args:
        image_shape: ``(C, H, W)`` of what it makes.
        source_shape: ``(C, H, W)`` of what it starts from; H and W are multiples of 4 from 8 on,
            and those of what it makes.
        channels: Feature maps at full size, the paper's k; twice and four times as many follow.
        blocks: Residual blocks.
        norm: ``instance`` as in the paper, ``batch``, or ``none``.
    Raises:
        UsageError: The architecture has no such sizes.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        source_shape: tuple[int, int, int],
        channels: Count = 64,
        blocks: Count = 9,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        _check_sizes(image_shape, source_shape)
        bias = norm == "none"  # a norm would cancel it
        layers = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(source_shape[0], channels, 7, bias=bias),
            *norm_layers(norm, channels),
            nn.ReLU(),
        ]
        for wide in (2 * channels, 4 * channels):
            layers += [
                nn.Conv2d(wide // 2, wide, 3, stride=2, padding=1, bias=bias),
                *norm_layers(norm, wide),
                nn.ReLU(),
            ]
        layers += [ResidualBlock(4 * channels, norm) for _ in range(blocks)]
        for wide in (4 * channels, 2 * channels):
            narrow = wide // 2
            layers += [
                nn.ConvTranspose2d(
                    wide, narrow, 3, stride=2, padding=1, output_padding=1, bias=bias
                ),
                *norm_layers(norm, narrow),
                nn.ReLU(),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(channels, image_shape[0], 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialize)

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.layers(images)
        return made


class ResidualBlock(nn.Module):
    """``x + f(x)``, where f is two convolutions of 3x3, with norms and one ReLU between.

    Args:
        channels: Of what goes in and out.
        norm: Behind both convolutions.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=norm == "none"),
            *norm_layers(norm, channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=norm == "none"),
            *norm_layers(norm, channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = maps + self.layers(maps)
        return found


def _check_sizes(image_shape: tuple[int, ...], source_shape: tuple[int, ...]) -> None:
    images = len(image_shape) == 3 == len(source_shape)
    if images and tuple(image_shape[1:]) == tuple(source_shape[1:]):
        if all(side >= 8 and side % 4 == 0 for side in image_shape[1:]):
            return
        raise UsageError(
            f"resnet cannot work with {image_shape[1]}x{image_shape[2]} images: both sides must be "
            "multiples of 4, from 8 on",
            hint="Resize or pad the images.",
        )
    raise UsageError(
        f"resnet cannot make samples of shape {tuple(image_shape)} from ones of shape "
        f"{tuple(source_shape)}: both must be images (C, H, W) of one size",
        hint="Resize the images of one domain, or choose another generator.",
    )
