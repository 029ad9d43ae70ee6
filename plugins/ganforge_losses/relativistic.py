"""Losses of how much more real a real sample looks than a fake one.

Jolicoeur-Martineau 2018, "The relativistic discriminator", arXiv:1807.00734. Per sample, ``(N,)``;
``s(x)`` is the score of a real sample x, ``s(g)`` that of a generated one. The generator learns
through the real samples' scores too, which are therefore computed in its phase as well.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from ganforge.api import AdversarialLoss, AdversarialRound


class RelativisticPairing(AdversarialLoss):
    """RpGAN: the n-th real sample against the n-th fake one (section 4.1, with cross-entropy).

    With R1 and R2 it is the objective of R3GAN (Huang et al. 2024, arXiv:2501.05441).
    """

    signed: ClassVar[bool] = False

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """-log sigmoid(s(x) - s(g))."""
        return functional.softplus(round.scores("fake") - round.scores("real"))

    def generator(self, round: AdversarialRound) -> Tensor:
        """-log sigmoid(s(g) - s(x))."""
        return functional.softplus(round.scores("real") - round.scores("fake"))

    def belief(self, scores: Tensor) -> Tensor:
        """A score means something beside another one only."""
        return scores


class RelativisticAverage(AdversarialLoss):
    """RaGAN: each sample against the mean of the other side (section 4.2, with cross-entropy).

    The mean is that of the micro-batch, so micro-batches change the gradients a little.
    """

    signed: ClassVar[bool] = False

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """-log sigmoid(s(x) - mean s(g)) - log(1 - sigmoid(s(g) - mean s(x)))."""
        return _apart(round.scores("real"), round.scores("fake"))

    def generator(self, round: AdversarialRound) -> Tensor:
        """-log sigmoid(s(g) - mean s(x)) - log(1 - sigmoid(s(x) - mean s(g)))."""
        return _apart(round.scores("fake"), round.scores("real"))

    def belief(self, scores: Tensor) -> Tensor:
        """A score means something beside others only."""
        return scores


def _apart(above: Tensor, below: Tensor) -> Tensor:
    """How far one side is from being above the mean of the other, and the other from below."""
    return functional.softplus(below.mean() - above) + functional.softplus(below - above.mean())
