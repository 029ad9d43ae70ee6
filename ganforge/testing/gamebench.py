"""A game that is being checked, and the trainer that plays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from ganforge.engine.game import Game, Phase
from ganforge.engine.trainer import Trainer
from ganforge.errors import GanforgeError, UsageError
from ganforge.testing import standins
from ganforge.testing.findings import Unchecked
from ganforge.testing.subject import Subject

WITH = (
    "with stand-in networks (generators: latents or images to images; discriminators: images to "
    "logits, class_logits and features; encoders: images to latents or codes)"
)
FAMILIES: tuple[Mapping[str, Callable[..., nn.Module]], ...] = (
    standins.FAMILIES,
    {**standins.FAMILIES, "encoder": partial(standins.StandInEncoder, size=standins.CODES)},
)
"""What networks are tried; which encoders a game wants, it does not say."""


class Bench:
    """A game with a usual loss and no regularizers."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.phases: tuple[Phase, ...] = ()
        self.sound = False
        self.plays = False
        self.families = FAMILIES[0]

    def made(self, **other: Any) -> Game:
        """A fresh one, with a usual loss and nothing else where nothing else is given."""
        usual = {"loss": standins.StandInLoss(), "regularizers": [], "augmentations": []}
        game: Game = self.subject.remade(**{**usual, **other})
        return game

    def trainer(self, game: Game | None = None) -> Trainer:
        if not (self.phases and self.sound):
            raise Unchecked("its networks or its phases are not what they should be")
        return standins.trainer(game or self.made(), total_steps=4, families=self.families)

    def playing(self, game: Game | None = None) -> Trainer:
        """A trainer of a game that is known to play."""
        if not self.plays:
            raise Unchecked("it could not play a step")
        return self.trainer(game)

    def asks_for(self, name: str) -> bool:
        return name in self.subject.known_signature().injected

    def begun(self) -> Trainer:
        """A trainer of networks that the game takes, at its beginning.

        Raises:
            Unchecked: It takes none of those that there are.
        """
        refusals: list[Exception] = []
        for self.families in FAMILIES:
            try:
                self.trainer().step()
                return self.trainer()
            except (GanforgeError, RuntimeError) as error:
                refusals.append(error)
            if "encoder" not in self.subject.target.networks.values():
                break
        if isinstance(refusals[-1], UsageError):
            told = f"it refuses the networks that it can be tried with: {refusals[-1]}"
            raise Unchecked(told) from refusals[-1]
        raise refusals[0]
