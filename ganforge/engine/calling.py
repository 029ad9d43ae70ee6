"""Calls a network with what it asks for: the names of its ``forward``'s further arguments.

A generator whose forward is ``forward(self, latents, labels)`` is class-conditional; one that does
not name ``labels`` never sees them. So neither trainer nor game has a case for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganforge.errors import UsageError

OFFERED = ("labels", "latents", "source")
"""What a network may ask for beside its input: class indices ``(N,)``, latents ``(N, D)``, and the
samples ``(N, ...)`` that it starts from."""


def asks_for(network: nn.Module) -> frozenset[str]:
    """Which of :data:`OFFERED` the network takes."""
    return frozenset(_asked(type(network).forward))


def call(network: nn.Module, inputs: Tensor, **offered: Tensor | None) -> Any:
    """The network's output for its input and for what it asks for.

    Args:
        network: Any network.
        inputs: Its first argument.
        offered: What is there to ask for, by name; None is not there.
    Raises:
        UsageError: It needs something that is not there.
    """
    asked = _asked(type(network).forward)
    if not asked:
        return _full(network(inputs))
    given: dict[str, Tensor] = {}
    for name, required in asked.items():
        value = offered.get(name)
        if value is not None:
            given[name] = value
        elif required:
            raise UsageError(
                f"{type(network).__name__} takes {name}, and there are none here",
                hint=_HINTS[name],
            )
    return _full(network(inputs, **given))


def _full(output: Any) -> Any:
    """What a network returns, in float32 where it computed in bfloat16."""
    if isinstance(output, Tensor):
        return output.float() if output.dtype == torch.bfloat16 else output
    if isinstance(output, Mapping):
        full = {name: _full(value) for name, value in output.items()}
        return full if any(full[name] is not output[name] for name in full) else output
    if isinstance(output, list | tuple):
        values = [_full(value) for value in output]
        return values if any(a is not b for a, b in zip(values, output, strict=True)) else output
    return output


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Labels as weights of the classes ``(N, K)``, float32: one-hot for indices ``(N,)``.

    A network that embeds ``class_weights(labels, K) @ embedding`` also takes labels that are such
    weights already, which is how ``ganforge interpolate`` goes from one class to another; it says
    so by ``takes_class_weights = True``.
    """
    if labels.is_floating_point():
        return labels
    return functional.one_hot(labels, num_classes).float()


_HINTS = {
    "labels": "Choose a data set that has labels, or a network that takes none.",
    "latents": "Choose a game that gives its networks latents, or a network that takes none.",
    "source": "Choose a data set that has a source, or a network that takes none.",
}


@cache
def _asked(forward: Callable[..., Any]) -> dict[str, bool]:
    """Which offered names a forward takes behind its input, and whether it cannot do without."""
    parameters = list(inspect.signature(forward).parameters.values())[2:]  # self and its input
    return {p.name: p.default is p.empty for p in parameters if p.name in OFFERED}
