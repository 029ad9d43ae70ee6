"""A run's folder: where it is, and what is written before the first step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from shlex import quote
from typing import Any

import torch
import yaml

from ganforge.engine import checkpoint
from ganforge.engine.files import write_atomic
from ganforge.environment import device_name, origins, versions
from ganforge.errors import GanforgeError, UsageError
from ganforge.printable import visible
from ganforge.recipe.reader import read_file
from ganforge.recipe.schema import Recipe
from ganforge.registry import Plugin

RECIPE = "recipe.yaml"
PLUGINS = "plugins"
ENVIRONMENT = "environment.json"


class _Dumper(yaml.SafeDumper):
    """Writes a list that occurs twice twice: recipes have no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def recipe_text(recipe: Recipe, **changed: Any) -> str:
    """The resolved recipe as YAML; ``changed`` are top-level keys with another value."""
    plain = recipe.plain()
    plain.update(changed)
    text: str = yaml.dump(
        plain, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100
    )
    return text


def create(output: Path, name: str) -> Path:
    """Make the next free folder ``output/name/00001``.

    Raises:
        GanforgeError: The folder cannot be made.
    """
    parent = output / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name) for path in parent.iterdir() if path.name.isdecimal()]
        number = max(taken, default=0)
        while True:
            number += 1
            folder = parent / f"{number:05d}"
            try:
                folder.mkdir()
            except FileExistsError:  # another run was faster
                continue
            return folder
    except OSError as error:
        raise GanforgeError(
            f"cannot make a run folder in '{parent}': {error.strerror}",
            hint="Choose a folder that you may write to with -o DIR.",
        ) from error


def describe_environment(
    *, device: torch.device, plugins: Iterable[Plugin], command: list[str]
) -> dict[str, Any]:
    """Versions of everything that a result may depend on, and the command that made it."""
    return {
        **versions(),
        "plugins": origins(plugins),
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "command": command,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write the resolved recipe, and beside it the plugin files that it names.

    A run can so be resumed and used when the originals have changed or are gone.
    """
    command = f"ganforge resume {visible(quote(str(folder)))}"
    head = f"# {command}\n# The recipe of this run, with every default written out.\n"
    named = [_copied(plugin, folder / PLUGINS) for plugin in recipe.plugins]
    text = recipe_text(recipe, **({"plugins": named} if named else {}))
    write_atomic(folder / RECIPE, (head + text).encode())


def _copied(plugin: Plugin, folder: Path) -> str:
    """Copy a plugin's file or package; what the resolved recipe calls it."""
    if plugin.path is None:
        return plugin.module
    target = folder / plugin.path.name
    if plugin.path != target.resolve():
        folder.mkdir(exist_ok=True)
        if plugin.path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(plugin.path, target, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copyfile(plugin.path, target)
    return f"{PLUGINS}/{plugin.path.name}"


def own_plugins(folder: Path) -> list[str]:
    """What the recipe of a run names as its plugins, in this folder or as modules.

    An exported file may lie anywhere, beside no recipe or one that is none; it says itself what it
    needs.
    """
    try:
        named = read_file(folder / RECIPE).value.get("plugins")
    except UsageError:
        return []
    return [str(name) for name in named] if isinstance(named, list) else []


def write_head(folder: Path, recipe: Recipe, environment: dict[str, Any]) -> None:
    """Write what is known before the first step: the resolved recipe and the environment."""
    write_recipe(folder, recipe)
    write_atomic(folder / ENVIRONMENT, (json.dumps(environment, indent=2) + "\n").encode())


def check_resumable(folder: Path) -> None:
    """See that this is the folder of a run that has saved.

    Raises:
        UsageError: This is no run folder, or it has no checkpoint.
    """
    if not (folder / RECIPE).is_file():
        raise UsageError(
            f"'{folder}' is no run folder: it has no {RECIPE}",
            hint="Name a folder such as runs/mnist_dcgan/00001.",
        )
    if not checkpoint.steps(folder / "checkpoints"):
        raise UsageError(
            f"'{folder}' has no checkpoint to resume from",
            hint=f"Start it afresh with: ganforge run {quote(str(folder / RECIPE))}",
        )
