"""The networks of the ring of Gaussians in the unrolled GANs' paper.

Source: Metz, Poole, Pfau and Sohl-Dickstein, "Unrolled Generative Adversarial Networks", 2017,
arXiv:1611.02163, appendix A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

Widths = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
Gain = Annotated[float, Field(gt=0)]


def _layers(sizes: Sequence[int], gain: float) -> nn.Sequential:
    """Linear layers with ReLU between them; weights orthogonal times ``gain``, biases 0."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        linear = nn.Linear(before, after)
        nn.init.orthogonal_(linear.weight, gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class UnrolledRingGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to samples ``(N, *image_shape)``, which may have any values.

    Args:
        image_shape: Shape of a sample, such as ``(2,)``. Images end with tanh.
        latent_dim: Length of a latent vector; the paper has 256.
        widths: Units of the hidden layers.
        gain: Factor of the orthogonal weights.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        latent_dim: int,
        widths: Widths = [128, 128],  # noqa: B006  # read only
        gain: Gain = 0.8,
    ) -> None:
        super().__init__()
        self.layers = _layers([latent_dim, *widths, math.prod(image_shape)], gain)
        self.shape = nn.Unflatten(1, image_shape)
        self.bound: nn.Module = nn.Tanh() if len(image_shape) == 3 else nn.Identity()

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.bound(self.shape(self.layers(latents)))
        return samples


class UnrolledRingDiscriminator(nn.Module):
    """Samples ``(N, *image_shape)`` to logits ``(N,)``; they are divided by ``scale`` first.

    Args:
        image_shape: Shape of a sample, such as ``(2,)``.
        widths: Units of the hidden layers.
        gain: Factor of the orthogonal weights.
        scale: What brings the data to about [-1, 1]. The paper has 4 for a ring of radius 2, which
            is 2 for the ring of radius 1 of ``mixture``.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        widths: Widths = [128],  # noqa: B006  # read only
        gain: Gain = 0.8,
        scale: Gain = 2.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.layers = _layers([math.prod(image_shape), *widths, 1], gain)

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.layers(samples.flatten(1) / self.scale)
        return logits.flatten()
