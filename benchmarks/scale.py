"""``python -m benchmarks scale``: does the cost stay what it is as everything grows?

- Over many steps: the time of a step and the process's memory, thousand by thousand.
- With the batch and the width: the time of a step against what doubles.
- With the data: images in shards on the disk, more than anybody keeps in memory, and how long a
  step waits for its batch.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import loops, turns
from benchmarks.arguments import natural, positive
from benchmarks.overhead import a_run
from benchmarks.step import engine
from benchmarks.tables import markdown
from ganforge.api import Callback, Run, Values
from ganforge.device import choose

SHARD = 10_000
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident() -> float:
    """Megabytes that this process has in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


class Watch(Callback):
    """Remembers the time of a step and the memory, block by block."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.rows: list[tuple[int, float, float]] = []

    def on_start(self, run: Run) -> None:
        self._mark = time.perf_counter()

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step % self.block:
            return
        turns.synchronize()
        seconds = (time.perf_counter() - self._mark) / self.block
        gc.collect()
        self.rows.append((run.clock.step, 1e3 * seconds, resident()))
        self._mark = time.perf_counter()


def long_run(steps: int, folder: Path) -> list[tuple[int, float, float]]:
    """A whole run of a tiny DCGAN with its default callbacks: step, its milliseconds, megabytes."""
    task = loops.Task(loops.mnist(choose(None)), channels=2, batch_size=8)
    run = a_run(task, folder, steps=steps, reuse_fakes=False)
    watch = Watch(steps // 10)
    run.callbacks["watch"] = watch
    run.play()
    return watch.rows


def growth(rounds: int) -> list[tuple[str, float, float]]:
    """As the batch doubles, and as the width does: a step's milliseconds, a sample's µs."""
    images = loops.mnist(choose(None))
    grown = {
        f"width {width}, batch {batch}": loops.Task(images, channels=width, batch_size=batch)
        for width, batch in [(32, 32), (32, 64), (32, 128), (32, 256), (16, 128), (64, 128)]
    }
    sides = {name: turns.steps_of(engine(task, []).step) for name, task in grown.items()}
    found = turns.in_turn(sides, rounds=rounds, steps=3)
    medians = {name: statistics.median(times) for name, times in found.items()}
    return [
        (name, 1e3 * median, 1e6 * median / grown[name].batch_size)
        for name, median in medians.items()
    ]


def write_shards(folder: Path, count: int, channels: int) -> float:
    """Generated 64x64 images in files, and out of the system's memory again. Gigabytes."""
    random = np.random.default_rng(0)
    size = 0
    for number in range(count // SHARD):
        images = random.integers(0, 256, (SHARD, channels, 64, 64), dtype=np.uint8)
        path = folder / f"images-{number:05d}.npy"
        np.save(path, images)
        with path.open("rb") as file:
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        size += path.stat().st_size
    return size / 1e9


def streaming(folder: Path, *, channels: int, workers: int, steps: int) -> tuple[int, float, float]:
    """Workers, milliseconds of a step, and how many of them it waits for its batch."""
    images = np.zeros((1, channels, 64, 64), np.uint8)
    task = loops.Task(torch.from_numpy(images), channels=32, batch_size=64)
    data = f"dataset={{use: shards, root: {folder}}}"
    trainer = engine(task, [data, f"train.workers={workers}"])
    waits: list[float] = []
    usual = trainer.feed.next

    def timed() -> object:
        began = time.perf_counter()
        batch = usual()
        waits.append(time.perf_counter() - began)
        return batch

    trainer.feed.next = timed  # type: ignore[method-assign, assignment]
    for _ in range(5):
        trainer.step()
    waits.clear()
    began = time.perf_counter()
    for _ in range(steps):
        trainer.step()
    taken = time.perf_counter() - began
    trainer.feed.close()
    return workers, 1e3 * taken / steps, 1e3 * sum(waits) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="Of: steps, growth, data; all if not given")
    parser.add_argument("--steps", type=positive, default=20_000, help="%(default)s")
    parser.add_argument("--images", type=positive, default=1_000_000, help="%(default)s")
    parser.add_argument("--channels", type=positive, default=3, help="Of the images; %(default)s")
    parser.add_argument("--workers", type=natural, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="Where the numbers are kept")
    parser.add_argument("--folder", type=Path, help="Where the shards go, and are deleted again")
    asked = parser.parse_args()
    parts: Sequence[str] = asked.parts or ("steps", "growth", "data")
    print(turns.said())
    found: dict[str, Any] = {}
    home = Path(tempfile.mkdtemp(dir=asked.folder))
    try:
        if "steps" in parts:
            found["steps"] = rows = long_run(asked.steps, home / "run")
            print(f"\n{asked.steps:,} steps of a DCGAN of width 2, batches of 8\n")
            cells = [[f"{step:,}", f"{ms:.2f}", f"{mb:.1f}"] for step, ms, mb in rows]
            print(markdown(["step", "ms a step", "MB"], cells))
        if "growth" in parts:
            found["growth"] = grown = growth(5)
            print("\nDCGAN on 28x28 images\n")
            cells = [[name, f"{ms:.1f}", f"{each:.0f}"] for name, ms, each in grown]
            print(markdown(["networks", "ms a step", "µs a sample"], cells))
        if "data" in parts:
            size = write_shards(home, asked.images, asked.channels)
            print(f"\n{asked.images:,} images of 64x64 in shards, {size:.1f} GB; batches of 64\n")
            found["data"] = streamed = [
                streaming(home, channels=asked.channels, workers=workers, steps=60)
                for workers in asked.workers
            ]
            cells = [
                [str(workers), f"{ms:.1f}", f"{waited:.2f}", f"{waited / ms:.2%}"]
                for workers, ms, waited in streamed
            ]
            print(markdown(["workers", "ms a step", "ms waited", "share"], cells))
    finally:
        shutil.rmtree(home)
    turns.write(asked.json, found)


if __name__ == "__main__":
    main()
