"""A plugin with a game that keeps its contract."""

from typing import ClassVar

from ganforge import Register, hookimpl
from ganforge.api import AdversarialLoss, AdversarialRound, Game, Phase, Play, Term


@hookimpl
def register_games(register: Register) -> None:
    register("acme", "acme_game:AcmeGame", summary="two players, the second ever stronger")


class AcmeGame(Game):
    """A game whose generator has its say more and more.

    Args:
        growth: How fast.
    """

    networks: ClassVar = {"generator": "generator", "critic": "discriminator"}
    sampler: ClassVar = "generator"
    judge: ClassVar = "critic"

    def __init__(
        self, *, loss: AdversarialLoss, regularizers: list[Term], growth: float = 0.5
    ) -> None:
        self.loss = loss
        self.terms = tuple(regularizers)
        self.growth = growth
        self.strength = 1.0

    def phases(self) -> list[Phase]:
        first = Term("adversarial", self.loss.discriminator)
        second = Term("adversarial", self.stronger)
        return [
            Phase("critic", ("critic",), (first, *self.terms)),
            Phase("generator", ("generator",), (second,), draws_batch=False),
        ]

    def stronger(self, round: AdversarialRound):
        self.strength += self.growth
        return self.strength * self.loss.generator(round)

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play, discriminator="critic")

    def state_dict(self) -> dict:
        return {"strength": self.strength}

    def load_state_dict(self, state: dict) -> None:
        self.strength = state["strength"]
