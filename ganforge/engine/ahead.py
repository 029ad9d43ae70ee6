"""What is a function of the step, made for some steps at once.

Where networks are small, most of a draw of random numbers in the midst of a step is spent on
waking up its code: thirty draws in a row take half of the time. Small batches of samples are
fetched together in one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Made = TypeVar("Made")

STEPS = 32
"""For how many steps, at most."""


class Ahead(Generic[Made]):
    """Makes something for the step that is asked for and for those behind it.

    Whatever is asked for twice is made again, so each answer belongs to whoever asked.

    Args:
        make: Makes it for some steps in a row, given the first of them, how many, and whatever
            else tells it from others. It may make fewer, but at least one.
        steps: For how many steps at once.
    """

    def __init__(self, make: Callable[..., list[Made]], steps: int = STEPS) -> None:
        self._make = make
        self._steps = steps
        self._made: dict[tuple[Hashable, ...], tuple[int, list[Made | None]]] = {}

    def __call__(self, step: int, *others: Hashable) -> Made:
        """What belongs to a step, counted from 0."""
        first, made = self._made.get(others, (0, []))
        place = step - first
        if not 0 <= place < len(made):
            first, place = step, 0
            made = [*self._make(step, self._steps, *others)]
            self._made[others] = first, made
        found, made[place] = made[place], None
        return self._make(step, 1, *others)[0] if found is None else found
