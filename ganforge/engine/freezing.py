"""Switches networks between learning and frozen, touching only what changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


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
        self._learning: frozenset[str] | None = None

    def learn(self, names: Iterable[str]) -> None:
        """Let the networks of these names learn and freeze all others."""
        learning = frozenset(names)
        if learning == self._learning:
            return
        self._learning = learning
        for parameter, owners in self._parameters:
            learns = not learning.isdisjoint(owners)
            if parameter.requires_grad != learns:
                parameter.requires_grad_(learns)
        for norm, owners in self._norms:
            norm.track_running_stats = not learning.isdisjoint(owners)
