"""Brings recipes of earlier versions up to the present one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ganforge.recipe.schema import VERSION
from ganforge.recipe.source import Document, Path, Problem, RecipeError

Migration = Callable[[Document], list[str]]

MIGRATIONS: Mapping[int, Migration] = {}
"""By the version that a migration starts from; it leads to the next one, changes the document (with
:func:`move` positions stay true) and tells in words what it changed.

Empty, as there is only one version yet.
"""


def migrate(
    document: Document,
    *,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    current: int = VERSION,
) -> list[str]:
    """Apply, in order, every migration from a document's version to the current one.

    A version that is missing or no number is left to the check of the recipe.

    Returns:
        What was changed, in words for the user.

    Raises:
        RecipeError: The recipe is newer than this ganforge, or older than all it can read.
    """
    version = document.value.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        return []
    oldest = min(migrations, default=current)
    if not oldest <= version <= current:
        raise RecipeError([_unreadable(document, version, oldest, current)])
    notes = []
    for step in range(version, current):
        notes += [
            f"{document.name}: version {step} read as {step + 1}: {note}"
            for note in migrations[step](document)
        ]
        document.value["version"] = step + 1
    return notes


def move(document: Document, old: Path, new: Path) -> None:
    """Move a value to another place in a document, its positions with it.

    Mappings on the way to the new place are made where they are missing; a value that is there
    already stays, and the old one is left for the check to find.
    """
    source = _at(document.value, old[:-1])
    if not isinstance(source, dict) or old[-1] not in source:
        return
    for length in range(1, len(new)):
        if not isinstance(_at(document.value, new[:length]), dict | None):
            return  # the check will say what is wrong with it
    target: Any = document.value
    for part in new[:-1]:
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
    if new[-1] in target:
        return
    target[new[-1]] = source.pop(old[-1])
    for places in (document.keys, document.values):
        for path in [path for path in places if path[: len(old)] == old]:
            places[new + path[len(old) :]] = places.pop(path)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _unreadable(document: Document, version: int, oldest: int, current: int) -> Problem:
    readable = f"version {current}" if oldest == current else f"versions {oldest} to {current}"
    hint = "Get a newer ganforge: pip install -U ganforge"
    if version < oldest:
        hint = f"Write version: {current}, and see the reference for what changed."
    return Problem(
        f"this recipe has version {version}; this ganforge reads {readable}",
        document.position(("version",)),
        hint,
    )
