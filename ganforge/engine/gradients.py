"""What the gradients of networks are: their norms, and whether they are finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ganforge.engine.tally import Values


class Gradients:
    """The gradients of a game's networks.

    Args:
        networks: By name; their parameters are listed once.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._parameters = {name: list(network.parameters()) for name, network in networks.items()}
        self._constants: dict[tuple[float, torch.device], Tensor] = {}

    def clear(self, names: Iterable[str]) -> None:
        """Forget the gradients of some networks."""
        for name in names:
            for parameter in self._parameters[name]:
                parameter.grad = None

    def norms(self, names: Iterable[str]) -> Values:
        """The norm of the gradient of each network that has one."""
        return {name: _norm(found) for name, found in self._found(names) if found}

    def marks(self, names: Iterable[str], *, wait: bool) -> Values:
        """A number for each network that has a gradient, finite if the gradient is.

        That costs a third of a norm: torch's ``GradScaler`` has kernels that look at many tensors
        at once.

        Args:
            names: Of the networks.
            wait: Whether the device may be waited for: on a CPU that is cheaper than to compute on.
        """
        return {name: self._mark(found, wait) for name, found in self._found(names) if found}

    def _mark(self, gradients: list[Tensor], wait: bool) -> Tensor:
        device = gradients[0].device
        one = self._constant(1.0, device)
        bad = self._constant(0.0, device).clone()
        try:
            torch._amp_foreach_non_finite_check_and_unscale_(gradients, bad, one)
        except (RuntimeError, NotImplementedError):  # sparse, complex, or a device without it
            return _norm(gradients)
        if wait and device.type == "cpu":
            return self._constant(math.inf, device) if bad.item() else one
        return one / (one - bad)

    def _constant(self, value: float, device: torch.device) -> Tensor:
        key = (value, device)
        if key not in self._constants:
            self._constants[key] = torch.tensor(value, device=device)
        return self._constants[key]

    def clip(self, name: str, largest: float, norm: Tensor) -> None:
        """Scale a network's gradient down to a norm."""
        nn.utils.clip_grads_with_norm_(self._parameters[name], largest, norm)

    def _found(self, names: Iterable[str]) -> Iterable[tuple[str, list[Tensor]]]:
        for name in names:
            yield name, [p.grad for p in self._parameters[name] if p.grad is not None]


def _norm(gradients: list[Tensor]) -> Tensor:
    """Of an embedding's gradient too, which may be sparse."""
    return nn.utils.get_total_norm(
        [each.coalesce().values() if each.is_sparse else each for each in gradients]
    )
