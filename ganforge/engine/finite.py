"""What is not finite any more, told in words: phase, terms, networks, and what was bad before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ganforge.errors import GanforgeError

Policy = Literal["stop", "skip", "rollback"]
"""What is done about it: end the run, go on without that update, or go back and try again."""


@dataclass(frozen=True)
class Finding:
    """One play of a phase in which something was not finite.

    Args:
        step: The step under way, counted from 1.
        phase: The phase's name.
        terms: The terms whose value or gradient is to blame, where that is known.
        gradients: The networks whose gradient was not finite.
        weights: The networks that were not finite before, with the tensors' names.
        real: Whether the batch of real samples was not finite already.
    """

    step: int
    phase: str
    terms: Sequence[str] = ()
    gradients: Sequence[str] = ()
    weights: Mapping[str, Sequence[str]] = field(default_factory=dict)
    real: bool = False

    def __str__(self) -> str:
        what = [f"term '{name}'" for name in self.terms]
        what += [f"gradient of network '{name}'" for name in self.gradients]
        what = what or ["the sum of its terms"]
        causes = [
            f"weights of network '{name}' were not finite before: {_listed(tensors)}"
            for name, tensors in self.weights.items()
        ]
        if self.real:
            causes.append("the real samples were not finite before")
        told = f"step {self.step}: not finite any more: phase '{self.phase}' ({', '.join(what)})"
        return "; ".join([told, *causes])


class NotFiniteError(GanforgeError):
    """Training diverged: something became infinite or not a number.

    Args:
        message: What, and where.
        whole: Whether the weights are what they were before it, and finite.
        hint: What to do next.
    """

    def __init__(self, message: str, *, whole: bool, hint: str | None = None) -> None:
        super().__init__(
            message,
            hint=hint
            or "Lower the learning rate, or regularise the discriminator; what the run has saved "
            "before is untouched.",
        )
        self.whole = whole


def is_finite(values: Iterable[Tensor]) -> bool:
    """Whether every scalar is finite; makes an accelerator wait."""
    values = list(values)
    if all(value.device.type == "cpu" for value in values):  # no need to put them together
        return all(math.isfinite(value.item()) for value in values)
    return bool(torch.stack([value.float() for value in values]).isfinite().all())


def not_finite(network: nn.Module) -> list[str]:
    """Names of the weights and buffers of a network that are not finite."""
    state = {
        name: value
        for name, value in network.state_dict().items()
        if isinstance(value, Tensor) and value.is_floating_point()  # a module may add anything
    }
    if not state:
        return []
    finite = torch.stack([value.isfinite().all() for value in state.values()]).tolist()
    return [name for name, good in zip(state, finite, strict=True) if not good]


def check_weights(networks: Mapping[str, nn.Module], step: int) -> None:
    """See that every weight and buffer is finite.

    Raises:
        NotFiniteError: Some network's is not.
    """
    for name, network in networks.items():
        if bad := not_finite(network):
            raise NotFiniteError(
                f"step {step}: not finite any more: network '{name}' ({_listed(bad)})", whole=False
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
