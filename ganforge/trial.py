"""Tries out how a run is to be carried out: goes back to the plain way where the fast one fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from ganforge.engine.agreement import TOLERANCE, furthest
from ganforge.engine.data import AnyDataset, Batch
from ganforge.engine.execution import Execution, chosen
from ganforge.engine.layout import has_channels_last, lay_out
from ganforge.engine.practice import practise
from ganforge.engine.process import keep_memory, set_threads
from ganforge.engine.recording import CudaRecorder, Recorder
from ganforge.engine.trainer import Trainer
from ganforge.errors import GanforgeError
from ganforge.recipe.schema import Recipe
from ganforge.rehearsal import rehearse


class Way(NamedTuple):
    """Something faster that is not for every network, and how to do without it."""

    name: str
    leave: Callable[[], None]


def execution_of(recipe: Recipe, device: torch.device) -> Execution:
    """How plays are carried out; on a CPU, threads and memory are set for the whole process.

    Raises:
        UsageError: The device does not have what is asked for.
    """
    if device.type == "cpu":
        set_threads(recipe.train.threads)
        keep_memory()
    return Execution(device, chosen(recipe.train.precision, device), recipe.train.compile)


def recorder_of(recipe: Recipe, device: torch.device, notes: list[str]) -> Recorder | None:
    """Records plays, where that is asked for and possible; if it is not, that is noted."""
    if not recipe.train.cuda_graphs:
        return None
    if device.type != "cuda":
        notes.append(
            "train.cuda_graphs does not work here, so it is left out: it is for NVIDIA's and AMD's "
            f"GPUs, and this is device '{device}'"
        )
        return None
    return CudaRecorder(device)


def try_out(recipe: Recipe, trainer: Trainer, dataset: AnyDataset) -> list[str]:
    """Rehearse; where that fails, do without what was only meant to be faster, and rehearse again.

    Returns:
        A line for each thing that is done without, with the reason.
    Raises:
        GanforgeError: The plain way fails too, or what the fast one gives is something else.
    """
    ways, notes = _ways(recipe, trainer), list[str]()
    while True:
        try:
            with trainer.execution.switches():
                rehearse(recipe, trainer, dataset)
            break
        except Exception as error:
            if not ways:
                raise
            way = ways.pop(0)
            way.leave()
            notes.append(f"{way.name} does not work here, so it is left out: {_first_line(error)}")
    if recipe.train.verify:
        notes.append(verify(recipe, trainer, dataset))
    return notes


def _ways(recipe: Recipe, trainer: Trainer) -> list[Way]:
    """What can be done without, the most fragile first."""
    networks = trainer.networks.values()
    ways = []
    if trainer.execution.compiled:

        def interpret() -> None:
            for network in networks:
                network._compiled_call_impl = None  # what nn.Module.compile sets
            trainer.execution = replace(trainer.execution, compiled=False)

        ways.append(Way("train.compile", interpret))
    if recipe.train.memory_format == "auto":

        def lay_out_plainly() -> None:
            lay_out(networks, "contiguous")

        ways.append(Way("channels_last", lay_out_plainly))
    return ways


def verify(recipe: Recipe, trainer: Trainer, dataset: AnyDataset) -> str:
    """Compare what every phase gives with the plain way: channels first, fp32, not compiled.

    The weights, the real samples and the random numbers are the same.

    Returns:
        A line that says how far apart they are.
    Raises:
        GanforgeError: Further than rounding explains; where is told.
    """
    batch = _first_batch(trainer, dataset)
    fast = _measured(trainer, batch, trainer.execution)
    networks = list(trainer.networks.values())
    last = any(map(has_channels_last, networks))
    lay_out(networks, "contiguous")
    try:
        with torch.compiler.set_stance("force_eager"):
            plain = _measured(trainer, batch, Execution(trainer.device))
    finally:
        lay_out(networks, "channels_last" if last else "contiguous")
    return _compared(fast, plain, TOLERANCE[trainer.execution.precision])


def _first_batch(trainer: Trainer, dataset: AnyDataset) -> Batch:
    rows, device = torch.arange(trainer.settings.batch_size), trainer.device
    samples, labels = dataset.gather(rows)
    source = None
    if dataset.source_dataset is not None:
        source = dataset.source_dataset.gather(rows)[0].to(device)
    return Batch.of(samples.to(device), None if labels is None else labels.to(device), source)


def _measured(trainer: Trainer, batch: Batch, execution: Execution) -> dict[str, float]:
    before, trainer.execution = trainer.execution, execution
    try:
        with execution.switches(), trainer.streams.isolated("rehearsal"):
            return {name: float(value) for name, value in practise(trainer, batch).items()}
    finally:
        trainer.execution = before


def _compared(fast: dict[str, float], plain: dict[str, float], tolerance: float) -> str:
    worst = furthest(fast, plain, tolerance)
    if not worst.within(tolerance):
        raise GanforgeError(
            f"train.verify: {worst.name} is {fast[worst.name]:.6g}, and {plain[worst.name]:.6g} "
            f"the plain way: {worst.share:.2g} of it apart, more than {tolerance:g}",
            hint="Write memory_format: contiguous, precision: fp32 or compile: false under "
            "'train', to find out which of them it is.",
        )
    return (
        f"verified: losses and gradients are those of the plain way, at most "
        f"{worst.share:.1g} apart ({worst.name})"
    )


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
