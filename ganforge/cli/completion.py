"""What a shell can complete: recipes, components, plugins; none of it imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from ganforge.errors import GanforgeError

if TYPE_CHECKING:
    from ganforge.registry import Registry


def _registry() -> Registry | None:
    """A completion cannot tell what is wrong; the command itself will."""
    from ganforge.cli.context import registry

    try:
        return registry(tell=False)
    except GanforgeError:
        return None


def _starting(
    incomplete: str, items: Iterable[tuple[str, str]], *, quoted: str = ""
) -> list[CompletionItem]:
    return [
        CompletionItem(f"{quoted}{name}", help=text or None)
        for name, text in items
        if name.startswith(incomplete)
    ]


class _ComponentName(click.types.StringParamType):
    """The name of a component of the kind that stands before it."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        known = _registry()
        kind = ctx.params.get("kind")
        if known is None or kind is None:
            return []
        items = [(name, known.find(kind, name).summary) for name in known.names(kind)]
        return _starting(incomplete, items)


class _RecipeName(click.types.StringParamType):
    """A recipe's file, or the name of one that is shipped."""

    name = "recipe"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from ganforge.recipe.shipped import shipped

        known = _registry()
        names = [(name, "") for name in shipped(known)] if known else []
        return [*_starting(incomplete, names), CompletionItem(incomplete, type="file")]


class _PluginName(click.types.StringParamType):
    """An installed plugin, or a file."""

    name = "plugin"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        known = _registry()
        names = [(plugin.name, plugin.package) for plugin in known.plugins] if known else []
        if incomplete.startswith("no:"):
            return _starting(incomplete[3:], names, quoted="no:")
        return [*_starting(incomplete, names), CompletionItem(incomplete, type="file")]


COMPONENT_NAME = _ComponentName()
RECIPE_NAME = _RecipeName()
PLUGIN_NAME = _PluginName()
