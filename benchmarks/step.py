"""``python -m benchmarks step``: what each way of carrying out a step brings, and how near it is
to the machine's peak.

One process, all sides in turn, the same DCGAN: the plain loop, and ganforge's engine with one
thing after the other switched on. Floating-point operations are those that torch counts in
convolutions and products of matrices; the peak is the rate of convolutions alone, of the fastest
of several shapes, measured in between.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import loops, turns
from benchmarks.arguments import positive
from benchmarks.tables import markdown
from ganforge import build
from ganforge.device import choose
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate

WAYS: Mapping[str, Sequence[str]] = {
    "channels first": ["train.memory_format=contiguous"],
    "channels last": [],
    "and fakes reused": ["game.reuse_fakes=true"],
    "and bf16": ["game.reuse_fakes=true", "train.precision=bf16"],
    "and compiled": ["game.reuse_fakes=true", "train.compile=true"],
    "and bf16, CUDA graphs": [
        "game.reuse_fakes=true",
        "train.precision=bf16",
        "train.cuda_graphs=true",
    ],
    "CUDA graphs": ["game.reuse_fakes=true", "train.cuda_graphs=true"],
}
GRAPHS = ("and bf16, CUDA graphs", "CUDA graphs")
"""Those that only a GPU has."""

SLOW = ("and bf16", "and compiled", *GRAPHS)
"""Those that only some machines are faster with: asked for with ``--all``."""

CONVOLUTIONS = (
    (128, 128, 128, 14, 3, 1),
    (128, 64, 128, 14, 4, 2),
    (64, 256, 256, 14, 3, 1),
    (128, 256, 256, 7, 3, 1),
)
"""Batch, channels in and out, side, kernel, stride."""


def engine(task: loops.Task, overrides: Sequence[str]) -> Trainer:
    """The engine's trainer for a task."""
    registry = load_registry()
    given = [*task.overrides(), "train.epochs=null", "train.steps=1000000", *overrides]
    recipe, _ = load(locate("mnist_dcgan", registry), registry, given)
    return build.prepare(recipe, device=choose(None)).trainer


def operations(trainer: Trainer) -> float:
    """Floating-point operations of one step."""
    with FlopCounterMode(display=False) as counter:
        trainer.step()
    return float(counter.get_total_flops())


class Peak:
    """The rate of convolutions alone, of the shape that this machine is fastest at."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._tried = []
        for count, into, out, side, kernel, stride in CONVOLUTIONS:
            layer = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
            layer = layer.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            images = torch.randn(count, into, side, side, device=device, dtype=dtype)
            images = images.to(memory_format=torch.channels_last)
            with torch.no_grad():
                size = 2 * layer(images).numel() * into * kernel**2
            self._tried.append((layer, images, size))
        self._rates: list[list[float]] = [[] for _ in self._tried]

    @property
    def rate(self) -> float:
        """Operations a second, the median over all looks, as of the steps it is compared with."""
        return max(map(statistics.median, self._rates))

    @torch.no_grad()
    def look(self) -> None:
        """Try all shapes some times."""
        for (layer, images, size), rates in zip(self._tried, self._rates, strict=True):
            for _ in range(5):
                turns.synchronize()
                began = time.perf_counter()
                layer(images)
                turns.synchronize()
                rates.append(size / (time.perf_counter() - began))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive, default=8, help="%(default)s")
    parser.add_argument("--steps", type=positive, default=5, help="In a round; %(default)s")
    parser.add_argument("--width", type=positive, default=64, help="Of the networks; %(default)s")
    parser.add_argument("--batch", type=positive, default=128, help="%(default)s")
    parser.add_argument("--size", type=positive, default=28, help="Side of the images; %(default)s")
    parser.add_argument("--all", action="store_true", help="bf16 and torch.compile too")
    parser.add_argument("--json", type=Path, help="Where the numbers are kept")
    asked = parser.parse_args()
    device = choose(None)
    images = loops.mnist(device)
    extra = []
    if asked.size != images.shape[-1]:
        images = torch.nn.functional.interpolate(images[:10_000], size=(asked.size,) * 2)
        extra = [f"dataset={{use: mnist, size: {asked.size}}}"]
    task = loops.Task(images, channels=asked.width, batch_size=asked.batch)
    textbook = replace(task, textbook=True)
    sides: dict[str, Any] = {"plain loop": turns.steps_of(loops.plain(textbook))}
    counted = {}
    for name, overrides in WAYS.items():
        if (name in SLOW and not asked.all) or (name in GRAPHS and device.type != "cuda"):
            continue
        trainer = engine(task, [*extra, *overrides])
        counted[name] = operations(trainer)
        sides[name] = turns.steps_of(trainer.step)
    peak = Peak(device, torch.bfloat16 if device.type == "cuda" and asked.all else torch.float32)
    sides["peak"] = lambda count: peak.look()
    times = turns.in_turn(sides, rounds=asked.rounds, steps=asked.steps)
    del times["peak"]
    rows = []
    for name, seconds in times.items():
        median = statistics.median(seconds)
        rate = counted[name] / median if name in counted else None
        rows.append(
            [
                name,
                f"{1e3 * median:.1f}",
                f"{turns.median_ratio(times['plain loop'], seconds):.2f}",
                f"{rate / 1e9:.0f}" if rate else "",
                f"{rate / peak.rate:.0%}" if rate else "",
            ]
        )
    turns.write(asked.json, {"step": times, "operations": counted, "peak": peak.rate})
    print(
        f"{turns.said()}\nDCGAN of width {asked.width} for {asked.size}x{asked.size} images, "
        f"batches of {asked.batch}; medians of {asked.rounds} rounds of {asked.steps} steps; peak "
        f"{peak.rate / 1e9:.0f} GFLOP/s\n"
    )
    print(markdown(["side", "ms a step", "times faster", "GFLOP/s", "of the peak"], rows))


if __name__ == "__main__":
    main()
