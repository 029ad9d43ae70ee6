"""Terms that games share."""

from __future__ import annotations

from torch import Tensor

from ganforge.engine.adversarial import AdversarialLoss, AdversarialRound
from ganforge.engine.game import Term


def discriminator_term(loss: AdversarialLoss, weight: float = 1.0) -> Term:
    """What the discriminator minimises; the fakes are made before anything is judged.

    What a judgement keeps for its gradient would be in memory while they are made, and push out of
    the caches what that needs: half a percent of a step on a CPU.

    Args:
        loss: The game's.
        weight: Of the term.
    """

    def discriminator(round: AdversarialRound) -> Tensor:
        _ = round.fake
        return loss.discriminator(round)

    return Term("adversarial", discriminator, weight)
