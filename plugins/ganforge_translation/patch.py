"""The discriminator of pix2pix and CycleGAN: PatchGAN."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_translation.layers import Norm, initialize, norm_layers

WIDEST = 8
"""Feature maps double at most this far, times the first ones."""

LEAKY_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to a map of logits ``(N, 1, h, w)``, one for each overlapping patch.

    Convolutions of 4x4 with LeakyReLU 0.2 behind: ``layers`` of stride 2, one of stride 1, and one
    of stride 1 that gives the logits. A norm follows each but the first and the last. Losses are
    means over all patches. A logit sees 16, 34, 70 or 142 pixels with 1, 2, 3 or 4 layers; the
    papers have 3. 28x28 images with 2 layers give a map of 5x5.

    Source: Isola et al. 2017, arXiv:1611.07004, section 3.2.2 and appendix 6.1.2.

    Args:
        image_shape: ``(C, H, W)``.
        channels: Feature maps after the first convolution; they double with each further one, up
            to 8 times as many.
        layers: Convolutions of stride 2.
        norm: ``instance`` as in CycleGAN, ``batch`` as in pix2pix, or ``none``, as gradient
            penalties need that look at one sample at a time.
    Raises:
        UsageError: The images are too small for so many layers, or no images.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        channels: Annotated[int, Field(ge=1)] = 64,
        layers: Annotated[int, Field(ge=1, le=10)] = 3,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        _check_size(image_shape, layers)
        widths = [channels * min(2**layer, WIDEST) for layer in range(layers + 1)]
        made: list[nn.Module] = [
            nn.Conv2d(image_shape[0], channels, 4, stride=2, padding=1),
            nn.LeakyReLU(LEAKY_SLOPE),
        ]
        for layer in range(1, layers + 1):
            stride = 2 if layer < layers else 1
            made += [
                nn.Conv2d(
                    widths[layer - 1], widths[layer], 4, stride, padding=1, bias=norm == "none"
                ),
                *norm_layers(norm, widths[layer]),
                nn.LeakyReLU(LEAKY_SLOPE),
            ]
        self.layers = nn.Sequential(*made, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(initialize)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


def _check_size(image_shape: tuple[int, ...], layers: int) -> None:
    least = 3 << layers  # halved so often it is 3, and each convolution of stride 1 takes one more
    if len(image_shape) == 3 and min(image_shape[1:]) >= least:
        return
    raise UsageError(
        f"patch cannot judge samples of shape {tuple(image_shape)} with {layers} layers: it needs "
        f"images (C, H, W) of at least {least}x{least}",
        hint="Set fewer 'layers', or choose another discriminator.",
    )
