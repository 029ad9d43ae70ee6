"""Times sides in turn, so that a noisy machine is noisy for each; and says where that was."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ganforge.api import Callback, Run, Values

Side = Callable[[int], float | None]
"""Takes so many steps; may say how many seconds they took, or leave that to the clock."""


def steps_of(step: Callable[[], object]) -> Side:
    """A side whose step is one call."""

    def side(count: int) -> None:
        for _ in range(count):
            step()

    return side


def synchronize() -> None:
    """Wait for a GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def now() -> float:
    """Seconds on a clock."""
    return time.perf_counter()


def seconds(side: Side, count: int) -> float:
    """Seconds of one of so many steps."""
    synchronize()
    began = time.perf_counter()
    told = side(count)
    synchronize()
    return (time.perf_counter() - began if told is None else told) / count


def in_turn(sides: Mapping[str, Side], *, rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds of a step of each side: of so many steps a round, the sides in changing order."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            sides[name](1)  # caches are another side's
            taken = seconds(sides[name], steps)
            if number >= 0:  # the first steps are slower
                found[name].append(taken)
    return found


class Turns(Callback):
    """Times a run's steps in blocks, with whatever its callbacks do, and others between them.

    Args:
        others: What takes as many steps after each block of the run's.
        block: Steps of each in one turn.
    """

    def __init__(self, others: Mapping[str, Side], block: int) -> None:
        self.others = others
        self.block = block
        self.ours: list[float] = []
        self.theirs: dict[str, list[float]] = {name: [] for name in others}

    def on_start(self, run: Run) -> None:
        self._mark = time.perf_counter()

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step % self.block:
            return
        synchronize()
        self.ours.append((time.perf_counter() - self._mark) / self.block)
        for name, side in self.others.items():
            self.theirs[name].append(seconds(side, self.block))
        self._mark = time.perf_counter()


def median_ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """The median over the rounds of how many times longer one takes than the other."""
    return statistics.median(one / other for one, other in zip(times, others, strict=True))


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((li.partition(": ")[2] for li in lines if li.startswith("model name")), model)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": model,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def write(path: Path | None, found: Mapping[str, Any]) -> None:
    """Keep what was found as JSON, with the machine."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")


def said() -> str:
    """The machine, in a line."""
    here = machine()
    gpu = f", {here['gpu']}" if here["gpu"] else ""
    return (
        f"{here['processor']}, {here['instructions']}, {here['threads']} threads{gpu}, "
        f"torch {here['torch']}"
    )
