"""Functions from the number of a step to the factor of the learning rate.

They are plain functions, and so torch's ``LambdaLR`` saves nothing of them but the step. A run
that is resumed with another length, or with other options, follows its own recipe's curve from
there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated

from pydantic import Field

Curve = Callable[[int], float]
"""The factor of the step of a number, counted from 0."""

NotNegative = Annotated[float, Field(ge=0)]
Inside = Annotated[float, Field(gt=0, lt=1)]
"""A share of the run, without its first step and its end."""


def line(start: int, end_step: int, end: float) -> Curve:
    """From 1 to ``end`` along a line between two steps, and constant outside of them."""

    def factor(step: int) -> float:
        return 1.0 + (end - 1.0) * _progress(step, start, end_step)

    return factor


def half_cosine(start: int, end_step: int, end: float) -> Curve:
    """From 1 to ``end`` along half a cosine between two steps, and constant outside of them."""

    def factor(step: int) -> float:
        angle = math.pi * _progress(step, start, end_step)
        return end + (1.0 - end) * (1.0 + math.cos(angle)) / 2.0

    return factor


def step_at(share: float, total_steps: int) -> int:
    """The first step, counted from 0, before which at least this share of the run is done.

    The share is taken as it is written: 0.1 of 30 steps are 3, and not a little more.
    """
    return math.ceil(Fraction(str(share)) * total_steps)


def _progress(step: int, start: int, end_step: int) -> float:
    """From 0 at ``start`` to 1 at ``end_step``; they may be the same step."""
    if step >= end_step:
        return 1.0
    return 0.0 if step <= start else (step - start) / (end_step - start)
