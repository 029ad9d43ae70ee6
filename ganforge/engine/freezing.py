"""Switches networks between learning and frozen, touching only what changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Changes = tuple[list[tuple[nn.Parameter, bool]], list[tuple[_BatchNorm, bool]]]


class Freezer:
    """Decides what learns in the phase being played.

    Frozen means that a parameter collects no gradient, though gradients pass through, and that a
    batch-norm layer leaves its running statistics alone: it goes on normalising by the batch, as in
    training, but only a phase in which its network learns changes its buffers. What several
    networks share learns with any of them.

    Args:
        networks: By name. Parameters that their author set to ``requires_grad=False`` stay so.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        parameters: dict[nn.Parameter, set[str]] = {}
        norms: dict[_BatchNorm, set[str]] = {}
        for name, network in networks.items():
            for parameter in network.parameters():
                if parameter.requires_grad:
                    parameters.setdefault(parameter, set()).add(name)
            for module in network.modules():
                if isinstance(module, _BatchNorm) and module.track_running_stats:
                    norms.setdefault(module, set()).add(name)
        self._parameters = list(parameters.items())
        self._norms = list(norms.items())
        self.learning: frozenset[str] | None = None
        """The networks that learn now, if that was said already."""
        self._changes: dict[tuple[frozenset[str], frozenset[str]], Changes] = {}

    def learn(self, names: Iterable[str]) -> None:
        """Let the networks of these names learn and freeze all others."""
        learning, before = frozenset(names), self.learning
        if learning == before:
            return
        self.learning = learning
        if before is None:  # nobody knows what others have left
            parameters, norms = self._wanted(learning)
            changes = [(p, learns) for p, learns in parameters if p.requires_grad != learns], norms
        elif (before, learning) in self._changes:
            changes = self._changes[before, learning]
        else:
            changes = self._wanted(learning, before)
            self._changes[before, learning] = changes
        parameters, norms = changes
        for parameter, learns in parameters:
            parameter.requires_grad_(learns)
        for norm, learns in norms:
            # Assigned to a module, it would be compared with every kind of thing a module may own.
            norm.__dict__["track_running_stats"] = learns

    def _wanted(self, learning: frozenset[str], before: frozenset[str] | None = None) -> Changes:
        """What learns and what does not; if it is known what did before, only what differs."""

        def changed(owned: list[tuple[Any, set[str]]]) -> list[tuple[Any, bool]]:
            return [
                (thing, not learning.isdisjoint(owners))
                for thing, owners in owned
                if before is None or learning.isdisjoint(owners) != before.isdisjoint(owners)
            ]

        return changed(self._parameters), changed(self._norms)
