"""The networks of PacGAN's experiments on mixtures of Gaussians.

Source: Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks",
arXiv:1712.04086, section 4.1; every constant is that of the authors' code
(github.com/fjxmlzn/PacGAN, ``synthetic_data_experiments``), which is written in Blocks.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ganforge.api import UsageError

GENERATOR = (400, 400, 400, 400)
DISCRIMINATOR = (200, 200, 200)
PIECES = 5
INIT_STD = 0.02
BN_EPS = 1e-4
BN_MOMENTUM = 0.05


def _initialize(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02) and set biases to 0; batch norm starts at scale 1, shift 0."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _length(image_shape: tuple[int, ...]) -> int:
    if len(image_shape) != 1:
        raise UsageError(
            f"pacgan_mixture works with vectors, and samples here have the shape {image_shape}",
            hint="Use it with dataset mixture; 'mlp' takes samples of any shape.",
        )
    return image_shape[0]


class PacGANMixtureGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` to vectors ``(N, D)``.

    Four layers of 400 units without a bias, each with batch norm and ReLU, then a linear layer.
    The paper has latents of N(0, I) in 2 dimensions; 484,802 parameters are learned then.

    The code averages standard deviations for evaluation mode where torch averages variances.

    Args:
        image_shape: ``(D,)``.
        latent_dim: Length of a latent vector; 2 in the paper.

    Raises:
        UsageError: The samples are no vectors.
    """

    def __init__(self, *, image_shape: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((latent_dim, *GENERATOR)):
            layers += [
                nn.Linear(before, after, bias=False),
                nn.BatchNorm1d(after, eps=BN_EPS, momentum=BN_MOMENTUM),
                nn.ReLU(),
            ]
        layers.append(nn.Linear(GENERATOR[-1], _length(image_shape)))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.layers(latents)
        return samples


class Maxout(nn.Module):
    """Of every ``pieces`` units in a row the largest: ``(N, units * pieces)`` to ``(N, units)``.

    Source: Goodfellow et al. 2013, arXiv:1302.4389, section 2.
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, inputs: Tensor) -> Tensor:
        count, width = inputs.shape
        return inputs.reshape(count, width // self.pieces, self.pieces).max(dim=2).values


class PacGANMixtureDiscriminator(nn.Module):
    """Vectors ``(N, D)`` to logits ``(N,)``.

    Three layers of 200 maxout units with 5 pieces each, then a linear layer; no batch norm. For
    points in the plane 405,201 parameters are learned; packing m of them makes D = 2m, and adds
    2,000 for each.

    Args:
        image_shape: ``(D,)``.

    Raises:
        UsageError: The samples are no vectors.
    """

    def __init__(self, *, image_shape: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((_length(image_shape), *DISCRIMINATOR)):
            layers += [nn.Linear(before, after * PIECES), Maxout(PIECES)]
        layers.append(nn.Linear(DISCRIMINATOR[-1], 1))
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.layers(samples)
        return logits.flatten()
