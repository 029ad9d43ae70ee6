"""The plot of several runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ganforge.comparing import Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKS = "osD^vPX"
POINTS = 400


def plot(runs: Sequence[Told], names: Sequence[str], metric: str | None) -> bytes:
    """A PNG: a metric over the steps and over the time, or the losses where there is none.

    Args:
        runs: The runs, best first.
        names: What they are called.
        metric: Of their evaluations, or None.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=metric is not None)
    if metric is None:
        _losses(left, right, runs, names)
    else:
        _metric(left, right, runs, names, metric)
    for axes in (left, right):
        axes.grid(alpha=0.25)
    left.legend(loc="best", fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _metric(
    left: Axes, right: Axes, runs: Sequence[Told], names: Sequence[str], metric: str
) -> None:
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        points, best = run.series.get(metric, ()), run.best(metric)
        if not points or best is None:
            continue
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        values = [point.value for point in points]
        label = f"{name}: {best.value:.4g}"
        for axes, across, at in (
            (left, [point.step for point in points], best.step),
            (right, [point.seconds / 60 for point in points], best.seconds / 60),
        ):
            axes.plot(across, values, color=colour, marker=mark, markersize=4, label=label)
            axes.plot([at], [best.value], "*", color=colour, markersize=15)
    values = [point.value for run in runs for point in run.series.get(metric, ())]
    if min(values) > 0 and max(values) > 20 * min(values):
        left.set_yscale("log")
    better = next((run.better[metric] for run in runs if metric in run.better), None)
    left.set_ylabel(f"{metric} ({better} is better)" if better else metric)
    left.set_xlabel("step")
    right.set_xlabel("minutes of training")
    left.set_title("stars: each run's best", fontsize=10)


def _losses(left: Axes, right: Axes, runs: Sequence[Told], names: Sequence[str]) -> None:
    for axes, phase in ((left, "discriminator"), (right, "generator")):
        for number, (run, name) in enumerate(zip(runs, names, strict=True)):
            key = f"{phase}/loss"
            found = [(row["step"], row[key]) for row in run.rows if row.get(key) is not None]
            if not found:
                continue
            steps, losses = np.array(found, np.float64).T
            parts = np.array_split(np.arange(len(steps)), min(POINTS, len(steps)))
            across = [steps[part].mean() for part in parts]
            means = [losses[part].mean() for part in parts]
            axes.plot(across, means, color=COLOURS[number % len(COLOURS)], label=name)
        axes.set_ylabel(f"{phase}'s loss, mean")
        axes.set_xlabel("step")
