"""Takes back what a play has changed before its optimizers step."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOST_COPIES = 16
"""Sets of buffers whose copies are kept: one a phase, unless modules replace their buffers."""


class Buffers:
    """The buffers of networks, such as batch-norm statistics.

    Which modules have some is found once: walking through all of them takes longer than a copy.

    Args:
        networks: All that may take part.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        modules = dict.fromkeys(module for network in networks for module in network.modules())
        self._modules = [module for module in modules if module._buffers]
        self._owners: dict[Hashable, list[dict[str, Tensor | None]]] = {}
        self._copies: dict[tuple[int, ...], tuple[list[Tensor], list[Tensor]]] = {}

    def __call__(self, learning: Hashable = None) -> list[Tensor]:
        """Those that may change now: not of frozen batch norms.

        Args:
            learning: Which networks learn, where that decides what is frozen, so that it is looked
                up once for each; or None.
        """
        owners = self._owners.get(learning)
        if owners is None:
            owners = [
                module._buffers
                for module in self._modules
                if module.__dict__.get("track_running_stats", True)
            ]
            if learning is not None:
                self._owners[learning] = owners
        return [buffer for each in owners for buffer in each.values() if buffer is not None]

    @torch.no_grad()
    def copied(self, buffers: list[Tensor]) -> list[Tensor]:
        """Copies of some, in memory that the next copies of the same will be in."""
        if not buffers:
            return []
        key = tuple(map(id, buffers))  # nobody else can have these ids: the buffers are kept
        if key in self._copies:
            _, copies = self._copies[key]
            # Lazy modules give the same buffer another shape.
            if [each.shape for each in copies] == [buffer.shape for buffer in buffers]:
                torch._foreach_copy_(copies, buffers)
                return copies
        others = self._copies if len(self._copies) < MOST_COPIES else {}
        copies = [buffer.clone() for buffer in buffers]
        self._copies = {**others, key: (buffers, copies)}
        return copies


class Undo:
    """The networks' buffers and the state of terms, as they are.

    Buffers are put back through ``.data``: a graph that was made meanwhile, for a later play, can
    then still go backward. Batch norm keeps its running statistics with it and does not use them.

    Args:
        buffers: Of all networks that may take part.
        owners: Whatever else has a state that a play may change.
        learning: As ``buffers`` takes it.
    """

    def __init__(
        self, buffers: Buffers, owners: Iterable[Any] = (), learning: Hashable = None
    ) -> None:
        self._buffers = buffers(learning)
        self._before = buffers.copied(self._buffers)
        self._states = [(owner, copy.deepcopy(owner.state_dict())) for owner in owners]

    @property
    def has_states(self) -> bool:
        """Whether there is more than tensors to take back."""
        return any(state for _, state in self._states)

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.data.copy_(before)
        for owner, state in self._states:
            owner.load_state_dict(copy.deepcopy(state))

    @torch.no_grad()
    def restore_where(self, bad: Tensor) -> None:
        """Put the buffers back if ``bad``, a boolean on the device, is true; without looking."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.data.copy_(torch.where(bad, before, buffer))
