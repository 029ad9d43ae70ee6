"""Options that are components themselves: a data set made of another one.

A constructor asks for one by its annotation, ``of: DatasetOption``; the recipe writes
``{use: NAME, option: value}`` in its place, and the constructor gets what that makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import WithJsonSchema

KIND = "ganforge-kind"
"""Stands in an option's schema for what a component of that kind may be."""


@dataclass(frozen=True)
class Nested:
    """Marks an option that is a component of some kind."""

    kind: str


def nested_kind(annotation: Any) -> str | None:
    """The kind of component that an option is, if it is one; None within it is of no account."""
    if get_origin(annotation) is Annotated:
        return next((m.kind for m in get_args(annotation)[1:] if isinstance(m, Nested)), None)
    found = {nested_kind(argument) for argument in get_args(annotation)} - {None}
    return found.pop() if len(found) == 1 else None


def written_type(kind: str) -> Any:
    """What stands for such an option in a recipe."""
    return Annotated[Mapping[str, Any], Written(kind), WithJsonSchema({KIND: kind})]


@dataclass(frozen=True)
class Written:
    """Says of an option's type what a person would say."""

    kind: str

    @property
    def in_words(self) -> str:
        return f"a {self.kind} {{use: NAME, option: value}}"
