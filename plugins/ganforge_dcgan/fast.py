"""The networks ``dcgan_fast``: a DCGAN of patches, shaped for what processors are fast at.

A DCGAN's layers at the image end have few channels and many places: most of the lanes of a vector
unit stay empty there, and the maps are too large for its caches. Here an image is cut into patches,
each of which is one place with many channels, as in vision transformers (Dosovitskiy et al. 2021,
arXiv:2010.11929); the generator ends with the reverse (Shi et al. 2016, arXiv:1609.05158). Between
are convolutions of kernel 3 on the grid of patches. Initial weights are those of He et al. 2015,
arXiv:1502.01852.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError

LEAKY_SLOPE = 0.2
Count = Annotated[int, Field(ge=1)]


def grid_of(image_shape: tuple[int, ...], patch: int) -> tuple[int, int]:
    """Rows and columns of patches in images ``(C, H, W)``.

    Raises:
        UsageError: The samples are no images, or cannot be cut into such patches.
    """
    if len(image_shape) != 3:
        raise UsageError(
            f"dcgan_fast makes and judges images (C, H, W), and the samples are {image_shape}",
            hint="Choose networks for such samples, such as mlp.",
        )
    _, height, width = image_shape
    if height % patch or width % patch:
        sides = [size for size in (1, 2, 4, 7, 8) if not height % size and not width % size]
        raise UsageError(
            f"dcgan_fast cannot cut {height}x{width} images into patches of {patch}x{patch}",
            hint=f"Write patch: {sides[-1]}, or resize the images.",
        )
    return height // patch, width // patch


def to_patches(images: Tensor, patch: int) -> Tensor:
    """Images ``(N, C, H, W)`` as one place a patch: ``(N, patch * patch * C, H / p, W / p)``."""
    count, channels, height, width = images.shape
    rows, columns = height // patch, width // patch
    places = images.permute(0, 2, 3, 1).reshape(count, rows, patch, columns, patch, channels)
    places = places.transpose(2, 3).reshape(count, rows, columns, patch * patch * channels)
    return places.permute(0, 3, 1, 2)


def from_patches(places: Tensor, patch: int) -> Tensor:
    """The reverse of :func:`to_patches`."""
    count, depth, rows, columns = places.shape
    channels = depth // patch**2
    images = places.permute(0, 2, 3, 1).reshape(count, rows, columns, patch, patch, channels)
    images = images.transpose(2, 3).reshape(count, rows * patch, columns * patch, channels)
    return images.permute(0, 3, 1, 2)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / module.weight[0].numel()))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class FastGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to images ``(N, C, H, W)`` in [-1, 1].

    A dense projection to the grid of patches, ``depth`` convolutions there, each with batch norm
    and ReLU, and one more whose channels are the pixels of a patch; tanh at the end.

    Args:
        image_shape: ``(C, H, W)``; H and W are multiples of ``patch``.
        latent_dim: Length of a latent vector.
        channels: Feature maps on the grid.
        depth: Convolutions on the grid.
        patch: Side of a patch in pixels. The grid has a place for each: 7x7 of them for 28x28
            images and patches of 4.

    Raises:
        UsageError: The images cannot be cut into such patches.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        channels: Count = 64,
        depth: Count = 2,
        patch: Count = 4,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.grid = grid_of(image_shape, patch)
        # Batch norm follows wherever there is no bias, and would cancel it.
        self.project = nn.Linear(latent_dim, math.prod(self.grid) * channels, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        for _ in range(depth):
            layers += [
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.Conv2d(channels, image_shape[0] * patch**2, 3, padding=1))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, latents: Tensor) -> Tensor:
        # Channels come last in memory, whatever the layout of the weights: no copy is needed.
        places = self.project(latents).unflatten(1, (*self.grid, -1)).permute(0, 3, 1, 2)
        return torch.tanh(from_patches(self.layers(places), self.patch))


class FastDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to logits ``(N,)``, and on request to features too.

    Patches, ``depth + 1`` convolutions on their grid, each with LeakyReLU 0.2, and a dense layer.
    Nothing in it looks at more than one sample, so every loss and penalty suits it.

    Args:
        image_shape: ``(C, H, W)``; H and W are multiples of ``patch``.
        channels: Feature maps on the grid.
        depth: Convolutions on the grid behind the one that takes the patches.
        patch: Side of a patch in pixels.
        features: Give the maps before the last layer ``(N, channels, H / patch, W / patch)`` as a
            second head, for terms such as ``feature_matching``.

    Raises:
        UsageError: The images cannot be cut into such patches.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        channels: Count = 64,
        depth: Count = 2,
        patch: Count = 4,
        features: bool = False,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.features = features
        places = math.prod(grid_of(image_shape, patch))
        layers: list[nn.Module] = []
        width = image_shape[0] * patch**2
        for _ in range(depth + 1):
            layers += [
                nn.Conv2d(width, channels, 3, padding=1),
                nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
            ]
            width = channels
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Linear(places * channels, 1)
        self.apply(_initialize)

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        maps = self.layers(to_patches(images, self.patch))
        logits: Tensor = self.judge(maps.permute(0, 2, 3, 1).flatten(1)).flatten()
        return {"logits": logits, "features": maps} if self.features else logits
