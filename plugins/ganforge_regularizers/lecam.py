"""LeCam regularisation, for training with few data."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer

Share = Annotated[float, Field(ge=0, lt=1)]


class LeCam(Regularizer):
    """The squared distance of each score from the other side's mean of late, ``(N,)``.

    ``(s(x) - a_F)^2 + (s(g) - a_R)^2``, where ``a_R`` and ``a_F`` are exponential moving averages
    of the scores of real and of fake samples. The averages are those before this micro-batch; the
    first one starts them. With micro-batches they move once for each.

    Source: Tseng et al. 2021, arXiv:2104.03310, equations 5 and 6.

    Args:
        decay: Share of the old average that a micro-batch keeps.
    """

    default_weight: ClassVar[float] = 0.3

    def __init__(self, *, decay: Share = 0.99) -> None:
        self.decay = decay
        self.real: Tensor | None = None
        self.fake: Tensor | None = None

    def __call__(self, round: AdversarialRound) -> Tensor:
        real, fake = round.scores("real"), round.scores("fake")
        if self.real is None or self.fake is None:
            self.real, self.fake = real.detach().mean(), fake.detach().mean()
        value = (real - self.fake).square() + (fake - self.real).square()
        self.real = torch.lerp(real.detach().mean(), self.real, self.decay)
        self.fake = torch.lerp(fake.detach().mean(), self.fake, self.decay)
        return value

    def state_dict(self) -> dict[str, Any]:
        return {"real": self.real, "fake": self.fake}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.real, self.fake = state["real"], state["fake"]
