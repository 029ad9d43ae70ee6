"""The registry of the command under way: what is installed, and what ``-p`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ganforge.cli.completion import PLUGIN_NAME
from ganforge.cli.say import say

if TYPE_CHECKING:
    from ganforge.registry import Plugin, Registry

_OPTIONS = "ganforge.plugins"
_REGISTRY = "ganforge.registry"
_TOLD = "ganforge.told"


def _remember(ctx: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> None:
    ctx.find_root().meta.setdefault(_OPTIONS, []).extend(value)


def plugin_option() -> click.Option:
    """``-p``: every command has it, before or behind the command's name."""
    return click.Option(
        ["-p", "--plugin"],
        multiple=True,
        metavar="PLUGIN",
        type=PLUGIN_NAME,
        expose_value=False,
        is_eager=True,
        callback=_remember,
        help="Load a plugin: FILE.py, a folder or a module. no:NAME leaves an installed one out.",
    )


def registry(*, tell: bool = True) -> Registry:
    """Everything that is installed or named with ``-p``; loaded once for each command.

    Args:
        tell: Print a line on standard error for each plugin that could not be loaded.
    """
    from ganforge.plugins import load_registry
    from ganforge.selection import select

    root = click.get_current_context().find_root()
    selection = select(root.meta.get(_OPTIONS, ()))
    known = root.meta.get(_REGISTRY)
    if known is None or known[0] != selection:
        known = root.meta[_REGISTRY] = (selection, load_registry(selection=selection))
    if tell and not root.resilient_parsing:
        _tell(known[1].plugins, root.meta.setdefault(_TOLD, set()))
    loaded: Registry = known[1]
    return loaded


def _tell(plugins: list[Plugin], told: set[str]) -> None:
    for plugin in plugins:
        if plugin.name in told:
            continue
        told.add(plugin.name)
        if plugin.error:
            say(f"{plugin} was not loaded: {plugin.error}", err=True)
        for note in plugin.notes:
            say(f"{plugin}: {note}", err=True)
