"""Exponential moving average of a network's weights and buffers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class Average:
    """A copy of a network that follows it slowly (Yazici et al. 2019, arXiv:1806.04498).

    Floating-point buffers, such as batch-norm statistics, are averaged like weights; counters are
    copied. During the first updates the decay is ``(1 + t) / (10 + t)`` where that is smaller, so
    that the random start is soon forgotten.

    Args:
        network: The network to follow.
        decay: Share of the old average that one update keeps, in [0, 1).
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
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
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        if self._averaged:
            torch._foreach_lerp_(self._averaged, self._sources, 1.0 - decay)
        for ours, theirs in self._copied:
            ours.copy_(theirs)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])
