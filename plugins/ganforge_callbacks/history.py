"""What a run's ``metrics.jsonl`` says of the whole run, in as much memory at any length of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganforge_callbacks.metrics import read_row

Series = NDArray[np.float64]

MOST_POINTS = 2048
"""Of a curve: about two for each dot of a picture's width."""


class Curve:
    """A number over the steps, in a bounded number of points.

    Where there are more numbers than points, each point stands for as many of them in a row: for
    one it shows as it was, and for the mean of all.

    Args:
        most: Points, an even number.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._room = np.empty((4, most))  # first step, its number, sum of steps, sum of numbers
        self._each = 1
        self._count = 0

    def __len__(self) -> int:
        """How many points there are; the last may stand for fewer numbers."""
        return -(-self._count // self._each)

    def add(self, step: int, number: float) -> None:
        """Take in what comes next."""
        if self._count == self._each * self._room.shape[1]:
            self._halve()
        point, behind = divmod(self._count, self._each)
        if behind == 0:
            self._room[:, point] = step, number, step, number
        else:
            self._room[2:, point] += step, number
        self._count += 1

    def _halve(self) -> None:
        half = self._room.shape[1] // 2
        sums = self._room[2:].reshape(2, half, 2).sum(axis=2)
        self._room[:2, :half], self._room[2:, :half] = self._room[:2, ::2].copy(), sums
        self._each *= 2

    @property
    def samples(self) -> tuple[Series, Series]:
        """Steps and numbers as they were."""
        steps, numbers = self._room[:2, : len(self)]
        return steps, numbers

    @property
    def means(self) -> tuple[Series, Series]:
        """Means of steps, and of the numbers there."""
        behind = np.full(len(self), self._each, np.float64)
        if len(self):
            behind[-1] = self._count - self._each * (len(self) - 1)
        steps, numbers = self._room[2:, : len(self)] / behind
        return steps, numbers


class History:
    """The losses of every phase, and the states of the run's health.

    Each reading goes on where the last one ended, but for the last row, to which callbacks may have
    added something meanwhile.

    Args:
        path: A metrics file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.losses: dict[str, Curve] = {}
        self._changes: dict[int, str] = {}
        self._last_step = 0
        self._offset = 0

    def read(self) -> None:
        """Take in what is new. Lines that are no rows, as a crash may leave, are left out."""
        for row in self._rows():
            step = row["step"]
            if isinstance(health := row.get("health"), str):
                self._changes[step] = health
            if step <= self._last_step:
                continue
            self._last_step = step
            for key, value in row.items():
                if key.endswith("/loss") and isinstance(value, int | float):
                    self.losses.setdefault(key.removesuffix("/loss"), Curve()).add(step, value)

    def spans(self) -> list[tuple[str, int, int]]:
        """The states of the run's health that were not ok: name, first step, last step."""
        ends = [*list(self._changes)[1:], self._last_step]
        return [
            (state, first, end)
            for (first, state), end in zip(self._changes.items(), ends, strict=False)
            if state != "ok"
        ]

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            behind = file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # the rest of it is still to come
                    return
                self._offset, behind = behind, behind + len(line)
                if (row := read_row(line)) is not None:
                    yield row
