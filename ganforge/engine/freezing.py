"""Switches a network between learning and frozen, touching it only where that changes."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class Freezable:
    """A network and whether it learns at the moment.

    Frozen means that its parameters collect no gradient, though gradients pass through, and that
    its batch-norm layers leave their running statistics alone: they go on normalising by the
    batch, as in training, but only the phase in which a network learns changes its buffers.

    Args:
        network: Parameters that its author set to ``requires_grad=False`` stay so.
    """

    def __init__(self, network: nn.Module) -> None:
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._norms = [
            module
            for module in network.modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats
        ]
        self._learning = True

    def set(self, *, learning: bool) -> None:
        if learning == self._learning:
            return
        for parameter in self._parameters:
            parameter.requires_grad_(learning)
        for norm in self._norms:
            norm.track_running_stats = learning
        self._learning = learning
