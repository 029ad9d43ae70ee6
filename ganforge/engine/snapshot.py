"""Copies of all that an update moves, to try something out, compare it and take it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class _Held(NamedTuple):
    """A tensor, and where it is found by name."""

    group: str
    owner: MutableMapping[str, Any]
    name: str
    tensor: Tensor


class Holdings:
    """The tensors that an update moves: weights, buffers and what optimizers remember.

    They stay in memory as long as this does.

    Args:
        networks: By name.
        optimizers: Those that will step, and have stepped before, by the name of their network.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> None:
        self.all = [*_of_networks(networks), *_of_optimizers(optimizers)]

    def still_there(self) -> bool:
        """Whether nobody has put other tensors in their places."""
        return all(owner.get(name) is tensor for _, owner, name, tensor in self.all)


class Snapshot:
    """All holdings as they are.

    Args:
        holdings: What is copied.
    """

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._copies = [tensor.detach().clone() for *_, tensor in holdings.all]

    @torch.no_grad()
    def restore(self) -> None:
        """Put everything back; a graph that was made meanwhile can still go backward."""
        for (_, owner, name, tensor), copy in zip(self._holdings.all, self._copies, strict=True):
            tensor.data.copy_(copy)
            owner[name] = tensor

    def apart(self, wanted: Snapshot) -> dict[str, float]:
        """How far things are from where they should have gone, as a share of the way.

        Args:
            wanted: Where they should have gone from here.
        """
        ways: dict[str, list[Tensor]] = {}
        errors: dict[str, list[Tensor]] = {}
        held = zip(self._holdings.all, self._copies, wanted._copies, strict=True)
        for (group, _, _, tensor), before, after in held:
            ways.setdefault(group, []).append(after.float() - before.float())
            errors.setdefault(group, []).append(tensor.detach().float() - after.float())
        return {group: _share(errors[group], ways[group]) for group in ways}


def _share(errors: list[Tensor], ways: list[Tensor]) -> float:
    error, way = (float(nn.utils.get_total_norm(each)) for each in (errors, ways))
    if error == 0.0:
        return 0.0
    return error / way if way > 0.0 else float("inf")


def _of_networks(networks: Mapping[str, nn.Module]) -> Iterator[_Held]:
    for network, module in networks.items():
        for part in module.modules():
            yield from _of(f"the weights of '{network}'", part._parameters)
            yield from _of(f"the buffers of '{network}'", part._buffers)


def _of_optimizers(optimizers: Mapping[str, Optimizer]) -> Iterator[_Held]:
    for network, optimizer in optimizers.items():
        for state in optimizer.state.values():
            yield from _of(f"what the optimizer of '{network}' remembers", state)


def _of(group: str, owner: MutableMapping[str, Any]) -> Iterable[_Held]:
    return [
        _Held(group, owner, name, value)
        for name, value in owner.items()
        if isinstance(value, Tensor)
    ]
