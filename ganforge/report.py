"""What a person is shown before and after a run, on standard error."""

from __future__ import annotations

import signal
from pathlib import Path
from shlex import quote

import torch
from rich.console import Console
from rich.table import Table

from ganforge.build import Prepared
from ganforge.engine.layout import has_channels_last
from ganforge.engine.run import Run
from ganforge.engine.trainer import Trainer


def _console() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def show_plan(prepared: Prepared, *, folder: Path | None) -> None:
    """What will run: networks and their sizes, data, length, device, folder.

    Args:
        prepared: What was built; its trainer knows at which step it starts.
        folder: Of the run, if it has one.
    """
    recipe, trainer = prepared.recipe, prepared.trainer
    dataset, settings = prepared.dataset, trainer.settings
    table = Table.grid(padding=(0, 2))
    table.add_row("recipe", recipe.head.name)
    shape = " x ".join(map(str, dataset.sample_shape))
    classes = f", {dataset.num_classes} classes" if dataset.num_classes else ""
    name = recipe.dataset.component.name
    table.add_row("data", f"{name}: {len(dataset):,} samples of {shape}{classes}")
    for name, network in trainer.networks.items():
        count = sum(parameter.numel() for parameter in network.parameters())
        use = recipe.networks[name].component.name
        table.add_row(name, f"{use}: {count:,} parameters")
    terms = [recipe.loss.component.name, *(t.spec.component.name for t in recipe.regularizers)]
    table.add_row("game", f"{recipe.game.component.name}: {', '.join(terms)}")
    epochs = float(settings.total_steps / trainer.steps_per_epoch)
    table.add_row(
        "length",
        f"{settings.total_steps:,} steps of {settings.batch_size} samples ({epochs:.3g} epochs)",
    )
    if trainer.step_count:
        table.add_row("resumes", f"behind step {trainer.step_count:,}")
    table.add_row("device", f"{trainer.device}: {_how(trainer)}")
    if folder is not None:
        table.add_row("folder", str(folder))
    console = _console()
    console.print(table, soft_wrap=not console.is_terminal)
    for note in prepared.notes:
        console.print(note, soft_wrap=True)
    console.print()


def _how(trainer: Trainer) -> str:
    """Precision and layout, and the threads of a CPU."""
    told: list[str] = [trainer.execution.precision]
    if any(map(has_channels_last, trainer.networks.values())):
        told.append("channels last")
    if trainer.execution.compiled:
        told.append("compiled")
    if trainer.device.type == "cpu":
        told.append(f"{torch.get_num_threads()} threads")
    return ", ".join(told)


def show_end(run: Run, *, quiet: bool) -> None:
    """Where the results are, and what to type next."""
    console = _console()
    clock = run.clock
    if run.outcome == "stopped":
        by_signal = isinstance(run.stop_reason, signal.Signals)
        why = "Stopped" if by_signal else f"{run.stop_reason}: stopped"
        console.print(f"{why} and saved at step {clock.step:,} of {clock.total_steps:,}.")
        console.print(f"Resume with: ganforge resume {quote(str(run.folder))}", soft_wrap=True)
        _show_summaries(console, run)
        return
    if quiet:
        return
    rows = {
        "last grid": max((run.folder / "samples").glob("step_*.png"), default=None),
        "loss plot": next((run.folder / "plots").glob("losses.png"), None),
    }
    console.print(f"Finished {clock.total_steps:,} steps.")
    for name, path in rows.items():
        if path is not None:
            console.print(f"  {name}   {path}", soft_wrap=True)
    _show_summaries(console, run)
    console.print(f"  next        ganforge generate {quote(str(run.folder))} -n 64", soft_wrap=True)


def _show_summaries(console: Console, run: Run) -> None:
    """What the callbacks have to say of the whole run."""
    for callback in run.callbacks.values():
        for line in callback.summary(run):
            console.print(f"  {line}", soft_wrap=True)
