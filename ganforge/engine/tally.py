"""What the plays of a step measured, and the means of it."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from typing import Any, cast

from torch import Tensor


class Later:
    """A scalar that is computed when somebody reads it, which may be never.

    Where networks are small, a few operations in the midst of a step cost several times what they
    do when those of fifty steps are made at once.

    Args:
        compute: Gives the scalar.
        given: Of these, which nobody changes any more. They stay in memory until it is computed: a
            round must not be among them, nor in what ``compute`` closes over.
    """

    __slots__ = ("_compute", "_given")

    def __init__(self, compute: Callable[..., Tensor], *given: Any) -> None:
        self._compute = compute
        self._given = given

    def __call__(self) -> Tensor:
        return self._compute(*self._given)


Scalar = Tensor | Later
"""Something measured: on the device, or still to be computed."""


def read(scalar: Scalar) -> Tensor:
    """The tensor; where it stays, a value is not computed twice (:class:`Values`)."""
    return scalar() if isinstance(scalar, Later) else scalar


class Values(Mapping[str, Tensor]):
    """What a step measured: ``<phase>/<name>`` to a scalar on the device.

    Reading one may wait for the device. Some are computed when they are first read.

    Args:
        scalars: By name; not copied.
    """

    __slots__ = ("_scalars",)

    def __init__(self, scalars: dict[str, Scalar]) -> None:
        self._scalars = scalars

    def __getitem__(self, name: str) -> Tensor:
        scalar = self._scalars[name]
        if isinstance(scalar, Later):
            scalar = self._scalars[name] = scalar()
        return scalar

    def __contains__(self, name: object) -> bool:
        return name in self._scalars

    def __iter__(self) -> Iterator[str]:
        return iter(self._scalars)

    def __len__(self) -> int:
        return len(self._scalars)

    def items(self) -> ItemsView[str, Tensor]:
        """Names and tensors; all are computed."""
        return self._computed().items()

    def values(self) -> ValuesView[Tensor]:
        """The tensors; all are computed."""
        return self._computed().values()

    def _computed(self) -> dict[str, Tensor]:
        for name, scalar in self._scalars.items():
            if isinstance(scalar, Later):
                self._scalars[name] = scalar()
        return cast("dict[str, Tensor]", self._scalars)

    def __repr__(self) -> str:
        return f"Values({dict(self)!r})"


class Tally:
    """Adds up values over the plays of a step; part of the state of a run stopped within one."""

    def __init__(self) -> None:
        self._sums: dict[str, Scalar] = {}
        self._counts: dict[str, int] = {}

    def add(self, phase: str, values: Mapping[str, Scalar]) -> None:
        """Take in what one play measured."""
        for name, value in values.items():
            key = f"{phase}/{name}"
            self._sums[key] = read(self._sums[key]) + read(value) if key in self._sums else value
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> Values:
        """The means since the last call."""
        counts = self._counts
        means = {k: read(v) / counts[k] if counts[k] > 1 else v for k, v in self._sums.items()}
        self._sums, self._counts = {}, {}
        return Values(means)

    def state_dict(self) -> dict[str, Any]:
        return {
            "sums": {name: read(value) for name, value in self._sums.items()},
            "counts": dict(self._counts),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
