"""Schedules against closed forms and torch's own, over whole runs and across a resume."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    SequentialLR,
)

from ganforge.api import UsageError
from ganforge.engine.plain import check_plain
from ganforge.options import read_signature
from ganforge_schedules import register_schedules
from ganforge_schedules.falling import cosine, linear, step
from ganforge_schedules.warmup import warmup

LR = 0.3
MAKE: dict[str, Any] = {"cosine": cosine, "linear": linear, "step": step, "warmup": warmup}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("cosine", {}),
    ("cosine", {"end": 0.1}),
    ("linear", {}),
    ("linear", {"end": 0.25, "start": 0.3}),
    ("step", {}),
    ("step", {"at": (0.1, 0.7), "gamma": 0.5}),
    ("warmup", {}),
    ("warmup", {"share": 0.3, "then": "linear"}),
    ("warmup", {"steps": 4}),
    ("warmup", {"steps": 4, "then": "cosine", "end": 0.2}),
]


def descent(lr: float = LR) -> Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=lr)


def played(schedule: LRScheduler, steps: int) -> list[float]:
    """The rate with which each step is taken."""
    rates = []
    for _ in range(steps):
        rates.append(float(schedule.optimizer.param_groups[0]["lr"]))
        schedule.optimizer.step()
        schedule.step()
    return rates


def factors(name: str, total: int, more: int = 1, **options: Any) -> list[float]:
    """Each step's rate as a share of the optimizer's, in a run and some steps more."""
    schedule = MAKE[name](optimizer=descent(1.0), total_steps=total, **options)
    return played(schedule, total + more)


def test_all_are_registered() -> None:
    targets: dict[str, str] = {}
    register_schedules(lambda name, target, *, summary: targets.update({name: target}))
    assert sorted(targets) == sorted(MAKE)
    for name, target in targets.items():
        assert target == f"{MAKE[name].__module__}:{name}"


# First, middle and last step of a run, and what is left when it is done, computed by hand.
@pytest.mark.parametrize(
    ("name", "options", "total", "known"),
    [
        ("linear", {}, 8, {0: 1.0, 4: 0.5, 7: 0.125, 8: 0.0}),
        ("linear", {"end": 0.2}, 8, {0: 1.0, 4: 0.6, 7: 0.3, 8: 0.2}),
        ("linear", {"end": 3.0}, 8, {0: 1.0, 4: 2.0, 7: 2.75, 8: 3.0}),
        ("linear", {"start": 0.5}, 8, {0: 1.0, 4: 1.0, 5: 0.75, 6: 0.5, 7: 0.25, 8: 0.0}),
        ("linear", {"start": 0.1}, 30, {2: 1.0, 3: 1.0, 4: 26 / 27, 29: 1 / 27, 30: 0.0}),
        ("cosine", {}, 8, {0: 1.0, 2: (2 + 2**0.5) / 4, 4: 0.5, 6: (2 - 2**0.5) / 4, 8: 0.0}),
        ("cosine", {"end": 0.2}, 6, {0: 1.0, 2: 0.8, 3: 0.6, 4: 0.4, 6: 0.2}),
        ("step", {}, 8, {0: 1.0, 3: 1.0, 4: 0.1, 5: 0.1, 6: 0.01, 7: 0.01, 8: 0.01}),
        ("step", {"at": (0.7, 0.1), "gamma": 0.5}, 30, {2: 1.0, 3: 0.5, 20: 0.5, 21: 0.25}),
        ("warmup", {"steps": 4}, 8, {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0, 4: 1.0, 7: 1.0, 8: 1.0}),
        ("warmup", {"share": 0.1}, 30, {0: 1 / 3, 1: 2 / 3, 2: 1.0, 29: 1.0}),
        ("warmup", {}, 40, {0: 0.5, 1: 1.0, 2: 1.0, 39: 1.0}),
        ("warmup", {"steps": 2, "then": "linear"}, 6, {0: 0.5, 1: 1.0, 2: 1.0, 4: 0.5, 6: 0.0}),
        (
            "warmup",
            {"steps": 2, "then": "cosine", "end": 0.5},
            8,
            {0: 0.5, 1: 1.0, 2: 1.0, 4: 0.875, 5: 0.75, 6: 0.625, 8: 0.5},
        ),
    ],
)
def test_known_steps(
    name: str, options: dict[str, Any], total: int, known: dict[int, float]
) -> None:
    found = factors(name, total, **options)
    assert {number: found[number] for number in known} == pytest.approx(known, abs=1e-15)


@pytest.mark.parametrize("total", [1, 2, 7, 100])
def test_torchs_own_schedules_agree(total: int) -> None:
    steps = total + 1
    line = LinearLR(descent(), 1.0, 0.1, total_iters=total)
    assert played(linear(optimizer=descent(), total_steps=total, end=0.1), steps) == pytest.approx(
        played(line, steps), rel=1e-12
    )
    wave = CosineAnnealingLR(descent(), total, eta_min=0.2 * LR)
    assert played(cosine(optimizer=descent(), total_steps=total, end=0.2), steps) == pytest.approx(
        played(wave, steps), rel=1e-12
    )
    stairs = MultiStepLR(descent(), [math.ceil(total / 4), math.ceil(total / 2)], 0.5)
    made = step(optimizer=descent(), total_steps=total, at=(0.25, 0.5), gamma=0.5)
    assert played(made, steps) == pytest.approx(played(stairs, steps), rel=1e-12)


def test_a_warmup_is_torchs_line_and_then_the_schedule_of_a_shorter_run() -> None:
    optimizer = descent()
    rise = LinearLR(optimizer, 1 / 5, 1.0, total_iters=4)
    fall = CosineAnnealingLR(optimizer, 15, eta_min=0.1 * LR)
    joined = played(SequentialLR(optimizer, [rise, fall], [5]), 20)
    made = warmup(optimizer=descent(), total_steps=20, steps=5, then="cosine", end=0.1)
    assert played(made, 20) == pytest.approx(joined, rel=1e-12)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.0), (0.3, 0.25), (0.35, 1.0), (0.99, 0.5)])
def test_a_line_over_a_whole_run(start: float, end: float) -> None:
    numbers = np.arange(41)
    first = np.ceil(np.round(start * 40, 9))
    expected = np.interp(numbers, [first, 40], [1.0, end])
    assert factors("linear", 40, start=start, end=end) == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_run_of_one_step_has_a_rate(name: str, options: dict[str, Any]) -> None:
    rising = options.get("steps", 1)
    assert factors(name, 1, **options)[0] == pytest.approx(1.0 / rising)


@pytest.mark.parametrize("then", ["constant", "cosine", "linear"])
def test_a_run_shorter_than_its_warmup_ends_on_the_way_up(then: str) -> None:
    made = warmup(optimizer=descent(1.0), total_steps=3, steps=10, then=then)
    assert played(made, 3) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_after_the_run_the_rate_stays(name: str, options: dict[str, Any]) -> None:
    found = factors(name, 10, more=5, **options)
    assert found[10:] == [found[10]] * 5


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("total", [1, 12])
def test_a_resumed_run_goes_on_exactly(name: str, options: dict[str, Any], total: int) -> None:
    whole = played(MAKE[name](optimizer=descent(), total_steps=total, **options), total + 3)
    for stop in range(total + 1):
        first = MAKE[name](optimizer=descent(), total_steps=total, **options)
        played(first, stop)
        second = MAKE[name](optimizer=descent(), total_steps=total, **options)
        second.optimizer.load_state_dict(reloaded(first.optimizer.state_dict()))
        second.load_state_dict(reloaded(first.state_dict()))
        assert played(second, total + 3 - stop) == whole[stop:]


def reloaded(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint gives it back."""
    check_plain(state)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_run_that_is_made_longer_follows_the_longer_curve(
    name: str, options: dict[str, Any]
) -> None:
    first = MAKE[name](optimizer=descent(), total_steps=10, **options)
    played(first, 10)
    longer = MAKE[name](optimizer=descent(), total_steps=20, **options)
    longer.optimizer.load_state_dict(reloaded(first.optimizer.state_dict()))
    longer.load_state_dict(reloaded(first.state_dict()))
    played(longer, 1)  # with the rate that the checkpoint has
    whole = played(MAKE[name](optimizer=descent(), total_steps=20, **options), 20)
    assert played(longer, 9) == whole[11:]


