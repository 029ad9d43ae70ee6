"""Moving averages of what a play finds, however many micro-batches it has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganforge.api import Draw


class PlayAverage:
    """An exponential moving average over plays of the mean of some numbers.

    Every micro-batch of a play sees the average of the plays before it, so that how a batch is cut
    changes nothing. What a play finds is taken in when the next one begins.

    Args:
        decay: Share of the old average that a play keeps.
        start: The average before the first play; without one, the first play's mean starts it.
    """

    def __init__(self, decay: float, start: float | None = None) -> None:
        self.decay = decay
        self.value = None if start is None else torch.tensor(start)
        self._sum: Tensor | None = None
        self._count = 0
        self._play: list[int | str] = []

    def before(self, draw: Draw) -> Tensor | None:
        """The average of all plays before this one, a scalar; None in the first."""
        if list(draw.counters) != self._play:
            self._take_in()
        return self.value

    def add(self, found: Tensor, draw: Draw) -> None:
        """Take note of what a micro-batch found, ``(N,)``, without its graph."""
        self.before(draw)
        self._play = list(draw.counters)
        total = found.detach().sum()
        self._sum = total if self._sum is None else self._sum + total
        self._count += found.numel()

    def _take_in(self) -> None:
        if self._sum is None or self._count == 0:
            return
        mean = self._sum / self._count
        self.value = mean if self.value is None else mean.lerp(self.value.to(mean), self.decay)
        self._sum, self._count = None, 0

    def state_dict(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "sum": self._sum,
            "count": self._count,
            "play": list(self._play),
        }

    def load_state_dict(self, state: dict[str, Any] | Tensor | None) -> None:
        """Take back what :meth:`state_dict` gave, or an average alone, as older versions kept."""
        if not isinstance(state, dict):
            state = {"value": state, "sum": None, "count": 0, "play": []}
        self.value, self._sum = state["value"], state["sum"]
        self._count, self._play = int(state["count"]), list(state["play"])
