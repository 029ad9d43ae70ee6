"""Takes back what a play has changed before its optimizers step."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable
from operator import attrgetter, is_
from typing import Any

import torch
from torch import Tensor, nn

shape = attrgetter("shape")
has_graph = attrgetter("requires_grad")


class _Kept:
    """Buffers of networks, and memory for copies of them.

    Args:
        owners: What modules call by name; the buffers among it are those that are there now.
    """

    def __init__(self, owners: list[dict[str, Tensor | None]]) -> None:
        self.owners = owners
        self.all = [buffer for each in owners for buffer in each.values()]
        self.buffers = [buffer for buffer in self.all if buffer is not None]
        self.shapes = list(map(shape, self.buffers))
        # With a graph, copies made in the same memory would become a part of it.
        self.plain = not any(map(has_graph, self.buffers))
        self.copies = [buffer.detach().clone() for buffer in self.buffers]

    def renewed(self) -> bool:
        """Make the copies again, if the buffers are still these."""
        now = [buffer for each in self.owners for buffer in each.values()]
        if not self.plain or len(now) != len(self.all) or not all(map(is_, now, self.all)):
            return False
        if any(map(has_graph, self.buffers)) or list(map(shape, self.buffers)) != self.shapes:
            return False
        if self.buffers:
            torch._foreach_copy_(self.copies, self.buffers)
        return True


class Buffers:
    """The buffers of networks, such as batch-norm statistics.

    Which modules have some is found once: walking through all of them takes longer than a copy.

    Args:
        networks: All that may take part.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        modules = dict.fromkeys(module for network in networks for module in network.modules())
        self._modules = [module for module in modules if module._buffers]
        self._kept: dict[Hashable, _Kept] = {}

    def copied(self, learning: Hashable = None) -> tuple[list[Tensor], list[Tensor]]:
        """Those that may change now, not those of frozen batch norms, and copies of them.

        Args:
            learning: Which networks learn, where that decides what is frozen. It is then looked up
                once for each, and the next copies are made in the same memory. Or None.
        """
        kept = self._kept.get(learning)
        if kept is None or not kept.renewed():
            kept = _Kept(self._owners() if kept is None else kept.owners)
            if learning is not None and kept.plain:
                self._kept[learning] = kept
        return kept.buffers, kept.copies

    def _owners(self) -> list[dict[str, Tensor | None]]:
        """The buffers of each module, by name, that are not frozen."""
        return [
            module._buffers
            for module in self._modules
            if module.__dict__.get("track_running_stats", True)
        ]


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
