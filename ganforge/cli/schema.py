"""``ganforge schema``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ganforge.cli.context import registry
from ganforge.cli.say import say
from ganforge.errors import GanforgeError


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to a file, and print the file's path.",
)
def schema(out: Path | None) -> None:
    """Print the JSON Schema of recipes, made from what is installed.

    An editor with the YAML language server completes and checks recipes by it. A recipe says where
    it is, in a line of its own:  # yaml-language-server: $schema=recipe.schema.json
    """
    from ganforge.engine.files import write_atomic
    from ganforge.recipe.json_schema import recipe_schema

    made = recipe_schema(registry(), tell=lambda line: say(line, err=True))
    text = json.dumps(made, indent=1, ensure_ascii=False)
    if out is None:
        click.echo(text)
        return
    try:
        write_atomic(out, f"{text}\n".encode())
    except OSError as error:
        raise GanforgeError(f"cannot write '{out}': {error.strerror}") from error
    click.echo(str(out))
