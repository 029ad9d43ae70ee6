"""``python -m benchmarks.modes``: how many modes of a mixture GANs find, beside what is
published.

Each method is a recipe, ``ring_gan`` to ``grid_r3gan``, trained with several seeds. Then 2,500
samples are counted as the paper counts them: a mode is found if a sample is nearer to it than
three standard deviations, and such a sample is of high quality.

Published: Lin et al. 2018, "PacGAN", arXiv:1712.04086, table 1, means and standard errors of 10
trials. Its protocol, by the authors' code: 400 epochs of 1,000 batches of 100 packs, Adam with a
rate of 1e-4 and a beta1 of 0.8, no average of the weights. Two things differ beside the length.
The code updates both networks at once, from the same fakes; here they take turns, each with
fresh ones. And it draws its packs beforehand, with replacement.

R3GAN's loss (Huang et al. 2024, arXiv:2501.05441) has the same networks and rate, but no
momentum (a beta1 of 0), and its samples are those of averaged weights, as R3GAN has them too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.arguments import positive
from benchmarks.tables import markdown, spread
from ganforge import build
from ganforge.device import choose
from ganforge.engine.evaluating import evaluating
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate
from ganforge.registry import Registry
from ganforge_mixture.dataset import Mixture, modes

SAMPLES = 2500
PUBLISHED_STEPS = 400_000
STEPS = 20_000
SEEDS = 3

PUBLISHED = {
    "ring_gan": ("6.3 ± 0.5", "98.2 ± 0.2 %"),
    "ring_pacgan": ("7.9 ± 0.1", "95.6 ± 2.0 %"),
    "ring_r3gan": ("", ""),
    "grid_gan": ("17.3 ± 0.8", "94.8 ± 0.7 %"),
    "grid_pacgan": ("23.8 ± 0.7", "91.3 ± 0.8 %"),
    "grid_r3gan": ("", ""),
}
"""Modes and high-quality share by recipe; none are known of R3GAN's loss on these mixtures."""

HEAD = ("recipe", "modes", "high quality", "published modes", "published quality", "time of a run")


class Trial(NamedTuple):
    """What one training gave.

    Args:
        modes: Modes found.
        share: Share of samples of high quality, 0 to 1.
        seconds: Time of the training.
    """

    modes: int
    share: float
    seconds: float


def trial(name: str, seed: int, steps: int, registry: Registry, device: torch.device) -> Trial:
    """Train a recipe with a seed for so many steps, and count."""
    overrides = [f"seed={seed}", f"train.steps={steps}"]
    recipe, _ = load(locate(name, registry), registry, overrides)
    prepared = build.prepare(recipe, device=device)
    trainer, mixture = prepared.trainer, prepared.dataset
    assert isinstance(mixture, Mixture)  # the recipes say so
    began = time.perf_counter()
    for _ in range(steps):
        trainer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    average = trainer.averages.get("generator")  # where the recipe keeps one, as pictures show it
    network = trainer.networks["generator"] if average is None else average.network
    latents = trainer.latent.sample(SAMPLES, trainer.streams.generator("modes"))
    with evaluating(network), torch.no_grad():
        samples = network(latents.to(device))
    return Trial(*modes(samples, mixture.centers, mixture.std), seconds)


def row(name: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """A recipe's line of the table."""
    return (
        name,
        spread([one.modes for one in trials]),
        spread([100 * one.share for one in trials], " %"),
        *PUBLISHED[name],
        f"{statistics.fmean(one.seconds for one in trials):.0f} s",
    )


def conditions(steps: int, seeds: int, device: torch.device) -> str:
    """How the measured side differs from the published one."""
    length = (
        "as published"
        if steps == PUBLISHED_STEPS
        else f"{steps / PUBLISHED_STEPS:.2%} of the published {PUBLISHED_STEPS:,}"
    )
    return (
        f"{steps:,} steps a run ({length}), {seeds} runs of each where 10 are published, "
        f"{SAMPLES:,} samples of each run; on {device}, {torch.get_num_threads()} threads. "
        "Mean ± standard error."
    )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes")
    parser.add_argument("--steps", type=positive, default=STEPS, help="of each run; %(default)s")
    parser.add_argument("--seeds", type=positive, default=SEEDS, help="runs a recipe; %(default)s")
    parser.add_argument("--only", nargs="+", choices=list(PUBLISHED), help="recipes; all six")
    parser.add_argument("--device", help="cpu or cuda; the best there is")
    parser.add_argument("--output", type=Path, default=Path("modes.md"), help="%(default)s")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    asked = arguments(given)
    registry, device = load_registry(), choose(asked.device)
    note = conditions(asked.steps, asked.seeds, device)
    print(note)
    rows = []
    for name in asked.only or PUBLISHED:
        trials = []
        for seed in range(asked.seeds):
            trials.append(trial(name, seed, asked.steps, registry, device))
            found, share, seconds = trials[-1]
            print(f"{name} seed {seed}: {found} modes, {share:.1%}, {seconds:.0f} s", flush=True)
        rows.append(row(name, trials))
        # After every recipe, so that a long run that is cut short leaves what it has.
        asked.output.write_text(f"{note}\n\n{markdown(HEAD, rows)}\n", encoding="utf-8")
    print(f"\n{markdown(HEAD, rows)}\n\n{asked.output}")


if __name__ == "__main__":
    main()
