"""Checks of a plugin as a whole: its hook module, and the recipes that it ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ganforge.discovery import installed
from ganforge.errors import GanforgeError
from ganforge.recipe.load import load
from ganforge.registry import Plugin, Registry
from ganforge.testing.findings import Remark, Unchecked, Wrong, checks
from ganforge.testing.places import Place

SECONDS = 120
HEAVY = ("numpy", "matplotlib", "pydantic", "PIL", "scipy", "pandas", "torchvision", "sklearn")
"""What takes long to import beside torch."""

_PROBE = """
import json, sys
from ganforge.plugins import add_named, load_registry
from ganforge.registry import Registry
from ganforge.selection import Selection
plugin = json.loads(sys.argv[1])
if plugin["named"]:
    add_named(Registry([]), plugin["module"])
else:
    only = (plugin["package"],)
    load_registry(selection=Selection(only=only, blocked=tuple(plugin["others"]), strict=True))
print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
"""Loads one plugin in a fresh process, as every command does, and tells what it has imported."""

BY_TEXT = (
    "Name targets by text, 'package.module:Name', and import nothing heavy beside them: what the "
    "hook module imports, every command of ganforge imports."
)


def loads(plugin: Plugin) -> None:
    """It can be imported, and its hooks can be called."""
    if plugin.error:
        raise Wrong(f"it was not loaded: {plugin.error}", _remedy(plugin))


def _remedy(plugin: Plugin) -> str:
    cause = plugin.cause
    where = Place.of_plugin(plugin).own(cause) if cause else None
    where = where or str(plugin.path or f"the module {plugin.module}")
    if isinstance(cause, ModuleNotFoundError):
        return f"Install '{cause.name}', or correct the import: {where}."
    hint: str | None = getattr(cause, "hint", None)
    return hint or f"Correct {where}."


def registers_something(plugin: Plugin) -> str:
    """It provides a component, a recipe or a command."""
    _loaded(plugin)
    parts = [f"{component.kind} {component.name}" for component in plugin.components]
    parts += [f"recipe {name}" for name in plugin.recipes]
    parts += ["commands"] if plugin.add_commands else []
    if not parts:
        raise Wrong(
            "it provides nothing",
            "Write a hook such as register_generators(register), mark it with @ganforge.hookimpl, "
            'and call register("name", "package.module:Name", summary="...") in it.',
        )
    return ", ".join(parts)


def hook_imports(plugin: Plugin) -> None:
    """Its hook module imports no torch: listing, help and completion stay fast."""
    _loaded(plugin)
    if plugin.path is not None:
        raise Unchecked("a plugin file may hold networks; that matters when it is installed")
    if not (plugin.components or plugin.recipes or plugin.add_commands):
        raise Unchecked("it provides nothing")
    names = {entry.name for entry in installed()}
    facts = {
        "named": plugin.named,
        "module": plugin.module,
        "package": plugin.package,
        "others": sorted(names - {plugin.name}) if plugin.name in names else [],
    }
    path = os.pathsep.join(filter(None, sys.path))
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, json.dumps(facts)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"in a fresh process it does not load within {SECONDS} s", BY_TEXT) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Wrong(
            f"it loads here, but not in a fresh process: {last}",
            "Let the hook module depend on nothing that something else has imported or set.",
        )
    imported = json.loads(done.stdout.splitlines()[-1])
    if "torch" in imported:
        raise Wrong("its hook module imports torch", BY_TEXT)
    heavy = [name for name in HEAVY if name in imported]
    if heavy:
        raise Remark(f"its hook module imports {', '.join(heavy)}. {BY_TEXT}")


def notes(plugin: Plugin) -> None:
    """What was noticed while it was loaded."""
    _loaded(plugin)
    told = [note for note in plugin.notes if "torch" not in note and "no hook" not in note]
    if told:  # what is left out, other checks tell
        raise Remark("; ".join(told))


CHECKS = checks(loads, registers_something, hook_imports, notes)


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe of the plugin."""

    path: Path
    registry: Registry


def valid(recipe: ShippedRecipe) -> None:
    """A recipe that the plugin ships is one that ``run`` takes."""
    own = Registry(list(recipe.registry.plugins))  # plugins that it names are added
    try:
        load(recipe.path, own)
    except GanforgeError as error:
        again = f"See it again with: ganforge validate {recipe.path}"
        raise Wrong(error.message, f"{error.hint}\n{again}" if error.hint else again) from error


RECIPE_CHECKS = checks(valid)


def _loaded(plugin: Plugin) -> None:
    if plugin.error:
        raise Unchecked("it was not loaded")
