"""Whether a run may go on from a checkpoint, with the recipe that it has now."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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
    "train.memory_format",
    "train.compile",
    "train.cuda_graphs",
    "train.threads",
    "train.verify",
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
    try:
        found = differences(before, now)
    except RecursionError as error:
        raise GanforgeError(
            "the recipe that the checkpoint keeps is nested too deep to be one",
            hint="Delete its folder to resume from the checkpoint before it.",
        ) from error
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


def check_inside(folder: Path) -> None:
    """See that nothing in a run's folder leads out of it: resuming it reads and writes there.

    Raises:
        UsageError: There is a link to elsewhere, or what is neither file nor folder.
    """
    home = os.path.realpath(folder)
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(place, name)
            target = Path(os.path.realpath(path))
            if path.is_symlink() and not target.is_relative_to(home):
                raise UsageError(
                    f"'{path}' is a link that leads out of the run's folder, to '{target}'",
                    hint="Put a copy of what it leads to in its place, if you trust this run.",
                )
            if name in files and target.exists() and not stat.S_ISREG(target.stat().st_mode):
                raise UsageError(f"'{path}' is no file that a run writes", hint="Remove it.")


def check_plugins_inside(folder: Path, named: Iterable[str]) -> None:
    """See that the plugin files that a run names are its own copies, or installed modules.

    Raises:
        UsageError: One is a file elsewhere, which the user has not named.
    """
    home = os.path.realpath(folder)
    for name in named:
        if not (name.endswith((".", ".py")) or "/" in name or "\\" in name):
            continue
        place = Path(os.path.realpath(folder / Path(name).expanduser()))
        if not place.is_relative_to(home):
            raise UsageError(
                f"the run in '{folder}' names the plugin '{name}', which is not in its folder",
                hint="A run keeps copies of its plugin files. If you trust this one, copy it to "
                f"{folder / 'plugins'} and name it plugins/{place.name} in the run's recipe.yaml.",
            )


def check_trainer(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that what a checkpoint has of a trainer is built like what a run has of it now.

    Raises:
        ValueError: It is not; where is told.
    """
    check_state(then, now)
    tally = then.get("tally", {})
    for name, values in tally.items():  # empty between two steps, and so in a run that is new
        for key, value in values.items():
            if _kind(value) != "a number":
                raise ValueError(f"'tally.{name}.{key}' is {_kind(value)}, where a number is due")


def check_state(then: Any, now: Any, place: str = "") -> None:
    """See that a state is built like another.

    What is empty now, such as what an optimizer has before its first step, may become anything.

    Raises:
        ValueError: Something in it is of another type or shape; where is told.
    """
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for name in now.keys() & then.keys():
            check_state(then[name], now[name], f"{place}.{name}".lstrip("."))
    elif isinstance(now, list | tuple) and isinstance(then, list | tuple):
        for index, (one, other) in enumerate(zip(then, now, strict=False)):
            check_state(one, other, f"{place}.{index}")
    elif _kind(now) != _kind(then) and now is not None:
        raise ValueError(f"'{place}' is {_kind(then)}, where {_kind(now)} is due")
    elif isinstance(then, Tensor) and isinstance(now, Tensor) and then.shape != now.shape:
        raise ValueError(f"'{place}' has shape {tuple(then.shape)}, not {tuple(now.shape)}")


def _kind(value: Any) -> str:
    if isinstance(value, bool | int | float) or (isinstance(value, Tensor) and value.dim() == 0):
        return "a number"
    kinds = {Mapping: "a mapping", list | tuple: "a list", Tensor: "a tensor", str: "a text"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "nothing")


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
