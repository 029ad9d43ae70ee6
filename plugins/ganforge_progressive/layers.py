"""Layers of progressive growing: weights scaled as they are used, and two normalisations.

Source: Karras, Aila, Laine and Lehtinen, "Progressive Growing of GANs for Improved Quality,
Stability, and Variation", 2018, arXiv:1710.10196, sections 3, 4.1 and 4.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAKY_SLOPE = 0.2
PIXEL_EPSILON = 1e-8
STD_EPSILON = 1e-8
GAIN = math.sqrt(2.0)
"""He's constant for a layer that a rectifier follows (He et al. 2015, arXiv:1502.01852)."""


class EqualizedLinear(nn.Module):
    """A linear layer ``(N, inputs)`` to ``(N, outputs)`` with an equalized learning rate.

    Weights start from N(0, 1) and are multiplied by ``scale = gain / sqrt(inputs)`` whenever they
    are used; biases start at 0. So Adam, whose steps do not depend on the scale of a gradient,
    moves the weights of all layers at one relative speed. Section 4.1.

    Args:
        inputs: Numbers in.
        outputs: Numbers out.
        gain: Standard deviation of the output for inputs of variance 1.
    """

    def __init__(self, inputs: int, outputs: int, *, gain: float = GAIN) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, values: Tensor) -> Tensor:
        return functional.linear(values, self.scale * self.weight, self.bias)


class EqualizedConv2d(nn.Module):
    """A convolution with an equalized learning rate; ``scale`` is gain / sqrt(inputs * kernel^2).

    Args:
        inputs: Feature maps in.
        outputs: Feature maps out.
        kernel: Side of the kernel.
        padding: Zeros around the maps.
        gain: As of :class:`EqualizedLinear`.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, padding: int = 0, gain: float = GAIN
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs * kernel**2)
        self.padding = padding

    def forward(self, maps: Tensor) -> Tensor:
        return functional.conv2d(maps, self.scale * self.weight, self.bias, padding=self.padding)


class PixelNorm(nn.Module):
    """Each pixel's feature vector divided by its root mean square; latents likewise.

    ``b = a / sqrt(mean_j a_j^2 + 1e-8)``, j over the C features of ``(N, C)`` or ``(N, C, H, W)``.
    Section 4.2.
    """

    def forward(self, values: Tensor) -> Tensor:
        return values * (values.square().mean(dim=1, keepdim=True) + PIXEL_EPSILON).rsqrt()


class MinibatchStd(nn.Module):
    """Adds one feature map: how much the samples of a group differ, one number for each group.

    The standard deviation of each feature at each place over the group, averaged over all of them:
    ``(N, C, H, W)`` to ``(N, C + 1, H, W)``. As in the authors' code the n-th group has the samples
    n, n + N/group, n + 2N/group and so on. Section 3.

    Args:
        group: Samples in a group. A batch that it does not divide is one group.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        count, channels, height, width = maps.shape
        group = self.group if count % self.group == 0 else count
        grouped = maps.reshape(group, count // group, channels, height, width)
        spread = (grouped.var(dim=0, correction=0) + STD_EPSILON).sqrt().mean(dim=(1, 2, 3))
        more = spread.repeat(group).reshape(count, 1, 1, 1).expand(count, 1, height, width)
        return torch.cat([maps, more], dim=1)


def rectifier() -> nn.Module:
    return nn.LeakyReLU(LEAKY_SLOPE)
