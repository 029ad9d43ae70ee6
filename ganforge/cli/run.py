"""``ganforge run`` and ``ganforge resume``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.completion import RECIPE_NAME
from ganforge.cli.context import registry
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from ganforge.engine.clock import Clock
    from ganforge.engine.run import Run
    from ganforge.recipe.schema import Recipe

DEVICE = click.option("--device", help="auto (the default), cpu, cuda, cuda:1, mps.")
CHANGEABLE = ("train.epochs=", "train.steps=", "callbacks")
"""What a resumed run may have other than its checkpoint had."""
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress on the terminal.")
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


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
@click.option("--dry-run", is_flag=True, help="Check and build everything; train nothing.")
@QUIET
def run(
    recipe: str,
    overrides: tuple[str, ...],
    output: Path,
    device: str | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Train what a recipe says.

    RECIPE is a YAML file, or the name of a recipe that ships with ganforge (see list-recipes). Its
    values can be changed behind it: train.epochs=1 generator.channels=64

    The run's folder is printed on standard output.
    """
    from ganforge.recipe.shipped import locate

    checked = _check(locate(recipe, registry()), overrides)
    # Not before: they import torch, and a recipe that cannot be read is refused at once.
    from ganforge import build, report, runfolder

    chosen = _choose(device)
    prepared = build.prepare(checked, device=chosen)
    if dry_run:
        report.show_plan(prepared, folder=None)
        click.echo(runfolder.recipe_text(checked), nl=False)
        return
    folder = runfolder.create(output, checked.head.name)
    environment = runfolder.describe_environment(
        device=chosen, plugins=registry().plugins, command=["ganforge", *sys.argv[1:]]
    )
    runfolder.write_head(folder, checked, environment)
    _play(build.start(prepared, folder, quiet=quiet), prepared, quiet=quiet)


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@OVERRIDES
@DEVICE
@QUIET
def resume(folder: Path, overrides: tuple[str, ...], device: str | None, quiet: bool) -> None:
    """Go on with a run that was stopped, from its newest checkpoint.

    RUN is the run's folder. A finished run can be made longer: ganforge resume RUN train.epochs=20.
    Nothing else but its callbacks can be changed.
    """
    from ganforge import build, runfolder
    from ganforge.engine import checkpoint

    for override in overrides:
        if not override.startswith(CHANGEABLE):
            raise UsageError(
                f"a run cannot be resumed with '{override}': "
                f"only {', '.join(CHANGEABLE)} can change",
                hint=f"Start another run: ganforge run {quote(str(folder / runfolder.RECIPE))} "
                f"{quote(override)}",
            )
    newest = runfolder.check_resumable(folder)
    checked = _check(folder / runfolder.RECIPE, overrides)
    chosen = _choose(device)
    prepared = build.prepare(checked, device=chosen)
    resumed = build.start(prepared, folder, quiet=quiet)
    resumed.load_state_dict(checkpoint.load(newest, device=chosen))
    if resumed.clock.finished:
        click.echo(
            f"Nothing to do: the run has completed {resumed.clock.step:,} steps; its recipe asks "
            f"for {resumed.clock.total_steps:,}.\nTo train longer: ganforge resume "
            f"{quote(str(folder))} {_longer(prepared.recipe, resumed.clock)}",
            err=True,
        )
        return
    if overrides:
        runfolder.write_recipe(folder, checked)
    _play(resumed, prepared, quiet=quiet)


def _longer(recipe: Recipe, clock: Clock) -> str:
    """An override that doubles what a run has trained."""
    if recipe.train.steps is not None:
        return f"train.steps={2 * clock.step}"
    return f"train.epochs={2 * clock.epoch:g}"


def _check(path: Path, overrides: tuple[str, ...]) -> Recipe:
    """Read and check a recipe; nothing of it has run yet."""
    from ganforge.recipe.load import load

    recipe, notes = load(path, registry(), overrides)
    registry()  # tells what the recipe's own plugins have to say
    for note in notes:
        click.echo(note, err=True)
    return recipe


def _choose(device: str | None) -> Any:
    from ganforge.device import choose

    return choose(device)


def _play(run: Run, prepared: Any, *, quiet: bool) -> None:
    """Train, show how it went, and exit with the code that says how it ended."""
    from ganforge import report

    if not quiet:
        report.show_plan(prepared, folder=run.folder)
    with _stop_on_signals(run):
        outcome = run.play()
    report.show_end(run, quiet=quiet)
    click.echo(str(run.folder))
    if outcome == "stopped" and run.stop_signal is not None:
        sys.exit(128 + run.stop_signal)


@contextmanager
def _stop_on_signals(run: Run) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the run after the step under way; a second Ctrl-C at once."""

    def ask(number: int, _frame: object) -> None:
        if run.stop_signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        run.request_stop(signal.Signals(number))

    caught = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
