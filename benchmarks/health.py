"""``python -m benchmarks.health``: does the callback ``health`` see what is wrong, and only that?

Eight faults are put into a small DCGAN on MNIST, each with several seeds; the table says which
state was called, and behind which step. Healthy recipes run beside them, and should have none.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.arguments import natural, positive
from ganforge import build
from ganforge.api import Run
from ganforge.engine.data import Batch
from ganforge.errors import GanforgeError
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate

SMALL = ("generator.channels=16", "discriminator.channels=16", "train={steps: 600, batch_size: 64}")
CALLBACKS = "callbacks=[{use: health}, " + ", ".join(
    f"{{use: {name}, enabled: false}}"
    for name in ("progress", "metrics", "sample_grid", "loss_plot", "checkpoint")
) + "]"  # fmt: skip
HEALTHY = ("mnist_dcgan", "mnist_dcgan_classic", "mnist_hinge", "mnist_r1", "mnist_wgan_gp")
NAN_AT = 60


class Fault(NamedTuple):
    """Something wrong.

    Args:
        expected: The states that tell it rightly.
        within: Behind how many steps it should be told.
        inject: Puts it into a run.
        overrides: Of the recipe.
    """

    expected: tuple[str, ...]
    within: int
    inject: Callable[[Run], object] = lambda run: None
    overrides: tuple[str, ...] = ()


def _rate(name: str, factor: float) -> Callable[[Run], None]:
    def inject(run: Run) -> None:
        for group in run.trainer.optimizers[name].param_groups:
            group["lr"] *= factor

    return inject


def _all_rates(run: Run) -> None:
    for name in run.trainer.optimizers:
        _rate(name, 100.0)(run)


def _constant(run: Run) -> None:
    def alike(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output.mean().tanh() * torch.ones_like(output)

    run.trainer.networks["generator"].register_forward_hook(alike)


def _one_class(run: Run) -> None:
    digits = run.facts.examples(20_000)
    assert digits.labels is not None
    ones = digits.samples[digits.labels == 1]

    def one(_module: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        rows = (inputs[0][:, 0].abs() * 1e6).long() % len(ones)
        return 0.05 * output + 0.95 * ones[rows]

    run.trainer.networks["generator"].register_forward_hook(one)


def _nan(run: Run) -> None:
    feed, real = run.trainer.feed, run.trainer.feed.next

    def next_batch() -> Batch:
        batch = real()
        if run.trainer.step_count == NAN_AT:
            return Batch(batch.samples * float("nan"), batch.labels)
        return batch

    feed.next = next_batch  # type: ignore[method-assign]


FAULTS: Mapping[str, Fault] = {
    "learning rates x100": Fault(("diverging",), 100, _all_rates),
    "discriminator's rate x50": Fault(("diverging",), 100, _rate("discriminator", 50.0)),
    "generator frozen": Fault(("generator vanishing",), 100, _rate("generator", 0.0)),
    "discriminator frozen": Fault(("discriminator vanishing",), 100, _rate("discriminator", 0.0)),
    "constant output": Fault(("mode collapse",), 200, _constant),
    "one class only": Fault(("mode collapse",), 400, _one_class),
    "NaN in a batch": Fault(("non-finite",), NAN_AT + 1, _nan),
    # With batch norm it explodes; without, it makes the discriminator flat, and the state is
    # that this one vanishes.
    "exploding penalty": Fault(
        ("diverging",),
        100,
        overrides=("discriminator.norm=batch", "regularizers=[{use: r1, weight: 1000000.0}]"),
    ),
    "crushing penalty": Fault(
        ("discriminator vanishing",),
        200,
        overrides=("regularizers=[{use: r1, weight: 1000000.0}]",),
    ),
}


def trial(recipe: str, fault: str | None, seed: int, folder: str) -> list[dict[str, Any]]:
    """The changes of health of one run."""
    torch.set_num_threads(1)
    registry = load_registry()
    overrides = [f"seed={seed}", CALLBACKS]
    if fault is not None:
        overrides += [*SMALL, *FAULTS[fault].overrides]
    elif recipe != "mnist_wgan_gp":
        overrides.append("train.epochs=1")
    found, _ = load(locate(recipe, registry), registry, overrides)
    prepared = build.prepare(found, device=torch.device("cpu"))
    run = build.start(prepared, Path(folder), tell=lambda line: None, quiet=True)
    health: Any = run.callbacks["health"]
    if fault is not None:
        FAULTS[fault].inject(run)
        health.policy = dict.fromkeys(FAULTS[fault].expected, "stop")
    try:
        run.play()
    except GanforgeError:
        if fault != "NaN in a batch":
            raise
    changes: list[dict[str, Any]] = health.changes
    return changes


def told(changes: Sequence[Mapping[str, Any]]) -> str:
    """``mode collapse at 350``, one after the other."""
    wrong = [f"{c['health']} at {c['step']}" for c in changes if c["health"] != "ok"]
    return ", ".join(wrong) or "ok"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=positive, default=3, help="Of each fault.")
    parser.add_argument("--healthy", type=natural, default=5, help="Seeds of each healthy recipe.")
    parser.add_argument("--jobs", type=positive, default=2)
    parser.add_argument("--json", type=Path, help="Where all changes of health are written.")
    options = parser.parse_args()
    jobs = [("mnist_dcgan_classic", name, seed) for name in FAULTS for seed in range(options.seeds)]
    jobs += [(name, None, seed) for name in HEALTHY for seed in range(options.healthy)]
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool,
    ):
        futures = {}
        for number, job in enumerate(jobs):
            place = Path(folder) / str(number)
            place.mkdir()
            futures[job] = pool.submit(trial, *job, str(place))
        results = {}
        for job, future in futures.items():
            results[job] = future.result()
            print(f"{job[1] or job[0]}, seed {job[2]}: {told(results[job])}", flush=True)
    print(_table(results, options.seeds, options.healthy))
    if options.json:
        options.json.write_text(json.dumps([[*job, changes] for job, changes in results.items()]))


def _table(results: Mapping[tuple[str, str | None, int], Any], seeds: int, healthy: int) -> str:
    """A Markdown table of both parts."""
    lines = ["", "| fault | called | behind step | in time |", "| --- | --- | --- | --- |"]
    for name, fault in FAULTS.items():
        first = []
        for seed in range(seeds):
            changes = results["mnist_dcgan_classic", name, seed]
            first.append(next((c for c in changes if c["health"] != "ok"), None))
        states = dict.fromkeys(c["health"] if c else "ok" for c in first)
        steps = ", ".join(str(c["step"]) if c else "-" for c in first)
        right = [c for c in first if c and c["health"] in fault.expected]
        timely = sum(c["step"] <= fault.within for c in right)
        score = f"{timely} of {seeds} within {fault.within}"
        lines.append(f"| {name} | {', '.join(states)} | {steps} | {score} |")
    lines += ["", "| healthy recipe | false alarms |", "| --- | --- |"]
    for name in HEALTHY:
        alarms = [told(results[name, None, seed]) for seed in range(healthy)]
        wrong = [alarm for alarm in alarms if alarm != "ok"]
        lines.append(f"| `{name}` | {'; '.join(wrong) or f'none of {healthy}'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
