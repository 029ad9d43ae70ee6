"""Checks of learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge.testing import terms
from ganforge.testing.findings import Wrong, checks
from ganforge.testing.subject import Subject

STEPS = 12
LR = 0.1


class Bench:
    """Makes the schedule for an optimizer of one weight."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def schedule(self) -> tuple[LRScheduler, Optimizer]:
        optimizer = _plain()
        made: LRScheduler = self.subject.remade(optimizer=optimizer, total_steps=STEPS)
        return made, optimizer


def build(bench: Bench) -> None:
    """It can be made, and is one of torch's ``LRScheduler``."""
    bench.subject.build(optimizer=_plain(), total_steps=STEPS)


def rates(bench: Bench) -> str:
    """A finite rate of 0 or more in each step of a run."""
    found = _rates(*bench.schedule(), range(STEPS))
    bad = [rate for rate in found if not math.isfinite(rate) or rate < 0]
    if bad:
        raise Wrong(
            f"the learning rate becomes {bad[0]}", "Keep it at 0 or above in all of total_steps."
        )
    return f"from {found[0]:.3g} to {found[-1]:.3g} of {LR}"


def state_dict(bench: Bench) -> None:
    """Saved in the middle and taken up by a fresh one, it goes on identically."""
    schedule, optimizer = bench.schedule()
    half = STEPS // 2
    _rates(schedule, optimizer, range(half))
    state = terms.saved(schedule.state_dict())
    rate = [group["lr"] for group in optimizer.param_groups]
    expected = _rates(schedule, optimizer, range(half, STEPS))
    fresh, other = bench.schedule()
    fresh.load_state_dict(state)
    for group, value in zip(other.param_groups, rate, strict=True):
        group["lr"] = value  # the optimizer's own state brings it back
    if _rates(fresh, other, range(half, STEPS)) != expected:
        raise Wrong(
            "a resumed run has other learning rates",
            "Keep what it counts in attributes that state_dict saves; a function of last_epoch "
            "needs nothing else.",
        )


CHECKS = checks(build, rates, state_dict)


def _plain() -> Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=LR)


def _rates(schedule: LRScheduler, optimizer: Optimizer, steps: Iterable[int]) -> list[float]:
    """The rate that each step uses."""
    rates = []
    for _ in steps:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        rate: float | Tensor = optimizer.param_groups[0]["lr"]
        rates.append(float(rate))
        optimizer.step()
        schedule.step()
    return rates
