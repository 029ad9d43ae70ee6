"""A plugin with a game that keeps its contract."""

from collections.abc import Sequence
from typing import ClassVar

from ganforge import Register, hookimpl
from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Game,
    Panel,
    Phase,
    Play,
    Show,
    Term,
)


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
        self,
        *,
        loss: AdversarialLoss,
        regularizers: list[Term],
        augmentations: Sequence[Augmentation] = (),
        growth: float = 0.5,
    ) -> None:
        self.loss = loss
        self.augmentations = augmentations
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
        return AdversarialRound(play, discriminator="critic", augmentations=self.augmentations)

    def pictures(self, show: Show) -> dict[str, Panel]:
        columns = min(show.columns or 2, show.count)
        return {**super().pictures(show), "real": Panel(show.batch.samples, columns)}

    def members(self) -> dict:
        numbered = {f"augmentation_{n}": each for n, each in enumerate(self.augmentations)}
        return {"loss": self.loss, **numbered}

    def state_dict(self) -> dict:
        return {**super().state_dict(), "strength": self.strength}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.strength = state["strength"]
