"""A plugin with a loss that keeps its contract."""

from torch import Tensor
from torch.nn import functional

from ganforge import Register, hookimpl
from ganforge.api import AdversarialLoss, AdversarialRound


@hookimpl
def register_losses(register: Register) -> None:
    register("acme", "acme_loss:AcmeLoss", summary="cross-entropy with smooth labels")


class AcmeLoss(AdversarialLoss):
    """Cross-entropy that asks the discriminator for less than certainty.

    Args:
        target: What it should believe of real samples.
    """

    def __init__(self, *, target: float = 0.9) -> None:
        self.target = target
        self.rounds = 0

    def discriminator(self, round: AdversarialRound) -> Tensor:
        self.rounds += 1
        real, fake = round.scores("real"), round.scores("fake")
        return functional.softplus(real) - self.target * real + functional.softplus(fake)

    def generator(self, round: AdversarialRound) -> Tensor:
        return functional.softplus(-round.scores("fake"))

    def belief(self, scores: Tensor) -> Tensor:
        return scores.sigmoid()

    def state_dict(self) -> dict:
        return {"rounds": self.rounds}

    def load_state_dict(self, state: dict) -> None:
        self.rounds = state["rounds"]
