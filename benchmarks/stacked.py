"""``python -m benchmarks.stacked``: how many of the 1,000 modes of Stacked MNIST GANs make.

Each method is a recipe, trained with several seeds. Then 26,000 samples are classified, each
channel by ``mnist_classifier``: modes are the triples of digits that occur, and KL is that of
their shares from 1/1000 each, in nats.

Published: Lin et al. 2018, "PacGAN", arXiv:1712.04086, table 3, means of 10 trials of 100,000
steps; and Huang et al. 2024, "R3GAN", arXiv:2501.05441, table 2, with networks of its own. Here
all three methods have the networks of PacGAN's code. It makes both steps of G in a step from the
same latents, scales the pixels to [0, 1], and draws the triples from the 70,000 digits of both
splits and then packs of them; here latents are drawn anew, pixels are in [-1, 1], and the 60,000
training digits are drawn from.

The recipes are sized for a GPU. For a processor, ``--channels 16`` has networks of a quarter of
their width, and ``--steps`` trains a part of the 100,000 steps; the table says so.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.arguments import positive
from benchmarks.tables import markdown, spread
from ganforge import build
from ganforge.device import choose
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate
from ganforge.registry import Registry
from ganforge_metrics.classes import ClassModes

SAMPLES = 26_000
PUBLISHED_STEPS, PUBLISHED_CHANNELS = 100_000, 64

PUBLISHED = {
    "stacked_dcgan": ("78.9", "4.50"),
    "stacked_pacgan": ("1000.0", "0.06"),
    "stacked_r3gan": ("1000", "0.029"),
}
"""Modes and KL divergence by recipe."""

HEAD = ("recipe", "modes", "KL", "published modes", "published KL", "time of a run")


class Trial(NamedTuple):
    """What one training gave.

    Args:
        modes: Of the generator's samples.
        kl: Of their shares from 1/1000 each, in nats.
        floor: Modes and KL of as many real samples of the test split.
        seconds: Time of the training.
    """

    modes: float
    kl: float
    floor: tuple[float, float]
    seconds: float


def trial(name: str, seed: int, asked: argparse.Namespace, registry: Registry) -> Trial:
    """Train a recipe with a seed, and count."""
    overrides = [
        f"seed={seed}",
        f"train.steps={asked.steps}",
        f"generator.channels={asked.channels}",
        f"discriminator.channels={asked.channels}",
        "callbacks=[]",
    ]
    recipe, _ = load(locate(name, registry), registry, overrides)
    prepared = build.prepare(recipe, device=choose(asked.device))
    with tempfile.TemporaryDirectory() as folder:
        run = build.start(prepared, Path(folder), tell=lambda line: None, quiet=True)
        began = time.perf_counter()
        for _ in range(asked.steps):
            run.trainer.step()
        if run.trainer.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        assert run.facts.evaluator is not None
        evaluator = run.facts.evaluator([ClassModes(against="uniform")], SAMPLES)
        found = evaluator.evaluate_run(run, count=SAMPLES, seed=0)
    floor = found.floor["modes"], found.floor["reverse_kl"]
    return Trial(found.values["modes"], found.values["reverse_kl"], floor, seconds)


def row(name: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """A recipe's line of the table."""
    return (
        name,
        spread([one.modes for one in trials]),
        spread([one.kl for one in trials], digits=3),
        *PUBLISHED[name],
        f"{statistics.fmean(one.seconds for one in trials):.0f} s",
    )


def conditions(asked: argparse.Namespace) -> str:
    """How the measured side differs from the published one."""
    share = asked.steps / PUBLISHED_STEPS
    return (
        f"{asked.steps:,} steps a run ({share:.3g} of the published), networks of "
        f"{asked.channels} channels ({asked.channels / PUBLISHED_CHANNELS:.3g} of the published), "
        f"{asked.seeds} runs of each where 10 are published, {SAMPLES:,} samples of each run; "
        f"{torch.get_num_threads()} threads. Mean ± standard error."
    )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stacked")
    parser.add_argument(
        "--steps", type=positive, default=PUBLISHED_STEPS, help="a run; %(default)s"
    )
    parser.add_argument(
        "--channels",
        type=positive,
        default=PUBLISHED_CHANNELS,
        help="of both networks; %(default)s",
    )
    parser.add_argument("--seeds", type=positive, default=3, help="runs a recipe; %(default)s")
    parser.add_argument("--only", nargs="+", choices=list(PUBLISHED), help="recipes; all three")
    parser.add_argument("--device", help="cpu or cuda; the best there is")
    parser.add_argument("--output", type=Path, default=Path("stacked.md"), help="%(default)s")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    asked = arguments(given)
    registry = load_registry()
    note = conditions(asked)
    print(note)
    rows: list[tuple[str, ...]] = []
    for name in asked.only or PUBLISHED:
        trials = []
        for seed in range(asked.seeds):
            trials.append(trial(name, seed, asked, registry))
            modes, kl, floor, seconds = trials[-1]
            told = f"{modes:.0f} modes, KL {kl:.3f}, {seconds:.0f} s"
            print(f"{name} seed {seed}: {told}", flush=True)
        rows.append(row(name, trials))
        real = ("real test digits", f"{floor[0]:.0f}", f"{floor[1]:.3f}", "", "", "")
        # After every recipe, so that a long run that is cut short leaves what it has.
        asked.output.write_text(f"{note}\n\n{markdown(HEAD, [*rows, real])}\n", encoding="utf-8")
    print(f"\n{markdown(HEAD, [*rows, real])}\n\n{asked.output}")


if __name__ == "__main__":
    main()
