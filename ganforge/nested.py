"""Options that are components themselves: a data set made of another one, or a list of metrics.

A constructor asks for one by its annotation, ``of: DatasetOption``; the recipe writes
``{use: NAME, option: value}`` in its place, and the constructor gets what that makes. With
``metrics: list[MetricOption]`` it writes a list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import WithJsonSchema

KIND = "ganforge-kind"
"""Stands in an option's schema for what a component of that kind may be."""


@dataclass(frozen=True)
class Nested:
    """Marks an option that is a component of some kind.

    Args:
        kind: Of the component.
        many: Whether the option is a list of such.
    """

    kind: str
    many: bool = False

    def each(self, written: Any, make: Callable[[Any, tuple[int, ...]], Any]) -> Any:
        """What ``make`` gives for the component, or for each of a list; None stays None.

        Args:
            written: The option's value.
            make: Is given one component's, and its place in the list: ``()`` where there is none.
        """
        if written is None:
            return None
        if not self.many:
            return make(written, ())
        return [make(one, (place,)) for place, one in enumerate(written)]


def nested(annotation: Any) -> Nested | None:
    """What an option is, if it is a component or a list of them; None within it is no matter."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return next((m for m in arguments[1:] if isinstance(m, Nested)), None)
    found = {nested(argument) for argument in arguments} - {None}
    if len(found) != 1:
        return None
    (inner,) = found
    several = isinstance(origin, type) and issubclass(origin, Sequence)
    return Nested(inner.kind, many=True) if several and inner is not None else inner


def written_type(inner: Nested) -> Any:
    """What stands for such an option in a recipe."""
    one = Annotated[Mapping[str, Any], Written(inner.kind), WithJsonSchema({KIND: inner.kind})]
    return list[one] if inner.many else one


@dataclass(frozen=True)
class Written:
    """Says of an option's type what a person would say."""

    kind: str

    @property
    def in_words(self) -> str:
        return f"a {self.kind} {{use: NAME, option: value}}"
