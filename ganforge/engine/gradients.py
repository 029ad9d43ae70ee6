"""What the gradients of networks are: their norms, and whether they are finite."""

from __future__ import annotations

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

    def clear(self, names: Iterable[str]) -> None:
        """Forget the gradients of some networks."""
        for name in names:
            for parameter in self._parameters[name]:
                parameter.grad = None

    def norms(self, names: Iterable[str]) -> Values:
        """The norm of the gradient of each network that has one."""
        return {name: nn.utils.get_total_norm(found) for name, found in self._found(names) if found}

    def marks(self, names: Iterable[str]) -> Values:
        """A number for each network that has a gradient, finite if the gradient is.

        That costs a third of a norm: torch's ``GradScaler`` has kernels that look at many tensors
        at once.
        """
        marks = {}
        for name, found in self._found(names):
            if not found:
                continue
            if _looked_at_together(found):
                seen = torch.zeros((), device=found[0].device)
                torch._amp_foreach_non_finite_check_and_unscale_(found, seen, torch.ones_like(seen))
                marks[name] = 1.0 / (1.0 - seen)
            else:
                marks[name] = nn.utils.get_total_norm(found)
        return marks

    def clip(self, name: str, largest: float, norm: Tensor) -> None:
        """Scale a network's gradient down to a norm."""
        nn.utils.clip_grads_with_norm_(self._parameters[name], largest, norm)

    def _found(self, names: Iterable[str]) -> Iterable[tuple[str, list[Tensor]]]:
        for name in names:
            gradients = (p.grad for p in self._parameters[name] if p.grad is not None)
            yield name, [_dense(gradient) for gradient in gradients]


def _looked_at_together(tensors: list[Tensor]) -> bool:
    """Whether the kernels of ``GradScaler`` take them."""
    first = tensors[0]
    return first.device.type in ("cpu", "cuda") and all(
        tensor.dtype == torch.float32 and tensor.device == first.device for tensor in tensors
    )


def _dense(gradient: Tensor) -> Tensor:
    """What a norm can be taken of; an embedding's gradient may be sparse."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient
