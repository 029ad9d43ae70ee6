"""Copies of all that an update moves, to try something out and take it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Snapshot:
    """Weights, buffers and what optimizers remember, as they are.

    Args:
        networks: By name.
        optimizers: Those that will step, and have stepped before.
    """

    def __init__(self, networks: Mapping[str, nn.Module], optimizers: Iterable[Optimizer]) -> None:
        self._networks = networks
        tensors = [
            tensor
            for network in networks.values()
            for tensor in (*network.parameters(), *network.buffers())
        ]
        for optimizer in optimizers:
            for state in optimizer.state.values():
                tensors += [value for value in state.values() if isinstance(value, Tensor)]
        self._copies = {tensor: tensor.detach().clone() for tensor in tensors}

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back; a graph that was made meanwhile can still go backward."""
        for tensor, copy in self._copies.items():
            tensor.data.copy_(copy)

    def moved(self) -> dict[str, Tensor]:
        """The norm of what each network's weights have moved."""
        return {
            name: nn.utils.get_total_norm(
                [(weight.detach() - self._copies[weight]) for weight in network.parameters()]
            )
            for name, network in self._networks.items()
        }
