"""What ``ganforge run`` and ``ganforge resume`` share: options, checking, training to the end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.context import registry
from ganforge.cli.say import say
from ganforge.errors import Terminated

if TYPE_CHECKING:
    from ganforge.engine.run import Run
    from ganforge.recipe.schema import Recipe

DEVICE = click.option("--device", help="auto (the default), cpu, cuda, cuda:1, mps.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress on the terminal.")
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def tell(line: str) -> None:
    """A line about something that went wrong and stops nothing."""
    say(line, err=True)


def checked(path: Path, overrides: tuple[str, ...]) -> Recipe:
    """Read and check a recipe; nothing of it has run yet."""
    from ganforge.recipe.load import load

    recipe, notes = load(path, registry(), overrides)
    registry()  # tells what the recipe's own plugins have to say
    for note in notes:
        tell(note)
    return recipe


def play(run: Run, prepared: Any, *, quiet: bool) -> None:
    """Train, show how it went, and exit with the code that says how it ended."""
    from ganforge import report

    if not quiet:
        report.show_plan(prepared, folder=run.folder)
    with _stop_on_signals(run):
        outcome = run.play()
    report.show_end(run, quiet=quiet)
    click.echo(str(run.folder))
    if outcome == "stopped" and isinstance(run.stop_reason, signal.Signals):
        sys.exit(128 + run.stop_reason)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends the command in order; its children end, and its files are whole."""

    def end(_number: int, _frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _stop_on_signals(run: Run) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the run before its next batch; a second Ctrl-C at once."""

    def ask(number: int, _frame: object) -> None:
        if not isinstance(run.stop_reason, signal.Signals):
            run.request_stop(signal.Signals(number))
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    caught = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, ask) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
