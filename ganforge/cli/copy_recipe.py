"""``ganforge copy-recipe``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from shlex import quote

import click

from ganforge.cli.completion import RECIPE_NAME
from ganforge.cli.context import registry
from ganforge.cli.say import say
from ganforge.errors import GanforgeError, UsageError

_RUN_LINE = re.compile(r"\A(# ganforge (run|resume) .*\n)?")


@click.command()
@click.argument("name", type=RECIPE_NAME)
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there already.")
def copy_recipe(name: str, dest: Path | None, force: bool) -> None:
    """Copy an installed recipe, to change it.

    DEST is a file or a folder; without it the copy is NAME.yaml in the working folder. Plugin files
    beside the recipe are copied with it. The copy's path is printed on standard output.
    """
    from ganforge.printable import visible
    from ganforge.recipe.reader import read_file
    from ganforge.recipe.shipped import locate

    source = locate(name, registry())
    # A plugin may call a recipe other than its file.
    own = source.name if source == Path(name) else f"{Path(name.rpartition(':')[2]).stem}.yaml"
    target = Path(own) if dest is None else dest
    target = target / own if target.is_dir() else target
    if target.suffix not in (".yaml", ".yml"):
        raise UsageError(
            f"'{target}' is no name for a recipe",
            hint="Name a folder that exists, or a file that ends in .yaml.",
        )
    plugins = read_file(source).value.get("plugins")
    copies = {
        target.parent / plugin: source.parent / plugin
        for plugin in (plugins if isinstance(plugins, list) else ())
        if _is_beside(str(plugin), source)
    }
    text = source.read_text(encoding="utf-8")
    text = _RUN_LINE.sub(lambda _: f"# ganforge run {visible(quote(str(target)))}\n", text)
    if target.exists() and target.samefile(source):
        raise UsageError(f"'{target}' is the recipe itself", hint="Name another place.")
    for path in (target, *copies):
        if path.exists() and not force:
            raise UsageError(
                f"'{path}' is there already", hint="Name another place, or replace it with --force."
            )
    try:
        target.write_text(text, encoding="utf-8")
        for path, original in copies.items():
            _copy(original, path)
    except OSError as error:
        raise GanforgeError(f"cannot write '{target}': {error.strerror}") from error
    click.echo(str(target))
    say(f"Next: ganforge run {quote(str(target))}", err=True)


def _is_beside(plugin: str, recipe: Path) -> bool:
    """Whether this is a plugin file or folder that goes where the recipe goes."""
    folder = recipe.parent.resolve()
    path = (folder / plugin).resolve()
    return (plugin.endswith(".py") or "/" in plugin) and path.exists() and folder in path.parents


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
