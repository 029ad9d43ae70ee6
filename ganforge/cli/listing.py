"""``ganforge list-plugins`` and ``ganforge list-recipes``; neither imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ganforge.cli.context import registry
from ganforge.hookspecs import KINDS

if TYPE_CHECKING:
    from rich.table import Table

    from ganforge.registry import Plugin

JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.command()
@click.option("--kind", type=click.Choice(KINDS), help="Only plugins that provide this kind.")
@JSON
def list_plugins(kind: str | None, as_json: bool) -> None:
    """Show the installed plugins and what each provides."""
    plugins = [
        plugin
        for plugin in registry(tell=False).plugins
        if kind is None or plugin.error or any(c.kind == kind for c in plugin.components)
    ]
    if as_json:
        print_json([_facts(plugin, kind) for plugin in plugins])
        return
    from rich.table import Table

    table = Table("plugin", "version", "package", "provides", box=None, pad_edge=False)
    for plugin in plugins:
        provides = f"not loaded: {plugin.error}" if plugin.error else _provides(plugin, kind)
        table.add_row(plugin.name, plugin.version, plugin.package, provides)
    _print(table)


@click.command()
@JSON
def list_recipes(as_json: bool) -> None:
    """Show the recipes that ship with ganforge."""
    from ganforge.recipe.shipped import shipped, summary

    recipes = {name: (path, summary(path)) for name, path in shipped().items()}
    if as_json:
        rows = [{"name": n, "path": str(p), "summary": s} for n, (p, s) in recipes.items()]
        print_json(rows)
        return
    from rich.table import Table

    table = Table("recipe", "what it is", box=None, pad_edge=False)
    for name, (_, text) in recipes.items():
        table.add_row(name, text)
    _print(table)


def print_json(facts: object) -> None:
    """Facts for programs, on standard output."""
    import json

    click.echo(json.dumps(facts, indent=2))


def _provides(plugin: Plugin, kind: str | None) -> str:
    """One line a kind: ``loss: hinge, minimax``."""
    lines = []
    for each in KINDS if kind is None else (kind,):
        names = [c.name for c in plugin.components if c.kind == each]
        if names:
            lines.append(f"{each}: {', '.join(names)}")
    return "\n".join(lines)


def _facts(plugin: Plugin, kind: str | None) -> dict[str, object]:
    return {
        "plugin": plugin.name,
        "version": plugin.version,
        "package": plugin.package,
        "error": plugin.error,
        "provides": [
            {"kind": c.kind, "name": c.name, "summary": c.summary}
            for c in plugin.components
            if kind is None or c.kind == kind
        ],
    }


def _print(table: Table) -> None:
    """A table to standard output; where that is no terminal, nothing is cut to a width."""
    from rich.console import Console

    for column in table.columns:
        column.overflow = "fold"
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
