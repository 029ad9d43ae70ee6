"""``python -m benchmarks overhead``: a whole run, callbacks and all, against the best loop by
hand.

One process: ``ganforge run`` trains with its default callbacks, and after every few steps one
more callback lets the hand-written loop take as many. Both do the same mathematics with the same
networks, and freed memory is kept for both. A round is as many of such turns as hold everything
that callbacks do now and then, a look at the run's health and fifty rows written. What happens
once an epoch (samples, a checkpoint, the plot) is told apart, and added as its share of an epoch.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks import loops, turns
from benchmarks.arguments import positive
from benchmarks.tables import markdown
from ganforge import build
from ganforge.api import Run
from ganforge.device import choose
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate

EPOCH = 60_000


def a_run(task: loops.Task, folder: Path, *, steps: int, reuse_fakes: bool) -> Run:
    """What ``ganforge run`` plays, with its default callbacks."""
    registry = load_registry()
    overrides = [
        *task.overrides(),
        f"game.reuse_fakes={str(reuse_fakes).lower()}",
        "train.epochs=null",
        f"train.steps={steps}",
    ]
    recipe, _ = load(locate("mnist_dcgan", registry), registry, overrides)
    folder.mkdir()
    prepared = build.prepare(recipe, device=choose(None))
    return build.start(prepared, folder, tell=lambda line: None)


def measure(
    task: loops.Task, *, reuse_fakes: bool, turn: int, turns_a_round: int, rounds: int, folder: Path
) -> dict[str, Any]:
    """Both sides' seconds a step, and what an epoch's end costs beside.

    Args:
        task: What both do.
        reuse_fakes: One pass of the generator for both phases.
        turn: Steps that each side takes in turn; few, as the machine's speed changes.
        turns_a_round: Turns whose mean is one measurement.
        rounds: Measurements.
        folder: Where the run's files go.
    """
    steps = turn * turns_a_round * (rounds + 1)
    run = a_run(task, folder, steps=steps, reuse_fakes=reuse_fakes)
    other = loops.best(
        task, reuse_fakes=reuse_fakes, channels_last=run.trainer.device.type == "cpu"
    )
    watch = turns.Turns({"by hand": turns.steps_of(other)}, turn)
    run.callbacks["turns"] = watch
    run.play()
    ours, theirs = (
        [statistics.mean(each) for each in batched(times, turns_a_round)][1:]  # at first it is slow
        for times in (watch.ours, watch.theirs["by hand"])
    )
    over = statistics.median(one - two for one, two in zip(ours, theirs, strict=True))
    step = statistics.median(theirs)
    epoch = _epochs_end(run)
    share = epoch / (EPOCH // task.batch_size)
    return {
        "channels": task.channels,
        "batch_size": task.batch_size,
        "reuse_fakes": reuse_fakes,
        "by_hand_ms": 1e3 * step,
        "ganforge_ms": 1e3 * statistics.median(ours),
        "step_overhead_ms": 1e3 * over,
        "epoch_end_ms": 1e3 * epoch,
        "overhead_ms": 1e3 * (over + share),
        "overhead_share": (over + share) / step,
        "rounds": len(ours),
    }


def batched(times: Sequence[float], count: int) -> Iterator[Sequence[float]]:
    """So many in a row at a time."""
    return (times[first : first + count] for first in range(0, len(times), count))


def _epochs_end(run: Run) -> float:
    """Seconds of what default callbacks do at the end of an epoch: samples, plot, checkpoint."""
    found = []
    for _ in range(5):
        began = time.perf_counter()
        run._saver.saved_step = None
        run.save()
        for callback in run.callbacks.values():
            draw = getattr(callback, "_draw", None)
            if draw is not None:
                draw(run)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive, default=10, help="Of 50 steps; %(default)s")
    parser.add_argument("--json", type=Path, help="Where the numbers are kept")
    asked = parser.parse_args()
    images = loops.mnist(choose(None))
    large = loops.Task(images)
    tiny = loops.Task(images, channels=2, batch_size=8)
    rows = []
    with tempfile.TemporaryDirectory() as home:
        for number, (task, reuse) in enumerate(product((large, tiny), (False, True))):
            turn, count = (2, 25) if task is large else (50, 4)
            rows.append(
                measure(
                    task,
                    reuse_fakes=reuse,
                    turn=turn,
                    turns_a_round=count,
                    rounds=asked.rounds if task is large else 2 * asked.rounds,
                    folder=Path(home, str(number)),
                )
            )
    turns.write(asked.json, {"overhead": rows})
    print(
        f"{turns.said()}\nmedians of {asked.rounds} rounds, of tiny networks twice as many; "
        "milliseconds a step\n"
    )
    print(table(rows))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """All measurements, as Markdown."""
    head = (
        "width",
        "batch",
        "fakes",
        "by hand",
        "ganforge",
        "more a step",
        "an epoch's end",
        "more in all",
    )
    lines = [
        [
            str(row["channels"]),
            str(row["batch_size"]),
            "reused" if row["reuse_fakes"] else "fresh",
            f"{row['by_hand_ms']:.2f}",
            f"{row['ganforge_ms']:.2f}",
            f"{row['step_overhead_ms']:+.3f}",
            f"{row['epoch_end_ms']:.0f}",
            f"{row['overhead_ms']:+.3f} ms = {row['overhead_share']:+.2%}",
        ]
        for row in rows
    ]
    return markdown(head, lines)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
