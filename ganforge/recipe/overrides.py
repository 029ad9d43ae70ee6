"""Command-line overrides of a recipe: ``train.epochs=1 generator.channels=32``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ganforge.recipe.reader import MAX_DEPTH, Positions, read_value
from ganforge.recipe.source import (
    COMMAND_LINE,
    Document,
    Path,
    Position,
    Problem,
    RecipeError,
    Source,
    shown,
)

_FORM = "Write it as PATH=VALUE, such as train.epochs=1."
_MAX_INDEX_DIGITS = 6


def apply_overrides(document: Document, arguments: Sequence[str]) -> list[str]:
    """Change a document in place, by arguments of the form ``path.to.key=value``.

    The value is YAML; none at all is null. Mappings on the way are made where they are missing,
    and the index behind a list's last entry appends. Positions of what changed point into the
    argument, so that later errors show it.

    Returns:
        What was replaced as a whole, and what was dropped with it, in words for the user.

    Raises:
        RecipeError: What is wrong with any of the arguments; the document is then half changed.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    for argument in arguments:
        try:
            note = _Override(document, argument).apply()
        except RecipeError as error:
            problems += error.problems
        else:
            notes += [note] if note else []
    if problems:
        raise RecipeError(problems)
    return notes


class _Override:
    """One argument on its way into a document."""

    def __init__(self, document: Document, argument: str) -> None:
        self.document = document
        self.argument = argument
        self.path: Path = ()

    def apply(self) -> str | None:
        """Set the value; what there is to tell about it, if anything."""
        target, equals, text = self.argument.partition("=")
        if not equals:
            raise self.error("an override needs a '='", len(self.argument), _FORM)
        offset = len(target) + 1
        value, keys, values = self.read(text, offset)
        node: Any = self.document.value
        names = target.split(".")
        if len(names) > MAX_DEPTH:
            raise self.error(f"this path is deeper than {MAX_DEPTH} levels", 0, _FORM)
        column = 0
        for number, name in enumerate(names, start=1):
            start = column + len(name) - len(name.lstrip())
            step = self.step(node, name.strip(), start)
            column += len(name) + 1
            parent, self.path = node, (*self.path, step)
            if number < len(names):
                node = self.descend(node, step, start)
        note = self.forget(parent, step, value)
        _put(parent, step, value)
        self.note_key(start)
        self.document.keys.update({(*self.path, *path): at for path, at in keys.items()})
        self.document.values.update({(*self.path, *path): at for path, at in values.items()})
        return note

    def read(self, text: str, offset: int) -> tuple[Any, Positions, Positions]:
        """The value behind the '=', with positions in the whole argument."""
        if text.lstrip().startswith("#"):
            message = "'#' starts a comment, so this value would be empty"
            raise self.error(message, offset, "Put the value in quotes, inside those of the shell.")
        try:
            value, keys, values = read_value(text, name=COMMAND_LINE)
        except RecipeError as error:
            moved = [
                dataclasses.replace(problem, position=self.moved(problem.position, offset))
                if problem.position
                else problem
                for problem in error.problems
            ]
            raise RecipeError(moved) from None
        for places in (keys, values):
            places.update({path: self.moved(place, offset) for path, place in places.items()})
        return value, keys, values

    def step(self, node: Any, name: str, start: int) -> str | int:
        """The key or index that a name in the path means for this node."""
        if not name:
            raise self.error("a name is missing in this path", start, _FORM)
        if not name.isprintable():
            raise self.error("this name has characters that cannot be seen", start, _FORM)
        if node is None or isinstance(node, dict):
            return name
        here = _dotted(self.path)
        if not isinstance(node, list):
            raise self.error(f"{here} is {shown(node)}, it has no '{shown(name)}'", start)
        if node:
            hint = f"Entries are 0 to {len(node) - 1}; {len(node)} appends one."
        else:
            hint = "It is empty; 0 appends an entry."
        if not (name.isascii() and name.isdigit()):
            raise self.error(f"{here} is a list, and '{shown(name)}' is no number", start, hint)
        if len(name) > _MAX_INDEX_DIGITS or int(name) > len(node):
            raise self.error(f"{here} has no entry {shown(name)}", start, hint)
        return int(name)

    def descend(self, node: Any, step: str | int, start: int) -> Any:
        """What is at a step, with a mapping made for what is missing or null."""
        child = _get(node, step)
        if child is None:
            child = {}
            _put(node, step, child)
            self.document.values[self.path] = self.at(start)
            self.note_key(start)
        return child

    def forget(self, parent: Any, step: str | int, value: Any) -> str | None:
        """Take out what the new value replaces; the note on a component that goes with it."""
        self.forget_positions(self.path)
        if step == "use" and parent.get("use", value) != value:
            return self.forget_siblings(parent, value)
        old = _get(parent, step)
        if not (isinstance(old, dict) and "use" in old):
            return None
        new = value if isinstance(value, dict) else {}
        after = new.get("use", value)
        dropped = {key: item for key, item in old.items() if key not in ("use", *new)}
        return _note(self.path, old["use"], after, dropped)

    def forget_siblings(self, parent: dict[str, Any], value: Any) -> str | None:
        """Drop the options of the component that ``use`` names no longer.

        Those set by an earlier argument stay: they were typed together with the new name.
        """
        path = self.path[:-1]
        dropped = {
            key: item
            for key, item in parent.items()
            if key != "use" and not self.typed((*path, key))
        }
        for key in dropped:
            del parent[key]
            self.forget_positions((*path, key))
        return _note(path, parent["use"], value, dropped)

    def typed(self, path: Path) -> bool:
        """Whether anything at or below a path came from the command line."""
        size = len(path)
        return any(
            place.source == COMMAND_LINE and known[:size] == path
            for known, place in self.document.keys.items()
        )

    def forget_positions(self, path: Path) -> None:
        size = len(path)
        for places in (self.document.keys, self.document.values):
            for known in [known for known in places if known[:size] == path]:
                del places[known]

    def note_key(self, start: int) -> None:
        """The place of the current path's last name; indices of a list are no keys."""
        if isinstance(self.path[-1], str):
            self.document.keys[self.path] = self.at(start)

    def at(self, index: int) -> Position:
        return Source(COMMAND_LINE, self.argument).at(index)

    def moved(self, position: Position, offset: int) -> Position:
        """A position in the value's text, as one in the argument."""
        return self.at(offset + position.column - 1) if position.line == 1 else position

    def error(self, message: str, index: int, hint: str | None = None) -> RecipeError:
        return RecipeError([Problem(message, self.at(index), hint)])


def _get(parent: Any, step: str | int) -> Any:
    """What is at a step, None where nothing is."""
    if isinstance(parent, list):
        return parent[int(step)] if step != len(parent) else None
    return parent.get(step)


def _put(parent: Any, step: str | int, value: Any) -> None:
    if isinstance(parent, list) and step == len(parent):
        parent.append(value)
    else:
        parent[step] = value


def _note(path: Path, before: Any, after: Any, dropped: dict[str, Any]) -> str | None:
    """What became of a component: which one took its place, and which options went."""
    parts = []
    if after != before:
        parts.append(f"'{shown(before)}' replaced by '{shown(after)}'")
    if dropped:
        options = ", ".join(f"{shown(key)}={shown(value)}" for key, value in dropped.items())
        parts.append(f"dropped: {options}")
    return f"{_dotted(path)}: {'; '.join(parts)}" if parts else None


def _dotted(path: Path) -> str:
    return ".".join(shown(part) for part in path)
