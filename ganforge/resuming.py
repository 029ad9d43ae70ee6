"""Whether a run may go on from a checkpoint, with the recipe that it has now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

import ganforge
from ganforge.engine import checkpoint
from ganforge.errors import GanforgeError, UsageError
from ganforge.recipe.source import shown
from ganforge.registry import Registry

FREE = (
    "description",
    "expected_time",
    "requires",
    "plugins",
    "callbacks",
    "train.epochs",
    "train.steps",
    "train.workers",
    "train.max_time",
    "train.not_finite",
    "train.max_skips",
    "train.max_rollbacks",
)
"""What says nothing of the mathematics up to the checkpoint."""

_MISSING = object()


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], *, allow: bool) -> list[str]:
    """See that a recipe is still the one that a checkpoint was made with.

    Args:
        before: The resolved recipe that the checkpoint keeps.
        now: The resolved recipe of the run's folder, with the user's changes.
        allow: The user wants to go on with a changed one.

    Returns:
        The differences, a line each, if they are allowed.

    Raises:
        UsageError: There are differences, and they are not.
    """
    found = differences(before, now)
    if found and not allow:
        lines = "\n".join(f"  {line}" for line in found)
        raise UsageError(
            f"the recipe is no longer the one that the checkpoint was made with:\n{lines}",
            hint="Put it back, start another run, or go on with it all the same: --allow-changes",
        )
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """``path: old -> new`` for every value that differs and matters.

    A resolved recipe has every option written out, so one that the old recipe does not have beside
    its others came with a newer version, and has its default.
    """
    one, other = dict(_flat(before)), dict(_flat(now))
    known = {path.rpartition(".")[0] for path in one}
    return [
        f"{path}: {_said(one.get(path, _MISSING))} -> {_said(other.get(path, _MISSING))}"
        for path in dict.fromkeys([*one, *other])
        if one.get(path, _MISSING) != other.get(path, _MISSING)
        and not _is_free(path)
        and not (path not in one and path.rpartition(".")[0] in known)
    ]


def other_versions(manifest: Mapping[str, Any], plugins: Mapping[str, str]) -> list[str]:
    """A line for everything that is not of the version that wrote the checkpoint."""
    now = {"ganforge": ganforge.__version__, "torch": torch.__version__, **plugins}
    then = {
        "ganforge": manifest.get("ganforge"),
        "torch": manifest.get("torch"),
        **manifest.get("plugins", {}),
    }
    return [
        f"the checkpoint was written with {name} {then[name]}, this is {now[name]}: going on, but "
        "not bit for bit"
        for name in then
        if name in now and then[name] is not None and then[name] != now[name]
    ]


def missing_plugins(checkpoints: Path, registry: Registry) -> list[str]:
    """What a run was made with and is not here: ``acme (ganforge-acme 3.1)``."""
    loaded = {plugin.name for plugin in registry.plugins if not (plugin.error or plugin.blocked)}
    for path in reversed(checkpoint.steps(checkpoints).values()):
        try:
            used = dict(checkpoint.read_manifest(path).get("plugins", {}))
        except (OSError, ValueError, TypeError, RecursionError, GanforgeError):
            continue  # resuming itself tells what is wrong with it
        return [f"{name} ({origin})" for name, origin in used.items() if name not in loaded]
    return []


def _is_free(path: str) -> bool:
    return any(path == free or path.startswith(f"{free}.") for free in FREE)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}.{index}")
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _said(value: Any) -> str:
    return "nothing" if value is _MISSING else shown(value)
