"""``ganforge run``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ganforge.cli.completion import RECIPE_NAME
from ganforge.cli.context import registry
from ganforge.cli.playing import DEVICE, OVERRIDES, QUIET, checked, play, tell, terminable


@click.command()
@click.argument("recipe", type=RECIPE_NAME)
@OVERRIDES
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder under which the run gets a folder of its own.",
)
@DEVICE
@click.option(
    "--profile",
    "profiled",
    type=click.IntRange(1, 10_000),
    metavar="STEPS",
    help="Look where the time of so many steps goes: a table, and a trace in the run's folder.",
)
@click.option("--dry-run", is_flag=True, help="Check and build everything; train nothing.")
@QUIET
@terminable()
def run(
    recipe: str,
    overrides: tuple[str, ...],
    output: Path,
    device: str | None,
    profiled: int | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Train what a recipe says.

    RECIPE is a YAML file, or the name of a recipe that ships with ganforge (see list-recipes). Its
    values can be changed behind it: train.epochs=1 generator.channels=64

    The run's folder is printed on standard output.
    """
    from ganforge.recipe.shipped import locate

    wanted = checked(locate(recipe, registry()), overrides)
    # Not before: they import torch, and a recipe that cannot be read is refused at once.
    from ganforge import build, report, runfolder
    from ganforge.cli.quickstart import put_off_compiler
    from ganforge.device import choose
    from ganforge.runlock import hold

    put_off_compiler()
    where = choose(device)
    prepared = build.prepare(wanted, device=where)
    if dry_run:
        report.show_plan(prepared, folder=None)
        click.echo(runfolder.recipe_text(wanted), nl=False)
        return
    folder = runfolder.create(output, wanted.head.name)
    environment = runfolder.describe_environment(
        device=where, plugins=registry().plugins, command=["ganforge", *sys.argv[1:]]
    )
    with hold(folder):
        runfolder.write_head(folder, wanted, environment)
        made = build.start(prepared, folder, tell=tell, quiet=quiet)
        if profiled is not None:
            from ganforge.profiling import Profile

            made.callbacks["profile"] = Profile(profiled)
        play(made, prepared, quiet=quiet)
