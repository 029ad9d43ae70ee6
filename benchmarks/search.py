"""``python -m benchmarks.search``: settings of ``mnist_dcgan``, by distance reached in some time.

Each setting trains for so many seconds, of which evaluations are no part, and its Fréchet distance
is measured on the way: 10,000 samples of the averaged weights against the 60,000 training images,
by ``mnist_classifier``. The recipe as it is comes first; the others are drawn from ``CHOICES``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ganforge import build
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate
from ganforge_metrics.frechet import FrechetDistance

SAMPLES, REFERENCES = 10_000, 60_000
SECONDS = (60.0, 300.0)

CHOICES: Mapping[str, Sequence[Any]] = {
    "generator.channels": (16, 24, 32, 48),
    "discriminator.channels": (16, 24, 32, 48),
    "discriminator.norm": ("batch", "none"),
    "train.batch_size": (32, 64, 128),
    "optimizer.generator.lr": (5e-4, 1e-3, 2e-3, 4e-3),
    "optimizer.discriminator.lr": (5e-4, 1e-3, 2e-3, 4e-3),
    "optimizer.generator.betas": ([0.0, 0.99], [0.5, 0.99]),
    "ema.decay": (0.99, 0.995, 0.998, 0.999),
}
Setting = dict[str, Any]


class Result(NamedTuple):
    """What a setting reached.

    Args:
        setting: What differs from the recipe.
        seed: Of the run.
        found: Distance and steps, after each of the seconds.
    """

    setting: Setting
    seed: int
    found: list[tuple[float, float, int]]


def trial(setting: Setting, seed: int, seconds: Sequence[float], threads: int) -> Result:
    """Train a setting, and measure it after each of the seconds of training."""
    torch.set_num_threads(threads)
    registry = load_registry()
    overrides = [f"{path}={json.dumps(value)}" for path, value in setting.items()]
    off = ("progress", "metrics", "sample_grid", "loss_plot", "checkpoint", "health")
    quiet = ", ".join(f"{{use: {name}, enabled: false}}" for name in off)
    overrides += [f"seed={seed}", "train.epochs=1000", f"callbacks=[{quiet}]"]
    recipe, _ = load(locate("mnist_dcgan", registry), registry, overrides)
    prepared = build.prepare(recipe, device=torch.device("cpu"))
    found, spent = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        run = build.start(prepared, Path(folder), tell=lambda line: None, quiet=True)
        assert run.facts.evaluator is not None
        evaluator = run.facts.evaluator([FrechetDistance()], REFERENCES)
        for limit in seconds:
            while spent < limit:
                began = time.perf_counter()
                run.trainer.step()
                spent += time.perf_counter() - began
            measured = evaluator.evaluate_run(run, count=SAMPLES, seed=0, floor=False)
            found.append((limit, measured.values["frechet_distance"], run.clock.step))
    return Result(setting, seed, found)


def settings(count: int) -> list[Setting]:
    """The recipe as it is, and so many others drawn at random, always the same ones."""
    drawn = random.Random(0)  # no secret
    others = [
        {name: drawn.choice(values) for name, values in CHOICES.items()} for _ in range(count)
    ]
    return [{}, *others]


def table(results: Sequence[Result], seconds: Sequence[float]) -> str:
    """A Markdown table, best first by the last distance."""
    head = [f"distance at {limit:.0f} s" for limit in seconds] + ["steps", "seed", "setting"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for result in sorted(results, key=lambda one: one.found[-1][1]):
        cells = [f"{distance:.2f}" for _, distance, _ in result.found]
        told = ", ".join(f"{path}={value}" for path, value in result.setting.items())
        cells += [f"{result.found[-1][2]:,}", str(result.seed), told or "the recipe as it is"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=list(SECONDS))
    parser.add_argument("--count", type=int, default=24, help="Settings drawn; %(default)s")
    parser.add_argument("--seeds", type=int, default=1, help="Of each setting; %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="At a time; %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="Of each job; %(default)s")
    asked = parser.parse_args()
    jobs = list(itertools.product(settings(asked.count), range(asked.seeds)))
    results: list[Result] = []
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(trial, setting, seed, asked.seconds, asked.threads)
            for setting, seed in jobs
        ]
        for future in futures:
            results.append(future.result())
            print(table(results[-1:], asked.seconds).splitlines()[-1], flush=True)
    print(
        f"\n{asked.jobs} at a time, {asked.threads} threads each\n\n{table(results, asked.seconds)}"
    )


if __name__ == "__main__":
    main()
