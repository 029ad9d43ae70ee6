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

Side = Callable[[], object]
"""One step of a side."""


def synchronize() -> None:
    """Wait for a GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_turn(
    sides: Mapping[str, Side], *, rounds: int, steps: int, warm_up: int = 3
) -> dict[str, list[float]]:
    """Seconds of a step of each side: of so many steps a round, the sides in changing order."""
    for step in sides.values():
        for _ in range(warm_up):
            step()
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            step = sides[name]
            step()  # caches are another side's
            synchronize()
            began = time.perf_counter()
            for _ in range(steps):
                step()
            synchronize()
            found[name].append((time.perf_counter() - began) / steps)
    return found


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
