"""Means of what the plays of a step measured."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Values = dict[str, Tensor]
"""What a step measured: ``<phase>/<name>`` to a scalar on the device. Reading one may wait."""


class Tally:
    """Adds up values over the plays of a step; part of the state of a run stopped within one."""

    def __init__(self) -> None:
        self._sums: Values = {}
        self._counts: dict[str, int] = {}

    def add(self, phase: str, values: Values) -> None:
        """Take in what one play measured."""
        for name, value in values.items():
            key = f"{phase}/{name}"
            self._sums[key] = self._sums[key] + value if key in self._sums else value
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> Values:
        """The means since the last call."""
        counts = self._counts
        means = {k: v / counts[k] if counts[k] > 1 else v for k, v in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
