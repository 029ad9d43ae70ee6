"""What the networks of this plugin are built of: the layers of DCGAN, with and without classes.

Source: Radford, Metz and Chintala 2015, arXiv:1511.06434.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from ganforge.api import UsageError, class_weights

Norm = Literal["batch", "spectral", "none"]
Layer = TypeVar("Layer", bound=nn.Module)

BASES = (4, 7)
"""The sides at which a generator starts and a discriminator ends."""

INIT_STD = 0.02
LEAKY_SLOPE = 0.2


def factorize(image_shape: tuple[int, ...], network: str) -> tuple[int, int]:
    """Split the side of a square image into ``base * 2**stages``.

    Args:
        image_shape: ``(C, H, W)``.
        network: What the user calls the network.
    Returns:
        The base, 4 or 7, and the number of stages, at least 1.
    Raises:
        UsageError: These are no images, or no square ones, or their side is no such product.
    """
    if len(image_shape) == 3:
        _, height, width = image_shape
        for base in BASES:
            stages = (height // base).bit_length() - 1
            if height == width and stages >= 1 and height == base << stages:
                return base, stages
    raise UsageError(
        f"{network} cannot work with samples of shape {tuple(image_shape)}: it needs square images "
        "(C, H, W) whose side is 4*2^k or 7*2^k with k >= 1, such as 8, 14, 16, 28, 32, 56, 64, "
        "112 or 128.",
        hint="Resize the images to such a size, or choose another architecture.",
    )


def needed_classes(num_classes: int | None, network: str) -> int:
    """How many classes there are.

    Raises:
        UsageError: The data have none.
    """
    if num_classes is None:
        raise UsageError(
            f"{network} needs classes, and the data set has none",
            hint="Choose a data set that has labels, or a network that takes none, such as dcgan.",
        )
    return num_classes


def initialize(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), batch-norm scales from N(1, 0.02); set biases to 0."""
    if isinstance(module, ClassBatchNorm):
        nn.init.normal_(module.scale, 1.0, INIT_STD)
        nn.init.zeros_(module.shift)
    elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, INIT_STD)
        nn.init.zeros_(module.bias)


class ClassBatchNorm(nn.Module):
    """Batch norm whose scale and shift are those of a sample's class.

    ``scale[y] * (x - mean) / sqrt(variance + 1e-5) + shift[y]``, where mean and variance are those
    of the whole batch, whatever its classes, for each channel.

    Source: Dumoulin et al. 2017, arXiv:1610.07629, equation 5, for styles; Miyato and Koyama 2018,
    arXiv:1802.05637, section 5, for classes.

    Args:
        num_classes: How many classes, K.
        channels: Channels C of the maps ``(N, C, H, W)``.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Parameter(torch.ones(num_classes, channels))
        self.shift = nn.Parameter(torch.zeros(num_classes, channels))

    def forward(self, maps: Tensor, classes: Tensor) -> Tensor:
        """Normalise maps ``(N, C, H, W)`` by their classes' weights ``(N, K)``."""
        scale, shift = classes @ self.scale, classes @ self.shift
        normal: Tensor = self.norm(maps)
        return normal * scale[:, :, None, None] + shift[:, :, None, None]


def spectral(layer: Layer, norm: Norm) -> Layer:
    """The layer, with its largest singular value held at 1 if ``norm`` is spectral.

    Source: Miyato et al. 2018, arXiv:1802.05957, section 2.1; one power iteration a forward pass.
    """
    if norm == "spectral":
        parametrizations.spectral_norm(layer)
    return layer


def downsampling(
    image_shape: tuple[int, ...],
    network: str,
    *,
    channels: int,
    norm: Norm,
    more_channels: int = 0,
) -> tuple[nn.Sequential, int]:
    """DCGAN's discriminator up to its last feature maps, flattened.

    Convolutions (kernel 4, stride 2), each halving the side and doubling the maps, with
    LeakyReLU 0.2, and batch norm, if wanted, on all but the first.

    Args:
        image_shape: ``(C, H, W)`` of an image.
        network: What the user calls the network.
        channels: Feature maps at the highest inner resolution.
        norm: ``batch``, ``spectral`` or ``none``.
        more_channels: Channels beside the image's.
    Returns:
        The layers, and how many numbers ``(N, F)`` they make of an image.
    Raises:
        UsageError: The architecture has no such image size.
    """
    base, stages = factorize(image_shape, network)
    widths = [channels << stage for stage in range(stages)]
    first = nn.Conv2d(image_shape[0] + more_channels, channels, 4, stride=2, padding=1)
    convolutions = [
        # Batch norm would cancel a bias.
        nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=norm != "batch")
        for narrow, wide in pairwise(widths)
    ]
    layers: list[nn.Module] = [first, nn.LeakyReLU(LEAKY_SLOPE)]
    for convolution in convolutions:
        layers.append(convolution)
        if norm == "batch":
            layers.append(nn.BatchNorm2d(convolution.out_channels))
        layers.append(nn.LeakyReLU(LEAKY_SLOPE))
    trunk = nn.Sequential(*layers, nn.Flatten())
    trunk.apply(initialize)
    for convolution in (first, *convolutions):
        spectral(convolution, norm)  # after its start has been drawn
    return trunk, widths[-1] * base * base


def head(features: int, outputs: int, norm: Norm, *, bias: bool = True) -> nn.Linear:
    """A linear layer on the features, started as DCGAN's are."""
    layer = nn.Linear(features, outputs, bias=bias)
    initialize(layer)
    return spectral(layer, norm)


def as_weights(labels: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Labels as weights of the classes ``(N, K)``, of the type of ``like``."""
    return class_weights(labels, num_classes).to(like)
