"""Random numbers for plays that are recorded: always in the same memory, and drawn outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganforge.engine.draw import Draw, Want

Place = tuple[tuple[str, int], Want]
"""Whose numbers, as :attr:`Draw.turn`, and which."""


class NotFixedError(Exception):
    """A play does something that a record of it would not do again."""


@dataclass
class Notes:
    """What a play asked for.

    Args:
        wants: The numbers, in order.
        saw_step: It looked at what is different in every step, other than such numbers.
    """

    wants: dict[Place, None] = field(default_factory=dict)
    saw_step: bool = False


class NotedDraw(Draw):
    """The numbers of a play; what was asked for is noted.

    Args:
        draw: The numbers.
        notes: Where it is noted.
    """

    def __init__(self, draw: Draw, notes: Notes) -> None:
        self.__dict__.update(draw.__dict__)
        self._notes = notes

    @property
    def counters(self) -> tuple[int | str, ...]:
        self._notes.saw_step = True
        return super().counters

    @property
    def step(self) -> int:
        self._notes.saw_step = True
        return super().step

    def generator(self, stream: str) -> torch.Generator:
        self._notes.saw_step = True
        return super().generator(stream)

    def whole(self, want: Want) -> Tensor:
        self._notes.wants[self.turn, want] = None
        return super().whole(want)


class FixedDraw(Draw):
    """Numbers that lie in the same memory in every step.

    Args:
        draw: Those of some play.
        kept: The memory; the numbers are in it when the play is carried out.
    """

    def __init__(self, draw: Draw, kept: Mapping[Place, Tensor]) -> None:
        self.__dict__.update(draw.__dict__)
        self._kept = kept
        self.used: dict[Place, None] = {}
        """What was asked for."""

    @property
    def counters(self) -> tuple[int | str, ...]:
        raise NotFixedError(SAW_STEP)

    @property
    def step(self) -> int:
        raise NotFixedError(SAW_STEP)

    def generator(self, stream: str) -> torch.Generator:
        raise NotFixedError(SAW_STEP)

    def whole(self, want: Want) -> Tensor:
        if (self.turn, want) not in self._kept:
            raise NotFixedError("it does not draw the same random numbers in every step")
        self.used[self.turn, want] = None
        return self._kept[self.turn, want]


SAW_STEP = "something in it goes by the number of the step"
