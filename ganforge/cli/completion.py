"""What a shell can complete: recipes, components, plugins; none of it imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from ganforge.errors import GanforgeError

if TYPE_CHECKING:
    from ganforge.registry import Registry


def _registry(ctx: click.Context) -> Registry | None:
    """A completion cannot tell what is wrong; the command itself will."""
    from ganforge.cli.context import registry

    try:
        with ctx.scope(cleanup=False):  # click completes outside of every context
            return registry(tell=False)
    except GanforgeError:
        return None


def _starting(incomplete: str, items: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=text or None)
        for name, text in items
        if name.startswith(incomplete)
    ]


class _ComponentName(click.types.StringParamType):
    """The name of a component of the kind that stands before it."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        known = _registry(ctx)
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

        known = _registry(ctx)
        names = [(name, "") for name in shipped(known)] if known else []
        return [CompletionItem(incomplete, type="file"), *_starting(incomplete, names)]


class _PluginName(click.types.StringParamType):
    """An installed plugin, or a file."""

    name = "plugin"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        known = _registry(ctx)
        names = [(f"no:{plugin.name}", plugin.package) for plugin in known.plugins] if known else []
        return [CompletionItem(incomplete, type="file"), *_starting(incomplete, names)]


COMPONENT_NAME = _ComponentName()
RECIPE_NAME = _RecipeName()
PLUGIN_NAME = _PluginName()


_ONLY_FILES = """\
            COMPREPLY=()
            compopt -o default
"""
_FILES_TOO = """\
            compopt -o default
            local files=($(compgen -f -- "$value"))
            if (( ${#files[@]} )); then
                compopt -o filenames
                COMPREPLY+=("${files[@]}")
            fi
"""


@add_completion_class
class _Bash(BashComplete):
    """Bash takes ``no:mnist`` for three words and completes the last one alone.

    click's script offers files only where nothing else is offered; ours offers both.
    """

    name = "bash"
    source_template = BashComplete.source_template.replace(_ONLY_FILES, _FILES_TOO)
    _before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in [*args, incomplete] if incomplete else args:
            if words and (word[0] == ":" or words[-1][-1] == ":"):
                words[-1] += word
            else:
                words.append(word)
        if not incomplete:
            return words, ""
        if words[-1] != incomplete:
            self._before = words[-1][: words[-1].rindex(":") + 1]
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        if item.type == "file":  # the script looks for what begins so
            return f"file,{item.value}"
        return f"{item.type},{item.value.removeprefix(self._before)}"
