"""Learning rates in the memory of the device, where a record of a step finds those of the day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_APART = ("params", "lr", "capturable")


class Rates:
    """The rates of some optimizers, each beside its group.

    Args:
        optimizers: Which step in a play, by name.
        device: Where their weights are.
    """

    def __init__(self, optimizers: Mapping[str, Optimizer], device: torch.device) -> None:
        groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups]
        self._rates = [
            (group, torch.tensor(float(group["lr"]), dtype=torch.float32, device=device))
            for group in groups
        ]
        self._known = [float(group["lr"]) for group in groups]
        self._options = [_options(group) for group in groups]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it, optimizers read them from there, and do nothing that could not be recorded."""
        before = [(group, group["lr"], group.get("capturable")) for group, _ in self._rates]
        try:
            for group, rate in self._rates:
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = True
            yield
        finally:
            for group, rate, capturable in before:
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = capturable

    def renew(self) -> bool:
        """Write down the present rates.

        Returns:
            False if some other option is not what it was: that one was recorded as a number.
        """
        for number, (group, rate) in enumerate(self._rates):
            now: float | Tensor = group["lr"]
            if isinstance(now, Tensor):
                rate.copy_(now)
            elif now != self._known[number]:
                rate.fill_(now)
                self._known[number] = now
        return all(
            _options(group) == options
            for (group, _), options in zip(self._rates, self._options, strict=True)
        )


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name not in _APART}
