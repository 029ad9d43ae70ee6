"""The command line: every command with its own help."""

from __future__ import annotations

import click
from markdown_text import fence

from ganforge.cli import cli
from ganforge.cli.lazy import LazyGroup

WIDTH = 90


def every_command() -> str:
    """All commands, in the sections of ``ganforge --help``."""
    assert isinstance(cli, LazyGroup)
    parts = []
    with click.Context(cli, info_name="ganforge") as context:
        for title, names in cli.sections.items():
            parts.append(f"## {title}")
            for name in names:
                command = cli.get_command(context, name)
                assert command is not None
                parts.append(f"### ganforge {name} {{ #{name} }}")
                parts.append(fence("text", _help(command, name)))
    return "\n\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    names = {"help_option_names": ["-h", "--help"]}
    context = click.Context(
        command,
        info_name=f"ganforge {name}",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        **names,  # type: ignore[arg-type]
    )
    return command.get_help(context)
