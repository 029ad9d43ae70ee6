"""The networks of DCGAN, for square images whose side is 4 or 7 doubled at least once.

Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", 2015, arXiv:1511.06434.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_dcgan.ends import FromImages, ToImages

BASES = (4, 7)
"""The sides at which a generator starts and a discriminator ends."""

INIT_STD = 0.02
LEAKY_SLOPE = 0.2


def factorize(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Split the side of a square image into ``base * 2**stages``.

    Args:
        image_shape: ``(C, H, W)``.

    Returns:
        The base, 4 or 7, and the number of stages, at least 1.

    Raises:
        UsageError: The image is not square, or its side is no such product.
    """
    if len(image_shape) != 3:
        raise UsageError(
            f"dcgan makes and judges images (C, H, W), and the samples are {tuple(image_shape)}",
            hint="Choose networks for such samples, such as mlp.",
        )
    _, height, width = image_shape
    for base in BASES:
        stages = (height // base).bit_length() - 1
        if height == width and stages >= 1 and height == base << stages:
            return base, stages
    raise UsageError(
        f"dcgan cannot work with {height}x{width} images: it needs square images whose side is "
        "4*2^k or 7*2^k with k >= 1, such as 8, 14, 16, 28, 32, 56, 64, 112 or 128.",
        hint=f"Resize or pad the images to {_nearby(max(height, width))}, "
        "or choose another architecture.",
    )


def _nearby(side: int) -> str:
    """The valid sizes on both sides of ``side``, in words."""
    valid = sorted(base << stages for base in BASES for stages in range(1, side.bit_length() + 1))
    below = [size for size in valid if size <= side][-1:]
    above = [size for size in valid if size > side][:1]
    return " or ".join(f"{size}x{size}" for size in below + above)


def initialize(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), batch-norm scales from N(1, 0.02); set biases to 0."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INIT_STD)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class DCGANGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to images ``(N, C, H, W)`` in [-1, 1].

    A dense projection to ``base x base`` feature maps, then transposed convolutions (kernel 4,
    stride 2), each doubling the side and halving the maps; batch norm and ReLU between them, tanh
    at the end. 28x28 images with 64 channels go 128x7x7, 64x14x14, Cx28x28. Batch norm after the
    projection works per feature map, not per unit.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        latent_dim: Length of a latent vector.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves. The paper has 128, which gives 1024 maps of 4x4 for 64x64 images.

    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        channels: Annotated[int, Field(ge=1)] = 64,
    ) -> None:
        super().__init__()
        base, stages = factorize(image_shape)
        widths = [channels << stage for stage in reversed(range(stages))]
        self.project = nn.Sequential(
            # Batch norm follows and would cancel a bias.
            nn.Linear(latent_dim, widths[0] * base * base, bias=False),
            nn.Unflatten(1, (widths[0], base, base)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(inplace=True),
            ]
        # No batch norm on the output: images need a mean and a scale of their own.
        layers += [ToImages(channels, image_shape[0]), nn.Tanh()]
        self.upsample = nn.Sequential(*layers)
        self.apply(initialize)

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.upsample(self.project(latents))
        return images


class DCGANDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to logits ``(N,)``, and on request to features too.

    Convolutions (kernel 4, stride 2), each halving the side and doubling the maps, with batch norm
    on all but the first and LeakyReLU 0.2; then one convolution over what is left. 28x28 images
    with 64 channels go 64x14x14, 128x7x7, 1.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` as in the paper, or ``none`` for losses that look at one sample at a time,
            such as a gradient penalty, which batch norm would make depend on the whole batch.
        features: Give the maps before the last convolution ``(N, maps, base, base)`` as a second
            head, for terms such as ``feature_matching``.

    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        channels: Annotated[int, Field(ge=1)] = 64,
        norm: Literal["batch", "none"] = "batch",
        features: bool = False,
    ) -> None:
        super().__init__()
        self.features = features
        base, stages = factorize(image_shape)
        widths = [channels << stage for stage in range(stages)]
        # No batch norm on the input layer: it would hide the mean and the scale of the images.
        layers: list[nn.Module] = [
            FromImages(image_shape[0], channels),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        ]
        for narrow, wide in pairwise(widths):
            # Batch norm would cancel a bias.
            layers.append(
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=norm == "none"),
            )
            if norm == "batch":
                layers.append(nn.BatchNorm2d(wide))
            layers.append(nn.LeakyReLU(LEAKY_SLOPE, inplace=True))
        self.downsample = nn.Sequential(*layers)
        self.judge = nn.Conv2d(widths[-1], 1, base)
        self.apply(initialize)

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        maps = self.downsample(images)
        logits: Tensor = self.judge(maps)  # (N, 1, 1, 1)
        return {"logits": logits.flatten(), "features": maps} if self.features else logits.flatten()
