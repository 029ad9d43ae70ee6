"""Plays every phase once before a run has a folder, and tells which network does not fit."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from ganforge.engine.calling import call
from ganforge.engine.data import AnyDataset, Batch
from ganforge.engine.evaluating import evaluating
from ganforge.engine.memory import ran_out
from ganforge.engine.practice import practise
from ganforge.engine.trainer import Trainer
from ganforge.errors import GanforgeError, PluginError, UsageError
from ganforge.recipe.schema import Recipe


def rehearse(recipe: Recipe, trainer: Trainer, dataset: AnyDataset) -> None:
    """Make some samples, play every phase on a batch of zeros, and put back what that changed.

    So networks that do not fit the data, their game or each other are told before anything is
    written, and so is a batch that is too large for the memory.

    Raises:
        UsageError: A network does not fit what its game gives it, or memory runs out.
        PluginError: A network's code fails in another way.
    """
    batch = _zeros(dataset, trainer.settings.batch_size, trainer.device)
    with trainer.streams.isolated("rehearsal"), _told(recipe, trainer.networks):
        _check_samples(recipe, trainer, batch.part(slice(0, 2)), paired=dataset.source_paired)
        practise(trainer, batch)


def _check_samples(recipe: Recipe, trainer: Trainer, batch: Batch, *, paired: bool) -> None:
    """See that what is made has the data's shape."""
    game = trainer.game
    sampler, component = trainer.networks[game.sampler], recipe.networks[game.sampler].component
    inputs = batch.source
    if game.pairs and inputs is not None and not paired:
        raise UsageError(
            f"game '{recipe.game.component.name}' learns from pairs, and the samples of the source "
            "do not belong to those of the data set",
            hint="Choose a data set that has pairs, such as paired or paired_folder.",
        )
    if game.samples_of == "latents":
        generator = trainer.streams.generator("rehearsal")
        inputs = trainer.latent.sample(len(batch), generator).to(trainer.device)
    elif inputs is None:
        raise UsageError(
            f"game '{recipe.game.component.name}' starts from samples of another domain, and the "
            "data set has no source",
            hint="Choose a data set that has one, such as paired or unpaired.",
        )
    with torch.no_grad(), evaluating(sampler):
        made = call(sampler, inputs, labels=batch.labels, source=batch.source)
    if made.shape[1:] != batch.samples.shape[1:]:
        raise UsageError(
            f"generator '{component.name}' makes samples of shape {tuple(made.shape[1:])}, but "
            f"the data are {tuple(batch.samples.shape[1:])}",
            hint="Change the generator's options, or the size that the data set gives.",
        )


@contextmanager
def _told(recipe: Recipe, networks: Mapping[str, nn.Module]) -> Iterator[None]:
    """Say which network it is that fails within the block."""
    inside = _Inside(networks)
    try:
        with inside.followed():
            yield
    except GanforgeError as error:
        failed = inside.innermost()
        if failed is not None:
            error.message = f"{failed.network}: {error.message}"
        raise
    except Exception as error:
        failed = inside.innermost()
        if ran_out(error):
            raise UsageError(
                f"a batch of {recipe.train.batch_size} needs more memory than there is",
                hint="Lower train.batch_size, raise train.micro_batches, or make the networks "
                "smaller by their options.",
            ) from error
        if failed is None:
            raise
        component = recipe.networks[failed.network].component
        if not isinstance(error, RuntimeError) and not _of_torch(error):
            raise PluginError(f"{failed.network}: {component} failed: {error!r}") from error
        raise UsageError(
            f"{failed.network}: {component.kind} '{component.name}' does not fit what game "
            f"'{recipe.game.component.name}' gives it: {failed.layer} cannot take "
            f"{failed.shapes}: {error} ({_line(error)})",
            hint="Choose another network for this place, or other options of it."
            if "more than 1 value per channel" not in str(error)
            else "Batch norm needs two samples: raise train.batch_size, or lower "
            "train.micro_batches.",
        ) from error


def _zeros(dataset: AnyDataset, count: int, device: torch.device) -> Batch:
    """A batch like those of the data set."""
    source = dataset.source_dataset
    return Batch(
        torch.zeros(count, *dataset.sample_shape, device=device),
        None
        if dataset.num_classes is None
        else torch.zeros(count, dtype=torch.int64, device=device),
        None if source is None else torch.zeros(count, *source.sample_shape, device=device),
    )


def _of_torch(error: BaseException) -> bool:
    """Whether torch's own code has raised it."""
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    return Path(torch.__file__).parent in Path(innermost.filename).parents


def _line(error: BaseException) -> str:
    """Where in a network's own code an error arose: ``models.py, line 12``."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(torch.__file__).parent not in Path(frame.filename).parents
    ]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}"


class _Inside:
    """Knows in which layer of which network the computation is."""

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._names = {
            module: (name, path)
            for name, network in networks.items()
            for path, module in network.named_modules()
        }
        self._entered: list[tuple[nn.Module, tuple[Any, ...]]] = []

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Watch what is called within the block."""
        handles = [
            register_module_forward_pre_hook(
                lambda module, inputs: self._entered.append((module, inputs))
            ),
            register_module_forward_hook(lambda *_: self._leave()),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self) -> None:
        self._entered.pop()

    def innermost(self) -> Failed | None:
        """Where the computation was when it failed; None outside of all networks."""
        for module, inputs in reversed(self._entered):
            if module in self._names:
                name, path = self._names[module]
                layer = f"its '{path}' ({type(module).__name__})" if path else type(module).__name__
                shapes = [str(tuple(i.shape)) for i in inputs if isinstance(i, Tensor)]
                return Failed(name, layer, " and ".join(shapes) or "its inputs")
        return None


class Failed(NamedTuple):
    """A layer of a network, and the shapes of what it was given."""

    network: str
    layer: str
    shapes: str
