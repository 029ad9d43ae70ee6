"""A loss, a term and an augmentation that remember being used: does a game do with them what it
has to?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganforge.engine.adversarial import AdversarialRound, Regularizer, Side
from ganforge.engine.augmentation import Augmentation
from ganforge.engine.draw import Draw
from ganforge.testing.standins import StandInLoss


class WitnessLoss(StandInLoss):
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = torch.zeros(())

    def discriminator(self, round: AdversarialRound) -> Tensor:
        self.asked = self.asked + 1.0
        return super().discriminator(round)

    def generator(self, round: AdversarialRound) -> Tensor:
        self.asked = self.asked + 1.0
        return super().generator(round)

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.asked = state["asked"]


class WitnessAugmentation(Augmentation):
    """Makes samples a little fainter, and counts what it is told of the discriminator."""

    def __init__(self) -> None:
        self.applied = 0
        self.told = torch.zeros(())

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        self.applied += 1
        return samples * 0.9

    def judged(self, side: Side, logits: Tensor, round: AdversarialRound) -> None:
        self.told = self.told + 1.0

    def state_dict(self) -> dict[str, Any]:
        return {"told": self.told}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.told = state["told"]


class WitnessTerm(Regularizer):
    """Adds nothing to the objective of a phase, and tells when it is computed.

    Args:
        phase: Which it joins.
        tell: Called each time; a game may copy the term, which copies no function.
    """

    def __init__(self, phase: str, tell: Callable[[], None]) -> None:
        self.phase = phase  # type: ignore[misc]
        self.tell = tell

    def __call__(self, round: AdversarialRound) -> Tensor:
        self.tell()
        return torch.zeros(len(round))
