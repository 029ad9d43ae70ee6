"""LeCam regularisation, for training with few data."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer
from ganforge_regularizers.averages import PlayAverage

Share = Annotated[float, Field(ge=0, lt=1)]


class LeCam(Regularizer):
    """The squared distance of each score from the other side's mean of late, ``(N,)``.

    ``(s(x) - a_F)^2 + (s(g) - a_R)^2``, where ``a_R`` and ``a_F`` are exponential moving averages
    of the mean scores of real and of fake samples, over the plays before this one. In the first
    play there is none, and the term is 0. The authors' code, unlike the paper, takes only the
    positive part of both differences.

    Source: Tseng et al. 2021, arXiv:2104.03310, equations 5 and 6.

    Args:
        decay: Share of the old average that a play keeps.
    """

    default_weight: ClassVar[float] = 0.3

    def __init__(self, *, decay: Share = 0.99) -> None:
        self.real = PlayAverage(decay)
        self.fake = PlayAverage(decay)

    def __call__(self, round: AdversarialRound) -> Tensor:
        real, fake, draw = round.scores("real"), round.scores("fake"), round.play.draw
        real_before, fake_before = self.real.before(draw), self.fake.before(draw)
        self.real.add(real, draw)
        self.fake.add(fake, draw)
        if real_before is None or fake_before is None:
            return 0.0 * (real + fake)
        return (real - fake_before).square() + (fake - real_before).square()

    def state_dict(self) -> dict[str, Any]:
        return {"real": self.real.state_dict(), "fake": self.fake.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.real.load_state_dict(state["real"])
        self.fake.load_state_dict(state["fake"])
