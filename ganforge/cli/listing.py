"""``ganforge list-plugins`` and ``ganforge list-recipes``; neither imports torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganforge.cli.columns import columns
from ganforge.cli.context import registry
from ganforge.cli.say import say
from ganforge.errors import PluginError, in_one_line
from ganforge.hookspecs import KINDS

if TYPE_CHECKING:
    from ganforge.registry import AddCommands, Component, Plugin, Registry

JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.command()
@click.option("--kind", type=click.Choice(KINDS), help="Only plugins that provide this kind.")
@click.option("--check", is_flag=True, help="Import every component; exit code 1 if one is broken.")
@JSON
def list_plugins(kind: str | None, check: bool, as_json: bool) -> None:
    """Show the installed plugins and what each provides."""
    known = registry(tell=False)
    plugins = [
        plugin
        for plugin in known.plugins
        if kind is None
        or plugin.error
        or plugin.blocked
        or any(c.kind == kind for c in plugin.components)
    ]
    faults = {plugin.name: _faults(plugin, known, kind, check=check) for plugin in plugins}
    if as_json:
        print_json([_facts(plugin, kind, faults[plugin.name]) for plugin in plugins])
    else:
        _show_plugins(plugins, known, kind, faults)
    if check and any(plugin.error or faults[plugin.name] for plugin in plugins):
        sys.exit(1)


def _show_plugins(
    plugins: list[Plugin], known: Registry, kind: str | None, faults: dict[str, list[str]]
) -> None:
    rows = []
    for plugin in plugins:
        lines = [*_provides(plugin, known, kind), *faults[plugin.name]]
        lines += [f"note: {note}" for note in plugin.notes]
        origin = str(plugin.path or plugin.package)
        rows.append((plugin.name, plugin.version, origin, "\n".join(lines)))
    say(columns(("plugin", "version", "package", "provides"), rows))


def _faults(plugin: Plugin, known: Registry, kind: str | None, *, check: bool) -> list[str]:
    """What keeps a plugin's components from being used by their names, a line each."""
    faults = []
    for component in plugin.components:
        if kind is not None and component.kind != kind:
            continue
        others = [c.plugin.name for c in known.namesakes(component) if c is not component]
        if others and known.name_of(component) != component.name:
            own = f"{component.kind} '{component.name}' is also of {', '.join(others)}"
            faults.append(f"clash: {own}: write {known.name_of(component)}")
        if check:
            faults += _broken(component)
    if check and plugin.add_commands is not None:
        faults += _broken_commands(plugin.add_commands)
    return faults


def _broken_commands(add_commands: AddCommands) -> list[str]:
    try:
        add_commands(click.Group())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
        return [f"broken: register_commands: {in_one_line(error)}"]
    return []


def _broken(component: Component) -> list[str]:
    from ganforge.options import read_signature

    try:
        read_signature(component.load(), component.kind)
    except PluginError as error:
        return [f"broken: {component.kind} '{component.name}': {error.message}"]
    return []


@click.command()
@JSON
def list_recipes(as_json: bool) -> None:
    """Show the installed recipes: what each is, and how long it takes."""
    from ganforge.recipe.shipped import shipped

    rows = [
        {"name": name, "from": recipe.origin, "path": str(recipe.path), **_head(recipe.path)}
        for name, recipe in shipped(registry()).items()
    ]
    if as_json:
        print_json(rows)
        return
    keys = ("name", "expected_time", "from", "description")
    told = [[row[key] or "" for key in keys] for row in rows]
    say(columns(("recipe", "expected time", "from", "what it is"), told))


def _head(path: Path) -> dict[str, str | None]:
    """What a recipe says of itself; one that cannot be read says so."""
    from ganforge.errors import UsageError
    from ganforge.recipe.reader import read_file

    try:
        value = read_file(path).value
    except UsageError:
        told = f"cannot be read: see ganforge validate {path}"
        return {"description": told, "expected_time": None}
    found = {key: value.get(key) for key in ("description", "expected_time")}
    return {key: text if isinstance(text, str) else None for key, text in found.items()}


def print_json(facts: object) -> None:
    """Facts for programs, on standard output."""
    import json

    click.echo(json.dumps(facts, indent=2))


def _provides(plugin: Plugin, known: Registry, kind: str | None) -> list[str]:
    """One line a kind, ``loss: one, two``; or why it provides nothing."""
    if plugin.error or plugin.blocked:
        return [f"not loaded: {plugin.error or plugin.blocked}"]
    lines = []
    for each in KINDS if kind is None else (kind,):
        names = [known.name_of(c) for c in plugin.components if c.kind == each]
        if names:
            lines.append(f"{each}: {', '.join(names)}")
    if plugin.recipes and kind is None:
        lines.append(f"recipe: {', '.join(plugin.recipes)}")
    if plugin.add_commands and kind is None:
        lines.append("commands")
    return lines


def _facts(plugin: Plugin, kind: str | None, faults: list[str]) -> dict[str, object]:
    return {
        "plugin": plugin.name,
        "version": plugin.version,
        "package": plugin.package,
        "path": str(plugin.path) if plugin.path else None,
        "error": plugin.error,
        "blocked": plugin.blocked,
        "faults": faults,
        "notes": plugin.notes,
        "recipes": {name: str(path) for name, path in plugin.recipes.items()},
        "provides": [
            {"kind": c.kind, "name": c.name, "summary": c.summary}
            for c in plugin.components
            if kind is None or c.kind == kind
        ],
    }
