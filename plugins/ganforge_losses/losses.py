"""Adversarial losses: what the discriminator and the generator minimise.

Every loss is per sample, ``(N,)``, of the discriminator's scores ``(N,)``; ``s(x)`` below is the
score of a sample, D = sigmoid(s) its probability of being real, x a real and g a generated sample.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from ganforge.api import AdversarialLoss, AdversarialRound


class _CrossEntropy(AdversarialLoss):
    """The discriminator of Goodfellow et al. 2014: binary cross-entropy on logits."""

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """-log D(x) - log(1 - D(g)) = softplus(-s(x)) + softplus(s(g))."""
        return functional.softplus(-round.scores("real")) + functional.softplus(
            round.scores("fake")
        )


class NonSaturating(_CrossEntropy):
    """The heuristic generator loss of Goodfellow et al. 2014 (arXiv:1406.2661, section 3).

    StyleGAN's papers call it the logistic loss.
    """

    def generator(self, round: AdversarialRound) -> Tensor:
        """-log D(g) = softplus(-s(g))."""
        return functional.softplus(-round.scores("fake"))


class Minimax(_CrossEntropy):
    """The minimax game of Goodfellow et al. 2014 (arXiv:1406.2661, equation 1).

    The generator's gradient vanishes where the discriminator is sure, hence its other name, the
    saturating loss.
    """

    def generator(self, round: AdversarialRound) -> Tensor:
        """log(1 - D(g)) = -softplus(s(g))."""
        return -functional.softplus(round.scores("fake"))


class Hinge(AdversarialLoss):
    """Hinge loss (Lim and Ye 2017, arXiv:1705.02894; Tran et al. 2017, arXiv:1702.08896)."""

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """max(0, 1 - s(x)) + max(0, 1 + s(g))."""
        return functional.relu(1.0 - round.scores("real")) + functional.relu(
            1.0 + round.scores("fake")
        )

    def generator(self, round: AdversarialRound) -> Tensor:
        """-s(g)."""
        return -round.scores("fake")

    def belief(self, scores: Tensor) -> Tensor:
        return scores


class LeastSquares(AdversarialLoss):
    """LSGAN with targets 0 for fake and 1 for real (Mao et al. 2017, arXiv:1611.04076, eq. 9)."""

    signed: ClassVar[bool] = False

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """(s(x) - 1)^2 / 2 + s(g)^2 / 2."""
        return 0.5 * ((round.scores("real") - 1.0).square() + round.scores("fake").square())

    def generator(self, round: AdversarialRound) -> Tensor:
        """(s(g) - 1)^2 / 2."""
        return 0.5 * (round.scores("fake") - 1.0).square()

    def belief(self, scores: Tensor) -> Tensor:
        return scores


class Wasserstein(AdversarialLoss):
    """The critic of Arjovsky et al. 2017 (arXiv:1701.07875).

    It needs a Lipschitz constraint, such as the regularizer ``gradient_penalty``.
    """

    signed: ClassVar[bool] = False

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """s(g) - s(x)."""
        return round.scores("fake") - round.scores("real")

    def generator(self, round: AdversarialRound) -> Tensor:
        """-s(g)."""
        return -round.scores("fake")

    def belief(self, scores: Tensor) -> Tensor:
        return scores
