"""What a checkpoint may hold: nothing whose loading could run code."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.errors import PluginError

_LEAVES = (str, int, float, bool, type(None), bytes, Tensor, nn.Parameter, torch.Size, torch.dtype,
           torch.device)  # fmt: skip
_CONTAINERS = (list, tuple, set)
_MAPPINGS = (dict, OrderedDict)


def check_plain(state: Mapping[str, Any]) -> None:
    """See that a state holds plain containers and tensors only, so that it can be loaded again.

    Raises:
        PluginError: Something else is in it; where, and of what type, is told.
    """
    for name, value in state.items():
        _check(value, name)


def _check(value: Any, place: str) -> None:
    kind = type(value)  # a subclass is loaded by its own code, and so not at all
    if isinstance(value, Tensor | OrderedDict) and vars(value):
        _check(vars(value), place)  # saved with it
    if kind in _LEAVES:
        return
    if kind in _MAPPINGS:
        for key, item in value.items():
            _check(key, f"{place}, a key")
            _check(item, f"{place}.{key}")
    elif kind in _CONTAINERS:
        for index, item in enumerate(value):
            _check(item, f"{place}.{index}")
    else:
        raise PluginError(
            f"the state '{place}' cannot be saved: it is of type {kind.__module__}."
            f"{kind.__qualname__}",
            hint="A state_dict holds dicts, lists, tuples, sets, numbers, texts and tensors: "
            "convert it there, and back in load_state_dict.",
        )
