"""Takes back what a play has changed before its optimizers step."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable
from operator import attrgetter, eq, is_
from typing import Any

import torch
from torch import Tensor, nn

shape = attrgetter("shape")
has_graph = attrgetter("requires_grad")


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
        self._copies: dict[Hashable, tuple[list[Tensor], list[Tensor]]] = {}

    def copied(self, learning: Hashable = None) -> tuple[list[Tensor], list[Tensor]]:
        """Those that may change now, not those of frozen batch norms, and copies of them.

        Args:
            learning: Which networks learn, where that decides what is frozen. It is then looked up
                once for each, and the next copies are made in the same memory. Or None.
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
        buffers = [buffer for each in owners for buffer in each.values() if buffer is not None]
        before, copies = self._copies.get(learning, ([], []))
        plain = not any(map(has_graph, buffers))  # else the copies would become part of it
        if (
            plain
            and _same(buffers, before)
            and all(map(eq, map(shape, copies), map(shape, buffers)))
        ):
            if buffers:
                torch._foreach_copy_(copies, buffers)
            return buffers, copies
        copies = [buffer.detach().clone() for buffer in buffers]
        if learning is not None and plain:
            self._copies[learning] = buffers, copies
        return buffers, copies


def _same(ones: list[Tensor], others: list[Tensor]) -> bool:
    """Whether these are the very same tensors."""
    return len(ones) == len(others) and all(map(is_, ones, others))


class Undo:
    """The networks' buffers and the state of terms, as they are.

    Buffers are put back through ``.data``: a graph that was made meanwhile, for a later play, can
    then still go backward. Batch norm keeps its running statistics with it and does not use them.

    Args:
        buffers: Of all networks that may take part.
        owners: Whatever else has a state that a play may change.
        learning: As :meth:`Buffers.copied` takes it.
    """

    def __init__(
        self, buffers: Buffers, owners: Iterable[Any] = (), learning: Hashable = None
    ) -> None:
        self._buffers, self._before = buffers.copied(learning)
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
