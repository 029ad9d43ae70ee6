"""Penalties on the gradient of the discriminator by its input."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer


def input_gradients(scores: Tensor, samples: Tensor) -> Tensor:
    """Gradient of each score by all that was judged for it, ``(count, D)``, with a graph.

    The sum over the batch gives every sample its own gradient, as a score depends on its own
    sample only; batch normalisation breaks that, and couples them.

    Args:
        scores: ``(count, ...)``. Of a map of logits it is the mean that counts, as in losses.
        samples: ``(N, ...)``; where there are fewer scores, so many samples in a row have one.
    """
    each = scores.reshape(len(scores), -1).mean(dim=1)
    (gradients,) = torch.autograd.grad(each.sum(), samples, create_graph=True)
    flat: Tensor = gradients.reshape(len(scores), -1)
    return flat


def slopes(round: AdversarialRound, points: Tensor) -> Tensor:
    """The norm of D's gradient by each of what it judges at some points, ``(count,)``."""
    points = points.detach().requires_grad_()
    gradients = input_gradients(round.judge(points)["logits"], points)
    norms: Tensor = torch.linalg.vector_norm(gradients, dim=1)
    return norms


def one_each(round: AdversarialRound, numbers: Tensor) -> Tensor:
    """Numbers ``(N, ...)`` of which those that are judged together share the first."""
    together = len(numbers) // len(round.scores("real"))
    return numbers[::together].repeat_interleave(together, dim=0)


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


class R2(Regularizer):
    """R2: as R1, at generated samples.

    Source: Mescheder et al. 2018, arXiv:1801.04406, equation 10.
    """

    differentiates: ClassVar[tuple[str, ...]] = ("fake",)
    default_weight: ClassVar[float] = 10.0

    def __call__(self, round: AdversarialRound) -> Tensor:
        gradients = input_gradients(round.scores("fake"), round.fake)
        return 0.5 * gradients.square().sum(dim=1)


class GradientPenalty(Regularizer):
    """WGAN-GP: the squared distance of each sample's gradient norm from 1, ``(N,)``.

    The gradient is taken at a random point between a real and a generated sample. The recipe's
    ``weight`` is the paper's lambda. A discriminator with batch normalisation does not suit it.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, equation 3 and algorithm 1.
    """

    second_order: ClassVar[bool | None] = True
    default_weight: ClassVar[float] = 10.0

    def __call__(self, round: AdversarialRound) -> Tensor:
        return self.cost(slopes(round, self.points(round)) - 1.0)

    def points(self, round: AdversarialRound) -> Tensor:
        """Where the gradient is taken, ``(N, ...)``."""
        real, fake = round.real.detach(), round.fake.detach()
        shares = round.play.draw.uniform("gradient_penalty", *(1 for _ in real.shape[1:]))
        shares = one_each(round, shares)
        return shares * real + (1.0 - shares) * fake

    def cost(self, excess: Tensor) -> Tensor:
        """What a norm costs that is so much above 1."""
        return excess.square()


class LipschitzPenalty(GradientPenalty):
    """WGAN-LP: as WGAN-GP, but a norm below 1 costs nothing.

    Source: Petzka et al. 2018, arXiv:1709.08894, equation 8.
    """

    def cost(self, excess: Tensor) -> Tensor:
        return torch.relu(excess).square()


class Dragan(GradientPenalty):
    """DRAGAN: the squared distance of the gradient's norm from 1 around the real samples, ``(N,)``.

    A point is a real sample plus ``u * scale * std * v``, where ``u`` in [0, 1) is one number a
    sample, ``v`` in [0, 1) one a pixel, and ``std`` the standard deviation over the micro-batch: as
    in the authors' code (github.com/kodalinaveen3/DRAGAN).

    Source: Kodali et al. 2017, arXiv:1705.07215, algorithm 1.

    Args:
        scale: Largest distance from the real sample, in standard deviations.
    """

    def __init__(self, *, scale: Annotated[float, Field(gt=0)] = 0.5) -> None:
        self.scale = scale

    def points(self, round: AdversarialRound) -> Tensor:
        real, draw = round.real.detach(), round.play.draw
        shares = one_each(round, draw.uniform("dragan", *(1 for _ in real.shape[1:])).to(real))
        noise = draw.uniform("dragan_noise", *real.shape[1:]).to(real)
        return real + shares * self.scale * real.std() * noise
