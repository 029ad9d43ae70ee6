"""What keeps a critic's scores from wandering off."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer


class Drift(Regularizer):
    """The squared score of each real sample, ``(N,)``.

    The loss ``wasserstein`` knows differences of scores only, so nothing else holds their level.
    The recipe's ``weight`` is the paper's epsilon_drift.

    Source: Karras et al. 2018, arXiv:1710.10196, appendix A.1.
    """

    default_weight: ClassVar[float] = 0.001

    def __call__(self, round: AdversarialRound) -> Tensor:
        return round.scores("real").square()
