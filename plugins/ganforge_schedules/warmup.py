"""A rise along a line, and what comes after it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from ganforge.api import UsageError
from ganforge_schedules.curves import Inside, NotNegative, half_cosine, line, step_at

USUAL = 0.05
SHAPES = {"linear": line, "cosine": half_cosine}


def warmup(
    *,
    optimizer: Optimizer,
    total_steps: int,
    steps: Annotated[int, Field(ge=1)] | None = None,
    share: Inside | None = None,
    then: Literal["constant", "linear", "cosine"] = "constant",
    end: NotNegative | None = None,
) -> LRScheduler:
    """Up along a line to the optimizer's rate, which then stays or falls.

    The first W steps have the factors 1 / W, 2 / W, ..., 1: Goyal et al. 2017, arXiv:1706.02677,
    section 2.2. The steps after them follow ``linear`` or ``cosine``, as over a run of their own,
    to ``end``. A run of fewer than W steps ends on the way up.

    Args:
        optimizer: Whose learning rate it sets.
        total_steps: Steps of that optimizer in the whole run.
        steps: W, steps of the optimizer in which the rate rises.
        share: The same as a share of the run. At most one of ``steps`` and ``share`` is given;
            with neither, it is a twentieth of the run.
        then: What the rate does after that.
        end: Factor of the rate at the end of the run, with ``then: linear`` or ``then: cosine``;
            0 if it is not given.
    Raises:
        UsageError: Both ``steps`` and ``share`` are given, or ``end`` where the rate stays
            constant.
    """
    if steps is not None and share is not None:
        raise UsageError(
            f"warmup: steps is {steps} and share is {share}; both say how long the rate rises",
            hint="Keep one of them.",
        )
    if then == "constant" and end is not None:
        raise UsageError(
            f"warmup: end is {end}, but the rate stays constant",
            hint="Add then: linear or then: cosine, or remove end.",
        )
    rising = steps or step_at(share or USUAL, total_steps)
    shape = SHAPES.get(then)
    after = shape(rising, max(total_steps, rising), end or 0.0) if shape else None

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return after(step) if after else 1.0

    return LambdaLR(optimizer, factor)
