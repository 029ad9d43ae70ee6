"""What runs have in common and in what they differ: read from their folders alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganforge.errors import UsageError
from ganforge.recipe.reader import read_file
from ganforge.runfolder import RECIPE

METRICS = "metrics.jsonl"
PREFIX = "evaluate/"


@dataclass(frozen=True)
class Point:
    """One evaluation: a value at a step and after so many seconds of training."""

    step: int
    seconds: float
    value: float


@dataclass(frozen=True)
class Told:
    """What a run's folder says of it.

    Args:
        name: As the user named it.
        recipe: The resolved recipe.
        rows: The rows of ``metrics.jsonl``.
        series: The evaluations, by metric.
        better: Which way a metric is better, where that is known.
        health: Changes of its state, as rows.
    """

    name: str
    recipe: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    series: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    better: Mapping[str, str] = field(default_factory=dict)
    health: Sequence[Mapping[str, Any]] = ()

    @property
    def watched(self) -> bool:
        """Whether the callback ``health`` looked at it."""
        listed = self.recipe.get("callbacks") or []
        on = [one for one in listed if one.get("enabled", True)]
        return any(str(one.get("use")).rpartition(":")[2] == "health" for one in on)

    @property
    def step(self) -> int:
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def seconds(self) -> float:
        """Of training."""
        return max((float(row.get("seconds") or 0.0) for row in self.rows), default=0.0)

    def best(self, metric: str) -> Point | None:
        """The best evaluation by a metric, if there is one."""
        points = self.series.get(metric)
        if not points:
            return None
        sign = -1.0 if self.better.get(metric) == "higher" else 1.0
        return min(points, key=lambda point: sign * point.value)


def read_run(folder: Path) -> Told:
    """What a run's folder says.

    Raises:
        UsageError: It is no run's folder, or it has no metrics.
    """
    if not (folder / RECIPE).is_file():
        raise UsageError(
            f"'{folder}' is no run folder: it has no {RECIPE}",
            hint="Name a folder such as runs/mnist_dcgan/00001.",
        )
    path = folder / METRICS
    if not path.is_file():
        raise UsageError(
            f"'{folder}' has no {METRICS}",
            hint="The callback 'metrics' writes it; the recipe of this run has switched it off.",
        )
    rows = read_rows(path)
    series: dict[str, list[Point]] = {}
    better: dict[str, str] = {}
    for row in rows:
        better |= row.get("better") or {}
        for key, value in row.items():
            if key.startswith(PREFIX) and isinstance(value, int | float):
                point = Point(int(row["step"]), float(row.get("seconds") or 0.0), float(value))
                series.setdefault(key.removeprefix(PREFIX), []).append(point)
    health = [row for row in rows if "health" in row]
    return Told(str(folder), read_file(folder / RECIPE).value, rows, series, better, health)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; lines that are none, as a crash may leave, are left out."""
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def main_metric(runs: Sequence[Told]) -> str | None:
    """The first metric that all runs have, or else the first that any has."""
    metrics = [metric for run in runs for metric in run.series]
    shared = [metric for metric in metrics if all(metric in run.series for run in runs)]
    return next(iter(shared or metrics), None)


def ranked(runs: Sequence[Told], metric: str | None) -> list[Told]:
    """The runs, best first; those without the metric last."""
    if metric is None:
        return list(runs)

    def key(run: Told) -> tuple[bool, float]:
        best = run.best(metric)
        if best is None:
            return True, 0.0
        return False, -best.value if run.better.get(metric) == "higher" else best.value

    return sorted(runs, key=key)


def differences(runs: Sequence[Told]) -> list[tuple[str, list[str]]]:
    """The options that are not the same in all runs: their path, and each run's value."""
    flat = [dict(_flat(run.recipe)) for run in runs]
    paths = list(dict.fromkeys(path for one in flat for path in one))
    found = []
    for path in paths:
        values = [_text(one[path]) if path in one else "-" for one in flat]
        if len(set(values)) > 1 and path not in ("description", "expected_time"):
            found.append((path, values))
    return found


MEASURING = ("dataset.", "callbacks.evaluate.")
OF_NO_MATTER = ("every", "keep_best", "patience", "enabled")


def measured_unlike(runs: Sequence[Told]) -> list[str]:
    """The options that differ and that an evaluation's numbers depend on beside the generator."""
    return [
        path
        for path, _ in differences([run for run in runs if run.series])
        if path.startswith(MEASURING) and path.rpartition(".")[2] not in OF_NO_MATTER
    ]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a recipe by its path; a list's components go by their names."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        taken: dict[str, int] = {}
        for item in value:
            name = str(item.get("use"))
            taken[name] = taken.get(name, 0) + 1
            name = name if taken[name] == 1 else f"{name}_{taken[name]}"
            yield from _flat(item, f"{path}.{name}")
    else:
        yield path, value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
