"""``python -m benchmarks quality``: how good samples are after some time of training on a CPU.

Each side trains with three seeds; after so many seconds of a core's own time its Fréchet
distance is measured (10,000 samples against the 60,000 training images, by
``mnist_classifier``), and 64 samples are drawn. Evaluations are no part of the time. The hand-
written loop is the best of thirteen settings that were tried of it: networks of width 32,
batches of 64, Adam with a rate of 1e-3.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import loops, turns
from benchmarks.arguments import positive
from benchmarks.tables import markdown
from ganforge import build
from ganforge.engine.latent import Latent
from ganforge.evaluation.evaluator import Evaluator
from ganforge.evaluation.sources import Made
from ganforge.measuring import make_evaluator
from ganforge.pictures import grid, save_png
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate
from ganforge_metrics.frechet import FrechetDistance
from ganforge_mnist.dataset import MNIST

SAMPLES, REFERENCES = 10_000, 60_000
BY_HAND = "by hand"
OFF = ("progress", "metrics", "sample_grid", "loss_plot", "checkpoint", "health")


class Trial(NamedTuple):
    """One side with one seed."""

    side: str
    overrides: Sequence[str]
    seed: int
    seconds: Sequence[float]
    threads: int
    pictures: Path | None


class Result(NamedTuple):
    """What it reached: seconds, distance, steps."""

    side: str
    seed: int
    found: Sequence[tuple[float, float, int]]


class Training(NamedTuple):
    """What takes steps, and what makes samples."""

    step: Callable[[], object]
    sampler: Callable[[], nn.Module]
    latent: Latent


def by_hand(seed: int) -> Training:
    """The best of the settings that were tried of the hand-written loop."""
    torch.manual_seed(seed)
    task = loops.Task(loops.mnist(), channels=32, batch_size=64, lr=1e-3, seed=seed)
    step, generator = loops.best_with_generator(task)
    return Training(step, lambda: generator, Latent(task.latent_dim))


def of_recipe(name: str, overrides: Sequence[str], seed: int, threads: int) -> Training:
    """ganforge's engine with a recipe; samples are of the averaged weights, if it has them."""
    registry = load_registry()
    quiet = ", ".join(f"{{use: {each}, enabled: false}}" for each in OFF)
    given = [f"seed={seed}", f"train.threads={threads}", f"callbacks=[{quiet}]"]
    given += ["train.epochs=1000", *overrides]
    recipe, _ = load(locate(name, registry), registry, given)
    prepared = build.prepare(recipe, device=torch.device("cpu"))
    folder = Path(tempfile.mkdtemp())
    run = build.start(prepared, folder, tell=lambda line: None, quiet=True)
    sampler = run.trainer.game.sampler
    return Training(run.trainer.step, lambda: run.network_for_sampling(sampler), run.trainer.latent)


def evaluator(dataset: MNIST) -> Evaluator:
    """Measures by the classifier that ships."""
    return make_evaluator(
        metrics=[FrechetDistance()],
        dataset=dataset,
        data={"use": "mnist"},
        registry=load_registry(),
        device=torch.device("cpu"),
        tell=lambda line: None,
        references=REFERENCES,
    )


def trial(wanted: Trial) -> Result:
    """Train one side, and measure it after each of the times."""
    torch.set_num_threads(wanted.threads)
    clock = time.process_time if wanted.threads == 1 else time.perf_counter
    if wanted.side == BY_HAND:
        training = by_hand(wanted.seed)
    else:
        training = of_recipe(wanted.side.split()[0], wanted.overrides, wanted.seed, wanted.threads)
    dataset = MNIST()
    measure = evaluator(dataset)
    found, spent, steps = [], 0.0, 0
    for limit in wanted.seconds:
        while spent < limit:
            began = clock()
            training.step()
            spent, steps = spent + clock() - began, steps + 1
        made = Made(
            network=training.sampler(),
            latent=training.latent,
            dataset=dataset,
            samples_of="latents",
            count=SAMPLES,
            seed=0,
            device=torch.device("cpu"),
        )
        distance = measure.evaluate(made, {}, floor=False).values["frechet_distance"]
        found.append((limit, distance, steps))
        if wanted.pictures is not None:
            name = f"{wanted.side.replace(' ', '_')}_{wanted.seed}_{limit:.0f}s.png"
            save_png(_picture(training), wanted.pictures / name)
    return Result(wanted.side, wanted.seed, found)


@torch.no_grad()
def _picture(training: Training) -> Any:
    network = training.sampler()
    latents = training.latent.sample(64, torch.Generator().manual_seed(0))
    was_training = network.training
    samples: Tensor = network.eval()(latents)
    network.train(was_training)
    return grid(samples, columns=8)


def table(results: Sequence[Result]) -> str:
    """A Markdown table: the mean of each side after each time, every seed's, and its steps."""
    rows = []
    for side, group in itertools.groupby(results, key=lambda result: result.side):
        seeds = list(group)
        cells = []
        for column in zip(*(result.found for result in seeds), strict=True):
            each = [distance for _, distance, _ in column]
            cells.append(
                f"{statistics.fmean(each):.1f} ({', '.join(f'{one:.1f}' for one in each)})"
            )
        steps = statistics.fmean(result.found[-1][2] for result in seeds)
        rows.append([side, *cells, f"{steps:,.0f}"])
    heads = [f"distance at {limit:.0f} s" for limit, _, _ in results[0].found]
    return markdown(["side", *heads, "steps"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sides", nargs="*", help="Recipes, with overrides behind them in quotes")
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0, 300.0])
    parser.add_argument("--seeds", type=positive, default=3, help="%(default)s")
    parser.add_argument("--jobs", type=positive, default=2, help="At a time; %(default)s")
    parser.add_argument("--threads", type=positive, default=1, help="Of each job; %(default)s")
    parser.add_argument("--pictures", type=Path, help="Folder for 64 samples of each")
    parser.add_argument("--json", type=Path, help="Where the numbers are kept")
    asked = parser.parse_args()
    if asked.pictures:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    sides: Mapping[str, Sequence[str]] = {BY_HAND: [], **{s: s.split()[1:] for s in asked.sides}}
    trials = [
        Trial(side, overrides, seed, asked.seconds, asked.threads, asked.pictures)
        for side, overrides in sides.items()
        for seed in range(asked.seeds)
    ]
    results = []
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        for result in pool.map(trial, trials):
            results.append(result)
            print(*result, flush=True)
    turns.write(asked.json, {"quality": [result._asdict() for result in results]})
    print(f"\n{turns.said()}\n{asked.jobs} at a time, {asked.threads} threads each\n")
    print(table(results))


if __name__ == "__main__":
    main()
