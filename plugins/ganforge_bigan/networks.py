"""An encoder of images, and a discriminator of images with their latents.

The convolutions are those of DCGAN (Radford et al. 2015, arXiv:1511.06434); that a latent joins the
image behind them is as in Donahue, Krähenbühl and Darrell, "Adversarial Feature Learning", 2017,
arXiv:1605.09782, appendix C.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError

BASES = (4, 7)
"""The sides at which convolutions end."""

INIT_STD = 0.02
LEAKY_SLOPE = 0.2

Count = Annotated[int, Field(ge=1)]
Norm = Literal["batch", "none"]


def _stages(image_shape: tuple[int, ...]) -> tuple[int, int]:
    """The side at which the convolutions end, and how often they halve.

    Raises:
        UsageError: The image is not square, or its side is not 4 or 7, doubled at least once.
    """
    if len(image_shape) == 3 and image_shape[1] == image_shape[2]:
        side = image_shape[1]
        for base in BASES:
            stages = (side // base).bit_length() - 1
            if stages >= 1 and side == base << stages:
                return base, stages
    raise UsageError(
        f"bigan's networks cannot work with samples of shape {tuple(image_shape)}: they need "
        "square images (C, H, W) whose side is 4*2^k or 7*2^k with k >= 1, such as 8, 14, 16, 28, "
        "32, 56, 64 or 128",
        hint="Resize or pad the images, or choose other networks.",
    )


def _convolutions(image_shape: tuple[int, int, int], channels: int, norm: Norm) -> nn.Sequential:
    """Images ``(N, C, H, W)`` to features ``(N, F)``: kernel 4, stride 2, as in DCGAN."""
    _, stages = _stages(image_shape)
    layers: list[nn.Module] = [
        nn.Conv2d(image_shape[0], channels, 4, stride=2, padding=1),
        nn.LeakyReLU(LEAKY_SLOPE),
    ]
    for narrow, wide in pairwise(channels << stage for stage in range(stages)):
        # Batch norm would cancel a bias.
        layers.append(nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=norm == "none"))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(wide))
        layers.append(nn.LeakyReLU(LEAKY_SLOPE))
    return nn.Sequential(*layers, nn.Flatten())


def _features(image_shape: tuple[int, int, int], channels: int) -> int:
    """How many numbers :func:`_convolutions` give for an image."""
    base, stages = _stages(image_shape)
    return (channels << (stages - 1)) * base * base


def _initialize(module: nn.Module) -> None:
    """Convolutions as in DCGAN: weights from N(0, 0.02), batch-norm scales from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INIT_STD)
        nn.init.zeros_(module.bias)


class BiGANEncoder(nn.Module):
    """Images ``(N, C, H, W)`` to latents ``(N, latent_dim)``, which may have any values.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        latent_dim: Length of a latent vector.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` norm on all convolutions but the first, or ``none``.
    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        channels: Count = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.convolutions = _convolutions(image_shape, channels, norm)
        self.latents = nn.Linear(_features(image_shape, channels), latent_dim)
        self.apply(_initialize)

    def forward(self, images: Tensor) -> Tensor:
        latents: Tensor = self.latents(self.convolutions(images))
        return latents


class BiGANDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` with latents ``(N, latent_dim)`` to logits ``(N,)``.

    The latents go through a layer of their own and join what convolutions make of the image; two
    more layers judge both together.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        latent_dim: Length of a latent vector.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        units: Of the layer of the latents, and of the layer that sees both.
        norm: ``batch`` norm on all convolutions but the first, or ``none``, as losses need that
            look at one sample at a time.
    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        channels: Count = 64,
        units: Count = 512,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.convolutions = _convolutions(image_shape, channels, norm)
        self.latents = nn.Sequential(nn.Linear(latent_dim, units), nn.LeakyReLU(LEAKY_SLOPE))
        self.both = nn.Sequential(
            nn.Linear(_features(image_shape, channels) + units, units),
            nn.LeakyReLU(LEAKY_SLOPE),
            nn.Linear(units, 1),
        )
        self.apply(_initialize)

    def forward(self, samples: Tensor, latents: Tensor) -> Tensor:
        found = torch.cat([self.convolutions(samples), self.latents(latents)], dim=1)
        logits: Tensor = self.both(found)
        return logits.flatten()
