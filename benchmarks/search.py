"""``python -m benchmarks.search``: settings of ``mnist_dcgan``, by distance reached in some
time.

Each setting trains for so many seconds, of which evaluations are no part, and its Fréchet
distance is measured on the way: 10,000 samples of the averaged weights against the 60,000
training images, by ``mnist_classifier``. The recipe as it is comes first. With ``--count``
settings drawn from ``CHOICES`` follow, with ``--alone`` every choice alone, and those that are
given, each as overrides in quotes: ``python -m benchmarks.search "train.batch_size=32
ema.decay=0.999"``.

With one thread the seconds are those of the processor, so that jobs side by side can be
compared; with more they are those of the clock.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import yaml

from benchmarks.arguments import natural, positive
from benchmarks.quality import Trial, trial
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate

SECONDS = (60.0, 300.0)

CHOICES: Mapping[str, Sequence[Any]] = {
    "latent.dim": (32, 100),
    "generator.channels": (32, 48, 64),
    "discriminator.channels": (32, 48, 64),
    "generator.depth": (2, 3, 4),
    "discriminator.depth": (1, 2),
    "loss.use": ("non_saturating", "hinge", "relativistic_average"),
    "train.batch_size": (16, 32, 64),
    "optimizer.generator.lr": (1e-3, 2e-3, 4e-3),
    "optimizer.discriminator.lr": (1e-3, 2e-3, 4e-3),
    "optimizer.generator.betas": ([0.0, 0.99], [0.5, 0.99]),
    "optimizer.discriminator.betas": ([0.0, 0.99], [0.5, 0.99]),
    "ema.decay": (0.995, 0.998, 0.999),
}
RECIPE = "mnist_dcgan"
Setting = tuple[str, ...]
"""Overrides, as on the command line."""


class Result(NamedTuple):
    """What a setting reached.

    Args:
        setting: What differs from the recipe.
        seed: Of the run.
        found: Seconds, distance and steps, after each of the seconds.
    """

    setting: Setting
    seed: int
    found: Sequence[tuple[float, float, int]]


def tried(setting: Setting, seed: int, seconds: Sequence[float], threads: int) -> Result:
    """Train a setting, and measure it after each of the seconds of training."""
    found = trial(Trial(RECIPE, setting, seed, seconds, threads, None)).found
    return Result(setting, seed, found)


def written(path: str, value: Any) -> str:
    """The override that sets an option."""
    return f"{path}={json.dumps(value)}"


def alone() -> list[Setting]:
    """Each choice that is not the recipe's own, alone."""
    raw = yaml.safe_load(locate(RECIPE, load_registry()).read_text(encoding="utf-8"))

    def own(path: str) -> Any:
        value = raw
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return [
        (written(path, value),)
        for path, values in CHOICES.items()
        for value in values
        if value != own(path)
    ]


def drawn(count: int) -> list[Setting]:
    """So many settings drawn at random, always the same ones."""
    source = random.Random(0)  # no secret
    return [
        tuple(written(path, source.choice(values)) for path, values in CHOICES.items())
        for _ in range(count)
    ]


def table(results: Sequence[Result], seconds: Sequence[float]) -> str:
    """A Markdown table, best first by the last distance."""
    head = [f"distance at {limit:.0f} s" for limit in seconds] + ["steps", "seed", "setting"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for result in sorted(results, key=lambda one: one.found[-1][1]):
        cells = [f"{distance:.2f}" for _, distance, _ in result.found]
        told = " ".join(result.setting) or "the recipe as it is"
        cells += [f"{result.found[-1][2]:,}", str(result.seed), told]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("settings", nargs="*", help="Overrides of each, in quotes")
    parser.add_argument("--seconds", type=float, nargs="+", default=list(SECONDS))
    parser.add_argument("--count", type=natural, default=0, help="Settings drawn; %(default)s")
    parser.add_argument("--alone", action="store_true", help="Every choice alone")
    parser.add_argument("--seeds", type=positive, default=1, help="Of each setting; %(default)s")
    parser.add_argument("--jobs", type=positive, default=1, help="At a time; %(default)s")
    parser.add_argument("--threads", type=positive, default=2, help="Of each job; %(default)s")
    asked = parser.parse_args()
    settings: list[Setting] = [(), *(tuple(given.split()) for given in asked.settings)]
    settings += alone() if asked.alone else []
    registry = load_registry()
    for setting in settings:  # a mistake is told before any of them is trained
        load(locate(RECIPE, registry), registry, setting)
    jobs = list(itertools.product([*settings, *drawn(asked.count)], range(asked.seeds)))
    results: list[Result] = []
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(tried, setting, seed, asked.seconds, asked.threads)
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