def test_every_group_of_an_optimizer_follows() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": rate} for rate in (1.0, 0.01)]
    optimizer = torch.optim.SGD(groups)
    played(linear(optimizer=optimizer, total_steps=4), 1)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.75, 0.0075])


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"steps": 3, "share": 0.1}, "steps is 3 and share is 0.1", "Keep one of them."),
        ({"end": 0.5}, "end is 0.5, but the rate stays constant", "then: linear or then: cosine"),
    ],
)
def test_options_of_a_warmup_that_exclude_each_other(
    options: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        warmup(optimizer=descent(), total_steps=10, **options)
    assert hint in str(raised.value.hint)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cosine", {"end": -0.1}),
        ("linear", {"start": 1.0}),
        ("linear", {"start": -0.5}),
        ("step", {"at": []}),
        ("step", {"at": [0.5, 1.0]}),
        ("step", {"at": [0.0]}),
        ("step", {"gamma": 0.0}),
        ("warmup", {"share": 1.0}),
        ("warmup", {"steps": 0}),
        ("warmup", {"then": "step"}),
    ],
)
def test_a_recipe_with_bad_options_is_told(name: str, options: dict[str, Any]) -> None:
    problems = read_signature(MAKE[name], "schedule").check(options)[1]
    assert {problem.path[0] for problem in problems} == set(options)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_recipe_can_write_every_option(name: str, options: dict[str, Any]) -> None:
    written = {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()}
    values, problems = read_signature(MAKE[name], "schedule").check(written)
    assert not problems
    assert factors(name, 12, **values) == factors(name, 12, **options)
