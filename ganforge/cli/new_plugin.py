"""``ganforge new-plugin``."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

import click

from ganforge.cli.context import registry
from ganforge.cli.say import say
from ganforge.hookspecs import KINDS


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    metavar="KIND",
    multiple=True,
    help="What it provides; give it again for more. [default: generator and discriminator]",
)
@click.option(
    "--dest",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Folder in which the new one is made. [default: the working folder]",
)
def new_plugin(name: str, kinds: tuple[str, ...], dest: Path) -> None:
    """Write a plugin package to start from.

    It holds a working example of each KIND (dataset, generator, discriminator, encoder, game, loss,
    regularizer, augmentation, optimizer, schedule or callback), a recipe that trains with them,
    tests, and all that pip needs. An encoder comes with a game that has a place for it. The new
    folder, ganforge-NAME, is printed on standard output.
    """
    from ganforge.scaffold import folder, project
    from ganforge.scaffold.kinds import chosen
    from ganforge.scaffold.names import check_free, parse

    names, wanted = parse(name), chosen(kinds)
    check_free(names, registry())
    target = dest / names.distribution
    folder.write(target, project.files(names, wanted))
    click.echo(str(target))
    say(_next(target, names.plugin), err=True)


def _next(target: Path, name: str) -> str:
    """The commands that come after it."""
    place = str(target) if len(target.parts) > 1 else f".{os.sep}{target}"  # pip needs a slash
    return "\n".join(
        [
            "Next:",
            f"  pip install -e {quote(f'{place}[test]')}",
            "  ganforge list-plugins",
            f"  ganforge check-plugin {name}",
            f"  ganforge run {name}",
            f"  pytest {quote(place)}",
        ]
    )
