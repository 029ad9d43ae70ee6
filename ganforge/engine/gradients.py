"""What the gradients of networks are: their norms, and whether they are finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Gradients:
    """The gradients of a game's networks.

    Args:
        networks: By name; their parameters are listed once.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._parameters = {name: list(network.parameters()) for name, network in networks.items()}
        self._scratch: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def clear(self, names: Iterable[str]) -> None:
        """Forget the gradients of some networks."""
        for name in names:
            for parameter in self._parameters[name]:
                parameter.grad = None

    def norms(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The norm of the gradient of each network that has one."""
        return {name: _norm(found) for name, found in self._found(names) if found}

    def marks(self, names: Iterable[str]) -> dict[str, Tensor]:
        """A number for each network that has a gradient, finite if the gradient is.

        That costs a third of a norm: torch's ``GradScaler`` has kernels that look at many tensors
        at once.
        """
        return {name: self._mark(found) for name, found in self._found(names) if found}

    def finite(self, names: Iterable[str]) -> bool:
        """Whether all gradients of some networks are finite, at once; a device is waited for."""
        for _, found in self._found(names):
            if not found:
                continue
            bad = self._flag(found)
            if bad is None:
                if not math.isfinite(_norm(found).item()):
                    return False
            elif bad.item():
                bad.zero_()
                return False
        return True

    def _mark(self, gradients: list[Tensor]) -> Tensor:
        """A number that is finite if they are."""
        bad = self._flag(gradients)
        if bad is None:
            return _norm(gradients)
        mark = 1.0 / (1.0 - bad)
        bad.zero_()
        return mark

    def _flag(self, gradients: list[Tensor]) -> Tensor | None:
        """1 if one of them is not finite, else 0, or None where there is no kernel for them.

        The next call takes this very tensor to be 0.
        """
        device = gradients[0].device
        if device not in self._scratch:
            self._scratch[device] = torch.zeros((), device=device), torch.ones((), device=device)
        bad, one = self._scratch[device]
        try:
            torch._amp_foreach_non_finite_check_and_unscale_(gradients, bad, one)
        except (RuntimeError, NotImplementedError):  # sparse, complex, or a device without it
            bad.zero_()
            return None
        return bad

    def clip(self, name: str, largest: float, norm: Tensor) -> None:
        """Scale a network's gradient down to a norm."""
        nn.utils.clip_grads_with_norm_(self._parameters[name], largest, norm)

    def _found(self, names: Iterable[str]) -> Iterable[tuple[str, list[Tensor]]]:
        for name in names:
            slopes = [parameter.grad for parameter in self._parameters[name]]
            yield name, [slope for slope in slopes if slope is not None]


def _norm(gradients: list[Tensor]) -> Tensor:
    """Of an embedding's gradient too, which may be sparse."""
    return nn.utils.get_total_norm(
        [each.coalesce().values() if each.is_sparse else each for each in gradients]
    )
