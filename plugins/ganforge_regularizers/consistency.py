"""Consistency: what is nearly the same is to be judged, and generated, nearly the same."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer
from ganforge_regularizers.moves import Moves, Pixels

Weight = Annotated[float, Field(ge=0)]


def distance(first: Tensor, second: Tensor) -> Tensor:
    """The squared Euclidean distance of each sample's pair, ``(N,)``."""
    return (first - second).reshape(len(first), -1).square().sum(dim=1)


class Consistency(Regularizer):
    """CR-GAN: the squared distance of D's logits of a real image and of it moved, ``(N,)``.

    ``||D(x) - D(T(x))||^2``, where T moves an image by a few pixels, and mirrors it if it is asked
    to. The recipe's ``weight`` is the paper's lambda. Samples must be images ``(N, C, H, W)``.

    Source: Zhang et al. 2020, arXiv:1910.12027, section 2.2 and algorithm 1.

    Args:
        shift: Largest movement along each axis, in pixels; it must be less than the image's sides.
        flip: Mirror images left to right at random. It spoils what has a direction, such as digits.
    Raises:
        UsageError: Nothing is to be done to the images, or samples are no images, or too small.
    """

    default_weight: ClassVar[float] = 10.0

    def __init__(self, *, shift: Pixels = 4, flip: bool = False) -> None:
        self.moves = Moves(shift=shift, flip=flip)

    def __call__(self, round: AdversarialRound) -> Tensor:
        moved = self.moves(round.real.detach(), round.play.draw, "consistency")
        return distance(round.scores("real"), round.judge(moved)["logits"])


class BalancedConsistency(Regularizer):
    """bCR: as ``consistency``, for real and for generated images, ``(N,)``.

    ``real ||D(x) - D(T(x))||^2 + fake ||D(g) - D(T(g))||^2``. The two weights are the paper's
    lambdas; the recipe's ``weight`` multiplies both. Samples must be images ``(N, C, H, W)``.

    Source: Zhao et al. 2021, arXiv:2002.04724, algorithm 1.

    Args:
        real: Weight of the real images' part.
        fake: Weight of the generated images' part.
        shift: Largest movement along each axis, in pixels; it must be less than the image's sides.
        flip: Mirror images left to right at random. It spoils what has a direction, such as digits.
    Raises:
        UsageError: Nothing is to be done to the images, or samples are no images, or too small.
    """

    def __init__(
        self,
        *,
        real: Weight = 10.0,
        fake: Weight = 10.0,
        shift: Pixels = 4,
        flip: bool = False,
    ) -> None:
        self.real = real
        self.fake = fake
        self.moves = Moves(shift=shift, flip=flip)

    def __call__(self, round: AdversarialRound) -> Tensor:
        draw = round.play.draw
        real = self.moves(round.real.detach(), draw, "balanced_consistency/real")
        fake = self.moves(round.fake.detach(), draw, "balanced_consistency/fake")
        of_real = distance(round.scores("real"), round.judge(real)["logits"])
        of_fake = distance(round.scores("fake"), round.judge(fake)["logits"])
        return self.real * of_real + self.fake * of_fake


class LatentConsistency(Regularizer):
    """zCR: nearby latents are to be judged alike, and to be generated apart, ``(N,)``.

    While D learns it is ``discriminator ||D(G(z)) - D(G(z + dz))||^2``, and while G learns
    ``-generator ||G(z) - G(z + dz)||^2``, the sum over all numbers of a sample. ``dz`` is normal
    noise on the latent's own noise; its codes are left alone. The two weights are the paper's
    lambdas; the recipe's ``weight`` multiplies both. With ``balanced_consistency`` it is ICR.

    Source: Zhao et al. 2021, arXiv:2002.04724, algorithm 2.

    Args:
        sigma: Standard deviation of the noise, in the latent's units.
        discriminator: Weight of the discriminator's part.
        generator: Weight of the generator's part.
    """

    phase: ClassVar[str | tuple[str, ...]] = ("discriminator", "generator")

    def __init__(
        self,
        *,
        sigma: Annotated[float, Field(gt=0)] = 0.03,
        discriminator: Weight = 5.0,
        generator: Weight = 0.5,
    ) -> None:
        self.sigma = sigma
        self.discriminator = discriminator
        self.generator = generator

    def __call__(self, round: AdversarialRound) -> Tensor:
        learns = round.learns(round.generator)
        with torch.set_grad_enabled(learns):
            near = round.generate(self.near(round))
        if learns:
            return -self.generator * distance(round.fake, near)
        return self.discriminator * distance(round.scores("fake"), round.judge(near)["logits"])

    def near(self, round: AdversarialRound) -> Tensor:
        """Latents ``(N, latent_dim)`` beside those of the round."""
        latents, dim = round.latent, round.play.latent.dim
        noise = round.play.draw.normal("latent_consistency", dim).to(latents)
        return torch.cat([latents[:, :dim] + self.sigma * noise, latents[:, dim:]], dim=1)
