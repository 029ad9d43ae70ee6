"""``python -m benchmarks.looking [RECIPE]``: what looking for NaN costs, step by step.

Two trainers of one recipe play in turn in one process: one as it is, one that neither looks at
terms and gradients nor can take a play back. A step of each, in changing order, makes a pair;
the median of the pairs' ratios is printed, as a noisy machine is noisy for both.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import torch

from ganforge import build
from ganforge.device import choose
from ganforge.engine import trainer as trainer_module
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate

PAIRS = 100
WARM_UP = 10


class NoUndo:
    """Remembers nothing."""

    has_states = False

    def __init__(self, *_: Any) -> None:
        pass

    def restore(self) -> None:
        pass


def careless(trainer: Trainer) -> Trainer:
    """The same without a look."""
    trainer.judge.ruling = lambda *_: ({}, lambda optimizer: optimizer.step())  # type: ignore[method-assign]
    return trainer


def step(trainer: Trainer, *, undo: Any) -> float:
    """Seconds of one step."""
    trainer_module.Undo = undo  # type: ignore[misc]
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    trainer.step()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    registry = load_registry()
    name = sys.argv[1] if len(sys.argv) > 1 else "mnist_dcgan_classic"
    recipe, _ = load(locate(name, registry), registry)
    device = choose(None)
    usual = build.prepare(recipe, device=device).trainer
    other = careless(build.prepare(recipe, device=device).trainer)
    undo = trainer_module.Undo
    times: list[tuple[float, float]] = []
    for pair in range(WARM_UP + PAIRS):
        if pair % 2:
            looked, not_looked = step(usual, undo=undo), step(other, undo=NoUndo)
        else:
            not_looked, looked = step(other, undo=NoUndo), step(usual, undo=undo)
        if pair >= WARM_UP:
            times.append((looked, not_looked))
    ratio = statistics.median(one / other for one, other in times)
    looked, not_looked = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name} on {device}, {torch.get_num_threads()} threads, {PAIRS} pairs of steps")
    print(f"as it is          {looked:8.2f} ms")
    print(f"without looking   {not_looked:8.2f} ms")
    print(f"ratio             {ratio:8.3f}")


if __name__ == "__main__":
    main()
