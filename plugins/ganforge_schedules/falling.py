"""Schedules of one piece: along a line, along a cosine, in steps."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from ganforge_schedules.curves import Inside, NotNegative, half_cosine, line, step_at


def linear(
    *,
    optimizer: Optimizer,
    total_steps: int,
    end: NotNegative = 0.0,
    start: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> LRScheduler:
    """Along a line, from the optimizer's rate to ``end`` times it.

    Of T steps, the one of number n, counted from 0, has the factor 1 + (end - 1) n / T. So the
    first step has the optimizer's whole rate, and ``end`` is reached when the last one is done.
    With ``start`` the line begins at the step of number start T, rounded up.
    ``start: 0.5`` is the schedule of CycleGAN: Zhu et al. 2017, arXiv:1703.10593, training details.

    Args:
        optimizer: Whose learning rate it sets.
        total_steps: Steps of that optimizer in the whole run.
        end: Factor of the rate at the end of the run.
        start: Share of the run in which the rate stays as it is.
    """
    return LambdaLR(optimizer, line(step_at(start, total_steps), total_steps, end))


def cosine(*, optimizer: Optimizer, total_steps: int, end: NotNegative = 0.0) -> LRScheduler:
    """Along half a cosine, from the optimizer's rate to ``end`` times it.

    Of T steps, the one of number n, counted from 0, has the factor
    end + (1 - end) (1 + cos(pi n / T)) / 2. Source: Loshchilov and Hutter 2017, arXiv:1608.03983,
    equation 5, without restarts.

    Args:
        optimizer: Whose learning rate it sets.
        total_steps: Steps of that optimizer in the whole run.
        end: Factor of the rate at the end of the run.
    """
    return LambdaLR(optimizer, half_cosine(0, total_steps, end))


def step(
    *,
    optimizer: Optimizer,
    total_steps: int,
    at: Annotated[tuple[Inside, ...], Field(min_length=1)] = (0.5, 0.75),
    gamma: Annotated[float, Field(gt=0)] = 0.1,
) -> LRScheduler:
    """The rate is multiplied at given shares of the run, and constant between them.

    The step of number n of T, counted from 0, has the factor gamma ** k, where k is how many of
    the shares are at most n / T. It is torch's ``MultiStepLR``, with shares for steps.

    Args:
        optimizer: Whose learning rate it sets.
        total_steps: Steps of that optimizer in the whole run.
        at: Shares of the run.
        gamma: What the rate is multiplied by at each of them.
    """
    milestones = [step_at(share, total_steps) for share in at]

    def factor(number: int) -> float:
        return gamma ** sum(milestone <= number for milestone in milestones)

    # MultiStepLR's own state has a Counter in it, which a checkpoint cannot hold.
    return LambdaLR(optimizer, factor)
