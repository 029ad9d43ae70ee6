"""``python -m benchmarks.watching [RECIPE]``: what the callback ``health`` costs.

Two runs of one recipe play in turn in one process, 50 steps each: one is watched, one is not.
The noise of a machine is larger than what is looked for, so the cost is also added up from its
parts: the time within the callback, and how much longer the engine takes for a watched step.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ganforge import build
from ganforge.api import Run
from ganforge.device import choose
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate

BLOCK = 50
BLOCKS = 10
OFF = ("progress", "metrics", "sample_grid", "loss_plot", "checkpoint")


def made(name: str, folder: Path, *, watched: bool) -> Run:
    """A run of a recipe, with no callback but perhaps ``health``."""
    registry = load_registry()
    off = [*OFF] if watched else [*OFF, "health"]
    listed = ", ".join(f"{{use: {callback}, enabled: false}}" for callback in off)
    recipe, _ = load(locate(name, registry), registry, [f"callbacks=[{listed}]"])
    prepared = build.prepare(recipe, device=choose(None))
    run = build.start(prepared, folder, tell=print, quiet=True)
    for callback in run.callbacks.values():
        callback.on_start(run)
    return run


def block(run: Run) -> tuple[list[float], float]:
    """The seconds of 50 steps of the engine, and of all that callbacks did meanwhile."""
    steps, within = [], 0.0
    for _ in range(BLOCK):
        began = time.perf_counter()
        values = run.trainer.step()
        stepped = time.perf_counter()
        for callback in run.callbacks.values():
            callback.on_step(run, values)
        within += time.perf_counter() - stepped
        steps.append(stepped - began)
    return steps, within


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "mnist_dcgan_classic"
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[bool, Any] = {
            watched: made(name, Path(folder), watched=watched) for watched in (False, True)
        }
        for run in runs.values():
            block(run)  # the first steps are slower
        ratios, extra, within, total = [], [], [], []
        for number in range(BLOCKS):
            order = (False, True) if number % 2 else (True, False)
            found = {watched: block(runs[watched]) for watched in order}
            sums = {watched: sum(steps) + inside for watched, (steps, inside) in found.items()}
            ratios.append(sums[True] / sums[False])
            steps, inside = found[True]
            extra.append(steps[-1] - statistics.median(steps[:-1]))
            within.append(inside)
            total.append(sum(steps))
    print(f"{name}: {BLOCKS} pairs of {BLOCK} steps, in turn")
    print(f"watched over unwatched, median of the pairs: {statistics.median(ratios):.4f}")
    cost = statistics.median(within) + max(0.0, statistics.median(extra))
    print(f"in the callback, 50 steps:  {1e3 * statistics.median(within):7.1f} ms")
    print(f"a watched step takes more:  {1e3 * statistics.median(extra):7.1f} ms")
    print(f"together, of 50 steps:      {cost / statistics.median(total):7.2%}")


if __name__ == "__main__":
    main()
