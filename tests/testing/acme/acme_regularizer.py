"""A plugin with a penalty that keeps its contract."""

from typing import ClassVar

import torch
from torch import Tensor

from ganforge import Register, hookimpl
from ganforge.api import AdversarialRound, Regularizer


@hookimpl
def register_regularizers(register: Register) -> None:
    register("acme", "acme_regularizer:Acme", summary="slope at fakes, and large scores")


class Acme(Regularizer):
    """The discriminator's slope at generated samples, and a little of its scores squared.

    Args:
        drift: How much of the squared scores.
    """

    phase: ClassVar[str] = "discriminator"
    differentiates: ClassVar[tuple[str, ...]] = ("fake",)
    default_weight: ClassVar[float] = 5.0
    default_every: ClassVar[int] = 4

    def __init__(self, *, drift: float = 0.001) -> None:
        self.drift = drift

    def __call__(self, round: AdversarialRound) -> Tensor:
        scores = round.scores("fake")
        (slope,) = torch.autograd.grad(scores.sum(), round.fake, create_graph=True)
        share = round.play.draw.uniform("acme")
        return share * slope.flatten(1).square().sum(1) + self.drift * scores.square()
