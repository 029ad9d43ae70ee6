"""Random numbers for plays that are recorded: always in the same memory, and drawn outside."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.engine.draw import Draw, Want

Place = tuple[tuple[str, int], Want]
"""Whose numbers, as :attr:`Draw.turn`, and which."""


class NotFixedError(Exception):
    """A play does something that a record of it would not do again."""


class FixedDraw(Draw):
    """Numbers that lie in the same memory in every step.

    Whoever asks for what is different in every step, other than such numbers, fails.

    Args:
        draw: Those of some play.
    Attributes:
        kept: The memory. While it is open, what is asked for the first time gets some.
    """

    def __init__(self, draw: Draw) -> None:
        self.__dict__.update(draw.__dict__)
        self.kept: dict[Place, Tensor] = {}
        self._state = {"open": True}  # one for all parts

    def close(self) -> None:
        """What was not asked for by now is not there."""
        self._state["open"] = False

    @property
    def counters(self) -> tuple[int | str, ...]:
        raise NotFixedError(SAW_STEP)

    @property
    def step(self) -> int:
        raise NotFixedError(SAW_STEP)

    def generator(self, stream: str) -> torch.Generator:
        raise NotFixedError(SAW_STEP)

    def whole(self, want: Want) -> Tensor:
        place = (self.turn, want)
        if place not in self.kept:
            if not self._state["open"]:
                raise NotFixedError("it does not draw the same random numbers in every step")
            self.kept[place] = super().whole(want).clone()
        return self.kept[place]


SAW_STEP = "something in it goes by the number of the step"
