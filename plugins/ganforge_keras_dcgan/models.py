"""The networks of the Keras DCGAN on MNIST, with Keras's defaults where torch has others.

Source: Keras DCGAN on MNIST, 2019 write-up. Despite its name it shares little with DCGAN: tanh
everywhere, nearest upsampling and max pooling in place of strides, and no batch norm but one.
"""

from __future__ import annotations

from torch import Tensor, nn

from ganforge.api import UsageError

KERNEL = 5
SAME = KERNEL // 2
"""The padding of a 'same' convolution."""

HIDDEN = 1024
UPSAMPLING = 4
"""How much larger than its first feature maps an image is: two doublings."""

SMALLEST = 12
"""The smallest side of which the discriminator's second pooling leaves anything."""

BN_EPS = 1e-3
BN_MOMENTUM = 0.01
"""What Keras calls a momentum of 0.99."""


def _initialize(module: nn.Module) -> None:
    """Draw weights Glorot-uniform and set biases to 0, as Keras does by default."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class KerasDCGANGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to images ``(N, C, H, W)`` in [-1, 1].

    Two dense layers, to 1024 units and to 128 maps of a quarter of the side, then twice: nearest
    upsampling by 2 and a 5x5 convolution. tanh after every layer; batch norm once, before the tanh
    of the second dense layer, each unit on its own. 28x28 images go 1024, 128x7x7, 64x14x14,
    Cx28x28.

    The dense output is read as ``(128, 7, 7)`` where Keras reads ``(7, 7, 128)``: an order of
    units that no random initialisation can tell. The running variance of batch norm takes the
    unbiased batch variance, as the Keras of the time (2.2) did but for its epsilon; later ones
    take the biased variance. It matters only in evaluation mode.

    Args:
        image_shape: ``(C, H, W)``, square, with a side that is a multiple of 4; 28 in the source.
        latent_dim: Length of a latent vector; 100 in the source.

    Raises:
        UsageError: The architecture has no such image size.
    """

    def __init__(self, *, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        base = _base_side(image_shape)
        units = 128 * base * base
        self.dense = nn.Sequential(
            nn.Linear(latent_dim, HIDDEN),
            nn.Tanh(),
            # Batch norm cancels this bias; the source has it, and its parameter count shows it.
            nn.Linear(HIDDEN, units),
            nn.BatchNorm1d(units, eps=BN_EPS, momentum=BN_MOMENTUM),
            nn.Tanh(),
            nn.Unflatten(1, (128, base, base)),
        )
        self.upsample = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(128, 64, KERNEL, padding=SAME),
            nn.Tanh(),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(64, image_shape[0], KERNEL, padding=SAME),
            nn.Tanh(),
        )
        self.apply(_initialize)

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.upsample(self.dense(latents))
        return images


class KerasDCGANDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to logits ``(N,)``.

    Twice a 5x5 convolution, tanh and 2x2 max pooling, the second convolution without padding, then
    two dense layers. 28x28 images go 64x28x28, 64x14x14, 128x10x10, 128x5x5, 1024, 1. The source
    ends in a sigmoid; here the loss applies it.

    Args:
        image_shape: ``(C, H, W)`` with sides of at least 12; 28 in the source.

    Raises:
        UsageError: The image is too small for two poolings.
    """

    def __init__(self, *, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = _image(image_shape)
        rows, columns = _pooled_sides(height, width)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, KERNEL, padding=SAME),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 128, KERNEL),
            nn.Tanh(),
            nn.MaxPool2d(2),
        )
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * rows * columns, HIDDEN),
            nn.Tanh(),
            nn.Linear(HIDDEN, 1),
        )
        self.apply(_initialize)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.dense(self.features(images))  # (N, 1)
        return logits.flatten()


def _image(image_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape of an image, which samples need not have."""
    if len(image_shape) != 3:
        raise UsageError(
            f"keras_dcgan makes and judges images (C, H, W), and the samples are {image_shape}",
            hint="Choose networks for such samples, such as mlp.",
        )
    channels, height, width = image_shape
    return channels, height, width


def _base_side(image_shape: tuple[int, int, int]) -> int:
    """The side of the generator's first feature maps."""
    _, height, width = _image(image_shape)
    if height == width and height >= UPSAMPLING and height % UPSAMPLING == 0:
        return height // UPSAMPLING
    # The nearest multiple of 4, but one that the discriminator takes too.
    side = max(SMALLEST, UPSAMPLING * round(max(height, width) / UPSAMPLING))
    raise UsageError(
        f"The generator keras_dcgan cannot make {height}x{width} images: it makes square images "
        "whose side is a multiple of 4, such as 12, 16, 28, 32 or 64.",
        hint=f"Resize or pad the images to {side}x{side}, or choose another generator.",
    )


def _pooled_sides(height: int, width: int) -> tuple[int, int]:
    """The rows and columns that two poolings leave of an image."""
    if min(height, width) < SMALLEST:
        raise UsageError(
            f"The discriminator keras_dcgan cannot judge {height}x{width} images: it needs "
            f"{SMALLEST}x{SMALLEST} or larger.",
            hint=f"Resize or pad the images to at least {SMALLEST}x{SMALLEST}, "
            "or choose another discriminator.",
        )
    rows, columns = ((side // 2 - (KERNEL - 1)) // 2 for side in (height, width))
    return rows, columns
