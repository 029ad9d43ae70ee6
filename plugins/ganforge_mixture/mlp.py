"""Multilayer perceptrons for samples of any shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

LEAKY_SLOPE = 0.2

Widths = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
Activation = Literal["relu", "leaky_relu", "elu", "silu", "tanh"]


def _activation(name: Activation) -> nn.Module:
    if name == "leaky_relu":
        return nn.LeakyReLU(LEAKY_SLOPE)
    plain: dict[str, type[nn.Module]] = {
        "relu": nn.ReLU,
        "elu": nn.ELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
    }
    return plain[name]()


def _gain(name: Activation) -> float:
    """What keeps the spread of the values from layer to layer, by torch's table.

    ELU and SiLU are not in it; ReLU is what they resemble.
    """
    if name == "tanh":
        return nn.init.calculate_gain("tanh")
    return nn.init.calculate_gain("leaky_relu", LEAKY_SLOPE if name == "leaky_relu" else 0.0)


def _hidden(sizes: Sequence[int], activation: Activation, batch_norm: bool) -> list[nn.Module]:
    """The hidden layers: linear, batch norm if wanted, activation.

    Weights are drawn from N(0, gain / sqrt(inputs)): He et al. 2015, arXiv:1502.01852, section 2.2.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        # Batch norm would cancel a bias.
        linear = nn.Linear(before, after, bias=not batch_norm)
        nn.init.normal_(linear.weight, 0.0, _gain(activation) / math.sqrt(before))
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        layers.append(linear)
        if batch_norm:
            layers.append(nn.BatchNorm1d(after))
        layers.append(_activation(activation))
    return layers


def _last(before: int, after: int) -> nn.Linear:
    linear = nn.Linear(before, after)
    nn.init.normal_(linear.weight, 0.0, 1 / math.sqrt(before))
    nn.init.zeros_(linear.bias)
    return linear


class MLPGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to samples ``(N, *image_shape)``.

    Linear layers with an activation between them. Images ``(C, H, W)`` end with tanh, as they lie
    in [-1, 1]; vectors may have any values and end with the last linear layer.

    Args:
        image_shape: Shape of a sample, such as ``(2,)`` or ``(1, 28, 28)``.
        latent_dim: Length of a latent vector.
        widths: Units of the hidden layers, from first to last.
        activation: After each hidden layer; the slope of ``leaky_relu`` is 0.2.
        batch_norm: Whether batch norm stands before each activation.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        latent_dim: int,
        widths: Widths = [128, 128, 128],  # noqa: B006  # read only
        activation: Activation = "relu",
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers = _hidden([latent_dim, *widths], activation, batch_norm)
        layers += [_last(widths[-1], math.prod(image_shape)), nn.Unflatten(1, image_shape)]
        if len(image_shape) == 3:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.layers(latents)
        return samples


class MLPDiscriminator(nn.Module):
    """Samples ``(N, *image_shape)`` to logits ``(N,)``, by linear layers over their numbers.

    Args:
        image_shape: Shape of a sample, such as ``(2,)`` or ``(1, 28, 28)``.
        widths: Units of the hidden layers, from first to last.
        activation: After each hidden layer; the slope of ``leaky_relu`` is 0.2.
        batch_norm: Whether batch norm stands before each activation. It does not suit penalties on
            gradients, nor losses that look at one sample at a time.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        widths: Widths = [128, 128, 128],  # noqa: B006  # read only
        activation: Activation = "leaky_relu",
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers = _hidden([math.prod(image_shape), *widths], activation, batch_norm)
        self.layers = nn.Sequential(nn.Flatten(), *layers, _last(widths[-1], 1))

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.layers(samples)
        return logits.flatten()
