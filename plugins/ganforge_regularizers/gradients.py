"""Penalties on the gradient of the discriminator by its input."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer


def input_gradients(scores: Tensor, samples: Tensor) -> Tensor:
    """Gradient of each sample's score by the sample itself, ``(N, D)``, with a graph.

    The sum over the batch gives every sample its own gradient, as a score depends on its own
    sample only; batch normalisation breaks that, and couples them.
    """
    (gradients,) = torch.autograd.grad(scores.sum(), samples, create_graph=True)
    flat: Tensor = gradients.flatten(1)
    return flat


class R1(Regularizer):
    """R1: half the squared norm of D's gradient at real samples, per sample.

    The recipe's ``weight`` is the paper's gamma: the term is ``weight / 2 * ||grad||^2``. With
    ``every: 16`` it is lazy: computed in every 16th discriminator step and scaled by 16.

    Source: Mescheder et al. 2018, arXiv:1801.04406, equation 9; lazy: Karras et al. 2020,
    arXiv:1912.04958, section 3.1.
    """

    differentiates: ClassVar[tuple[str, ...]] = ("real",)
    default_weight: ClassVar[float] = 10.0

    def __call__(self, round: AdversarialRound) -> Tensor:
        gradients = input_gradients(round.scores("real"), round.real)
        return 0.5 * gradients.square().sum(dim=1)


class GradientPenalty(Regularizer):
    """WGAN-GP: the squared distance of each sample's gradient norm from 1, ``(N,)``.

    The gradient is taken at a random point between a real and a generated sample. The recipe's
    ``weight`` is the paper's lambda. A discriminator with batch normalisation does not suit it.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, equation 3 and algorithm 1.
    """

    default_weight: ClassVar[float] = 10.0

    def __call__(self, round: AdversarialRound) -> Tensor:
        real, fake = round.real.detach(), round.fake.detach()
        shares = round.play.draw.uniform("gradient_penalty", *(1 for _ in real.shape[1:]))
        between = (shares * real + (1.0 - shares) * fake).requires_grad_()
        gradients = input_gradients(round.judge(between)["logits"], between)
        distance: Tensor = torch.linalg.vector_norm(gradients, dim=1) - 1.0
        return distance.square()
