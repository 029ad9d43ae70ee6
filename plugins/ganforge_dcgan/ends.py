"""The ends of DCGANs on CPUs, where images have few channels.

A convolution that goes from many feature maps to one channel leaves most lanes of a processor's
vectors empty: oneDNN computes it at a tenth of the speed of one between feature maps. As a product
of matrices, whose columns are then added up where windows overlap, it is three to five times
faster. The mathematics is the same, parameters too; elsewhere torch's own way is taken.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST = 4
"""Channels up to which the product is faster."""

KERNEL, STRIDE, PADDING = 4, 2, 1
_GEOMETRY = {"stride": [STRIDE] * 2, "padding": [PADDING] * 2, "dilation": [1, 1]}


def spread(maps: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution of maps ``(N, M, H, W)``: images ``(N, C, 2H, 2W)``.

    Args:
        maps: Feature maps.
        weight: ``(M, C, 4, 4)``.
    """
    count, many, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(count, height * width, many)
    columns = torch.matmul(rows, weight.reshape(many, -1)).transpose(1, 2)
    return functional.fold(
        columns, (STRIDE * height, STRIDE * width), KERNEL, stride=STRIDE, padding=PADDING
    )


class _ToImages(torch.autograd.Function):
    """:func:`spread` and a bias; gradients are torch's own, which are fast."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return spread(maps, weight) + bias.view(1, -1, 1, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (maps, weight) = gradients, ctx.saved_tensors
        found: tuple[Tensor | None, ...] = torch.ops.aten.convolution_backward(
            gradient,
            maps,
            weight,
            [weight.shape[1]],
            **_GEOMETRY,
            transposed=True,
            output_padding=[0, 0],
            groups=1,
            output_mask=ctx.needs_input_grad,
        )
        return found


class _FromImages(torch.autograd.Function):
    """torch's convolution of images, whose gradient by the images is :func:`spread`."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return functional.conv2d(images, weight, bias, STRIDE, PADDING)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (images, weight) = gradients, ctx.saved_tensors
        by_images = spread(gradient, weight) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return by_images, None, None
        _, by_weight, by_bias = torch.ops.aten.convolution_backward(
            gradient,
            images,
            weight,
            [weight.shape[0]],
            **_GEOMETRY,
            transposed=False,
            output_padding=[0, 0],
            groups=1,
            output_mask=[False, *ctx.needs_input_grad[1:]],
        )
        return by_images, by_weight, by_bias


def _suits(inputs: Tensor, channels: int) -> bool:
    """Whether the product is faster, and autocast has no say."""
    return (
        channels <= MOST
        and inputs.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class ToImages(nn.ConvTranspose2d):
    """Feature maps ``(N, M, H, W)`` to images ``(N, C, 2H, 2W)``: kernel 4, stride 2, padding 1.

    Args:
        maps: M.
        channels: C.
    """

    bias: nn.Parameter

    def __init__(self, maps: int, channels: int) -> None:
        super().__init__(maps, channels, KERNEL, stride=STRIDE, padding=PADDING)

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not _suits(maps, self.out_channels):
            return super().forward(maps, output_size)
        images: Tensor = _ToImages.apply(maps, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return images


class FromImages(nn.Conv2d):
    """Images ``(N, C, 2H, 2W)`` to feature maps ``(N, M, H, W)``: kernel 4, stride 2, padding 1.

    Args:
        channels: C.
        maps: M.
    """

    bias: nn.Parameter

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__(channels, maps, KERNEL, stride=STRIDE, padding=PADDING)

    def forward(self, images: Tensor) -> Tensor:
        if not _suits(images, self.in_channels):
            return super().forward(images)
        maps: Tensor = _FromImages.apply(images, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return maps
