"""Exponential moving average of a network's weights and buffers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class Average:
    """A copy of a network that follows it slowly (Yazici et al. 2019, arXiv:1806.04498).

    Floating-point buffers, such as batch-norm statistics, are averaged like weights; counters are
    copied. While the run is young the decay is smaller, so that the random start is soon forgotten:
    at most ``(1 + t) / (10 + t)`` in update t from 0 on, or, with ``ramp_up``, so small that the
    half-life is at most that share of the updates so far (as in the code of Karras et al. 2020,
    arXiv:2006.06676).

    Args:
        network: The network to follow.
        decay: Share of the old average that one update keeps, in [0, 1).
        ramp_up: Largest half-life as a share of the updates so far, or None.
    """

    def __init__(self, network: nn.Module, *, decay: float, ramp_up: float | None = None) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.ramp_up = ramp_up
        self.updates = 0
        # Both walks list what is shared once, and in the same order.
        ours = [*self.network.parameters(), *self.network.buffers()]
        theirs = [*network.parameters(), *network.buffers()]
        pairs = list(zip(ours, theirs, strict=True))
        self._averaged = [one for one, _ in pairs if one.is_floating_point()]
        self._sources = [other for _, other in pairs if other.is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the network's present weights."""
        decay = min(self.decay, self._most())
        if self._averaged:
            torch._foreach_lerp_(self._averaged, self._sources, 1.0 - decay)
        for ours, theirs in self._copied:
            ours.copy_(theirs)
        self.updates += 1

    def _most(self) -> float:
        """The largest decay at this age."""
        if self.ramp_up is None:
            return (1 + self.updates) / (10 + self.updates)
        half_life = self.updates * self.ramp_up
        return 0.5 ** (1.0 / half_life) if half_life else 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])
