"""The networks of PacGAN's experiments with images: a DCGAN for images of any size.

Source: Lin et al. 2018, "PacGAN", arXiv:1712.04086, section 4.2, and its authors' code. Two things
differ from that code. Where a side is even, it pads by 1 before and 2 after, here it is 2 before
and 1 after, which mirrors the kernels. And its weights of convolutions are drawn again where they
are beyond two standard deviations.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_dcgan.models import LEAKY_SLOPE, initialize

STAGES = 4
KERNEL, PADDING = 5, 2

Sizes = list[tuple[int, int]]
Width = Annotated[int, Field(ge=1)]


def sizes(image_shape: tuple[int, ...]) -> Sizes:
    """Heights and widths from the image inwards, halved and rounded up: 28, 14, 7, 4, 2.

    Raises:
        UsageError: The samples are no images.
    """
    if len(image_shape) != 3:
        raise UsageError(
            f"pacgan_images makes and judges images (C, H, W), and the samples are "
            f"{tuple(image_shape)}",
            hint="Choose networks for such samples, such as mlp.",
        )
    found: Sizes = [(image_shape[1], image_shape[2])]
    for _ in range(STAGES):
        height, width = found[-1]
        found.append(((height + 1) // 2, (width + 1) // 2))
    return found


class PacGANImageGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to images ``(N, C, H, W)`` in [-1, 1].

    A dense projection, then four transposed convolutions (kernel 5, stride 2); batch norm and ReLU
    between them, tanh at the end. 28x28 images with 64 channels go 512x2x2, 256x4x4, 128x7x7,
    64x14x14, Cx28x28.

    Args:
        image_shape: ``(C, H, W)``.
        latent_dim: Length of a latent vector; 100 of U(-1, 1) in the paper.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.

    Raises:
        UsageError: The samples are no images.
    """

    def __init__(
        self, *, image_shape: tuple[int, ...], latent_dim: int, channels: Width = 64
    ) -> None:
        super().__init__()
        inwards = sizes(image_shape)
        widths = [image_shape[0], *(channels << stage for stage in range(STAGES))]
        (height, width), deepest = inwards[-1], widths[-1]
        layers: list[nn.Module] = [
            # Batch norm follows and would cancel a bias.
            nn.Linear(latent_dim, deepest * height * width, bias=False),
            nn.Unflatten(1, (deepest, height, width)),
        ]
        for stage in reversed(range(STAGES)):
            layers += [nn.BatchNorm2d(widths[stage + 1]), nn.ReLU()]
            layers.append(_double(widths[stage + 1], widths[stage], inwards[stage], last=not stage))
        self.layers = nn.Sequential(*layers, nn.Tanh())
        self.apply(initialize)

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.layers(latents)
        return images


def _double(before: int, after: int, size: tuple[int, int], *, last: bool) -> nn.Module:
    """The transposed convolution to ``size``: one less than the double where that is odd."""
    height, width = size
    extra = (1 - height % 2, 1 - width % 2)
    return nn.ConvTranspose2d(
        before, after, KERNEL, stride=2, padding=PADDING, output_padding=extra, bias=last
    )


class PacGANImageDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to logits ``(N,)``.

    Four convolutions (kernel 5, stride 2), with batch norm on all but the first and LeakyReLU 0.2,
    then a linear layer. 28x28 images with 64 channels go 64x14x14, 128x7x7, 256x4x4, 512x2x2, 1.

    Args:
        image_shape: ``(C, H, W)``; packing m images makes it m times the channels.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` as in the paper, or ``none`` for losses that look at one sample at a time.

    Raises:
        UsageError: The samples are no images.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        channels: Width = 64,
        norm: Literal["batch", "none"] = "batch",
    ) -> None:
        super().__init__()
        height, width = sizes(image_shape)[-1]
        widths = [image_shape[0], *(channels << stage for stage in range(STAGES))]
        layers: list[nn.Module] = []
        for stage, (before, after) in enumerate(pairwise(widths)):
            normed = norm == "batch" and stage > 0
            layers.append(
                nn.Conv2d(before, after, KERNEL, stride=2, padding=PADDING, bias=not normed)
            )
            layers += [nn.BatchNorm2d(after)] if normed else []
            layers.append(nn.LeakyReLU(LEAKY_SLOPE))
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(widths[-1] * height * width, 1)
        )
        self.apply(initialize)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits.flatten()
