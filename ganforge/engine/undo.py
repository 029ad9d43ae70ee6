"""Takes back what a play has changed before its optimizers step."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Undo:
    """The networks' buffers, such as batch-norm statistics, and the state of terms, as they are.

    Args:
        networks: All that may take part.
        owners: Whatever else has a state that a play may change.
    """

    def __init__(self, networks: Mapping[str, nn.Module], owners: Iterable[Any]) -> None:
        self._networks = networks
        self._buffers = [
            (network, name, buffer.clone())
            for network in networks.values()
            for name, buffer in network.named_buffers()
        ]
        self._states = [(owner, copy.deepcopy(owner.state_dict())) for owner in owners]

    @property
    def has_states(self) -> bool:
        """Whether there is more than tensors to take back."""
        return any(state for _, state in self._states)

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back."""
        for network, name, before in self._buffers:
            network.get_buffer(name).copy_(before)
        for owner, state in self._states:
            owner.load_state_dict(copy.deepcopy(state))

    @torch.no_grad()
    def restore_where(self, bad: Tensor) -> None:
        """Put the buffers back if ``bad``, a boolean on the device, is true; without looking."""
        for network, name, before in self._buffers:
            buffer = network.get_buffer(name)
            buffer.copy_(torch.where(bad, before, buffer))
