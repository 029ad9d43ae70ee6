"""A group of commands that imports a command's module only when that command is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from ganforge import __version__
from ganforge.cli.context import plugin_option, registry
from ganforge.cli.say import say
from ganforge.errors import GanforgeError, PluginError, in_one_line, nearest


class LazyGroup(click.Group):
    """Commands by section, given as ``"module:name"``; plugins' own commands stand behind them.

    Args:
        sections: Section title to command name to where it is.
    """

    def __init__(
        self, *args: Any, sections: Mapping[str, Mapping[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._targets = {n: t for part in sections.values() for n, t in part.items()}
        self._plugins_asked = False

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (GanforgeError, click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            raise _fault(error) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask_plugins(ctx)
        return [*self._targets, *sorted(set(self.commands) - set(self._targets))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self._targets:
            module, _, attribute = self._targets[name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            if not any(p.name == "plugin" for p in command.params):
                command.params.append(plugin_option())
            return command
        self._ask_plugins(ctx)
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            guess = nearest(args[0], self.list_commands(ctx))
            if guess is None:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{guess}'?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        sections = {title: list(part) for title, part in self.sections.items()}
        sections["From plugins"] = [name for name in names if name not in self._targets]
        for title, commands in sections.items():
            rows = [(name, self._summary(ctx, name)) for name in commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _summary(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=70) if command else ""

    def _ask_plugins(self, ctx: click.Context) -> None:
        """Let plugins add commands; one that fails is reported and leaves the others alone."""
        if self._plugins_asked:
            return
        self._plugins_asked = True
        with ctx:
            plugins = registry().plugins
        for plugin in plugins:
            if plugin.add_commands is None:
                continue
            before = dict(self.commands)
            try:
                plugin.add_commands(self)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
                told = in_one_line(error)
                say(f"{plugin}: register_commands failed: {told}", err=True)
            for name, command in list(self.commands.items()):
                if name in self._targets or before.get(name, command) is not command:
                    say(f"{plugin}: there is a command '{name}' already", err=True)
                    del self.commands[name]
                    if name in before:
                        self.commands[name] = before[name]


def _fault(error: Exception) -> PluginError:
    """An unexpected exception as the fault of the plugin in whose code it arose, or as ours."""
    from ganforge.faults import blame

    plugin = blame(error, registry(tell=False))
    return PluginError(
        f"{plugin or f'ganforge {__version__}'} failed: {error!r}",
        hint="What the run saved before is untouched." if plugin else "Please report this.",
    )
