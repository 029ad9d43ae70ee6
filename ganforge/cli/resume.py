"""``ganforge resume``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from ganforge.cli.context import registry
from ganforge.cli.playing import DEVICE, OVERRIDES, QUIET, checked, play, tell, terminable
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from ganforge.engine.checkpoint import Loaded
    from ganforge.engine.clock import Clock
    from ganforge.engine.run import Run
    from ganforge.recipe.schema import Recipe


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@OVERRIDES
@DEVICE
@click.option("--allow-changes", is_flag=True, help="Go on with a recipe that was changed.")
@QUIET
@terminable()
def resume(
    folder: Path,
    overrides: tuple[str, ...],
    device: str | None,
    allow_changes: bool,
    quiet: bool,
) -> None:
    """Go on with a run that was stopped, from its newest checkpoint that is whole.

    RUN is the run's folder. A finished run can be made longer: ganforge resume RUN train.epochs=20.
    Its callbacks can be changed, too; anything else only with --allow-changes.
    """
    from ganforge import runfolder

    runfolder.check_resumable(folder)
    from ganforge import build, resuming

    resuming.check_inside(folder)
    resuming.check_plugins_inside(folder, runfolder.own_plugins(folder))
    try:
        wanted = checked(folder / runfolder.RECIPE, overrides)
    except UsageError as error:
        missing = resuming.missing_plugins(folder / "checkpoints", registry())
        if missing:
            told = f"The run was made with what is not installed: {', '.join(missing)}."
            error.hint = f"{error.hint}\n{told}" if error.hint else told
        raise
    from ganforge.cli.quickstart import put_off_compiler
    from ganforge.device import choose
    from ganforge.engine import checkpoint
    from ganforge.runlock import hold

    put_off_compiler()
    where = choose(device)
    with hold(folder):
        found = checkpoint.load_newest(folder / "checkpoints", device=where, tell=tell)
        before = found.manifest.get("recipe", wanted.plain())  # format 1 did not keep it
        for line in resuming.check_same(before, wanted.plain(), allow=allow_changes):
            tell(f"changed: {line}")
        prepared = build.prepare(wanted, device=where)
        run = build.start(prepared, folder, tell=tell, quiet=quiet)
        for line in resuming.other_versions(found.manifest, run.manifest["plugins"]):
            tell(line)
        _load(run, found)
        if run.clock.finished:
            tell(_nothing_to_do(folder, wanted, run.clock))
            return
        if overrides:
            runfolder.write_recipe(folder, wanted)
        play(run, prepared, quiet=quiet)


def _load(run: Run, found: Loaded) -> None:
    """Give a run its state; one that is not of such a run is told in words.

    Raises:
        GanforgeError: It is not.
    """
    from ganforge.errors import GanforgeError
    from ganforge.resuming import check_trainer

    try:
        as_built = run.trainer.state_dict()
        run.load_state_dict(found.state)  # first, as it names the network that does not fit
        check_trainer(found.state["trainer"], as_built)
    except GanforgeError:
        raise
    except Exception as error:  # a stranger's state can make any code that takes it fail
        reason = (str(error) or repr(error)).splitlines()[0]
        raise GanforgeError(
            f"{found.path}: this checkpoint is no state of this run: {reason}",
            hint="Delete its folder to resume from the checkpoint before it.",
        ) from error


def _nothing_to_do(folder: Path, recipe: Recipe, clock: Clock) -> str:
    """That the run is at its end, and an override that doubles what it has trained."""
    longer = f"train.epochs={2 * clock.epoch:g}"
    if recipe.train.steps is not None:
        longer = f"train.steps={2 * clock.step}"
    return (
        f"Nothing to do: the run has completed {clock.step:,} steps; its recipe asks "
        f"for {clock.total_steps:,}.\n"
        f"To train longer: ganforge resume {quote(str(folder))} {longer}"
    )
