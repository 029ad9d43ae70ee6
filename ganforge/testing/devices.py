"""Notices tensors of two devices that meet in one operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_MOVERS = ("to", "type_as", "copy_")
"""Operations whose arguments may be on two devices."""


class MixedDevicesError(Exception):
    """An operation got a tensor of another device."""


class OneDevice(TorchFunctionMode):
    """While this is entered, every operation must find its tensors on one device.

    torch's ``meta`` tensors have shapes only; many operations take them beside those of the CPU,
    which real devices do not. Single numbers of the CPU are welcome everywhere.

    Args:
        device: The type of the device that everything else is on.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [*tensors(args), *tensors(kwargs or {})]
        name = getattr(func, "__name__", str(func))
        if name not in _MOVERS and any(t.device.type == self.device for t in given):
            strangers = [t for t in given if t.device.type != self.device and t.dim() > 0]
            if strangers:
                shape = tuple(strangers[0].shape)
                raise MixedDevicesError(f"{name} meets a tensor {shape} that stayed on the CPU")
        return func(*args, **(kwargs or {}))


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and mappings."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
