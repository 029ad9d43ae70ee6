"""A plugin with an augmentation that keeps its contract."""

from typing import Any

import torch
from torch import Tensor

from ganforge import Register, hookimpl
from ganforge.api import AdversarialRound, Augmentation, Draw, Side


@hookimpl
def register_augmentations(register: Register) -> None:
    register("acme", "acme_augmentation:AcmeBrightness", summary="brightness that grows")


class AcmeBrightness(Augmentation):
    """Adds a number to each sample, the larger the surer the discriminator is.

    Args:
        least: The least strength.
    """

    def __init__(self, *, least: float = 0.1) -> None:
        self.strength = torch.tensor(least)

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        shape = (len(samples), *(1 for _ in samples.shape[1:]))
        shift = draw.uniform(stream)[: len(samples)].reshape(shape)
        return samples + self.strength * shift

    def judged(self, side: Side, logits: Tensor, round: AdversarialRound) -> None:
        if side == "real":
            self.strength = self.strength + 0.01 * logits.sign().mean()

    def observe(self) -> dict[str, Tensor]:
        return {"brightness": self.strength}

    def state_dict(self) -> dict[str, Any]:
        return {"strength": self.strength}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.strength = state["strength"]
