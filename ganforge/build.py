"""Joins the two halves: makes the engine's objects from a checked recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

import ganforge
from ganforge import export
from ganforge.construct import construct
from ganforge.engine.average import Average
from ganforge.engine.callback import Callback, Facts
from ganforge.engine.data import AnyDataset
from ganforge.engine.feed import Feed, make_feed
from ganforge.engine.game import Game, Term, batches_per_step, optimizer_steps
from ganforge.engine.latent import Latent
from ganforge.engine.layout import lay_out
from ganforge.engine.run import Run
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge.environment import device_name, identity
from ganforge.errors import UsageError
from ganforge.looking import examples_of, picture_of
from ganforge.measuring import feature_network, make_evaluator
from ganforge.networks import injected, make_networks
from ganforge.recipe.schema import Recipe
from ganforge.registry import Component
from ganforge.trial import execution_of, recorder_of, try_out


@dataclass
class Prepared:
    """Everything that a run needs, made and tried out; nothing is written yet."""

    recipe: Recipe
    dataset: AnyDataset
    trainer: Trainer
    notes: Sequence[str] = ()
    """What the user should know of how it is carried out, a line each."""


def prepare(recipe: Recipe, *, device: torch.device) -> Prepared:
    """Read the data, build the networks and see that they fit together.

    Raises:
        GanforgeError: They do not, or the data cannot be read.
    """
    execution, notes = execution_of(recipe, device), list[str]()
    streams = Streams(recipe.head.seed)
    latent = Latent(**recipe.latent.model_dump())
    dataset: AnyDataset = construct(recipe.dataset)
    game = _game(recipe)
    networks = make_networks(recipe, game, dataset, latent, streams, device)
    lay_out(networks.values(), recipe.train.memory_format)
    if execution.compiled:
        for network in networks.values():
            network.compile()
    batch_size = recipe.train.batch_size
    _check_portions(game, batch_size, recipe.train.micro_batches)
    feed = make_feed(
        dataset,
        batch_size=batch_size,
        streams=streams,
        device=device,
        workers=recipe.train.workers,
    )
    settings = Settings(
        total_steps=_total_steps(recipe, game, feed),
        batch_size=batch_size,
        micro_batches=recipe.train.micro_batches,
        clip_grad_norm=recipe.train.clip_grad_norm,
        not_finite=recipe.train.not_finite,
        max_skips=recipe.train.max_skips,
        max_rollbacks=recipe.train.max_rollbacks,
    )
    optimizers: dict[str, Optimizer] = {
        name: construct(spec, params=list(networks[name].parameters()))
        for name, spec in recipe.optimizers.items()
    }
    trainer = Trainer(
        game=game,
        networks=networks,
        optimizers=optimizers,
        schedules=_schedules(recipe, game, optimizers, settings.total_steps),
        averages=_averages(recipe, game, networks),
        feed=feed,
        latent=latent,
        streams=streams,
        settings=settings,
        device=device,
        execution=execution,
        recorder=recorder_of(recipe, device, notes),
    )
    notes += try_out(recipe, trainer, dataset)
    return Prepared(recipe, dataset, trainer, notes)


def _averages(recipe: Recipe, game: Game, networks: dict[str, nn.Module]) -> dict[str, Average]:
    if recipe.ema is None:
        return {}
    return {game.sampler: Average(networks[game.sampler], **recipe.ema.model_dump())}


def start(
    prepared: Prepared, folder: Path, *, tell: Callable[[str], None], quiet: bool = False
) -> Run:
    """A run of what was prepared, in an existing folder.

    Args:
        prepared: What was built.
        folder: The run's.
        tell: Is given a line for whatever goes wrong and does not stop the run.
        quiet: The user wants no progress on the terminal.
    """
    recipe, dataset = prepared.recipe, prepared.dataset
    callbacks: dict[str, Callback] = {}
    for spec in recipe.callbacks:
        callbacks[_unused(spec.component.name, callbacks)] = construct(spec)
    facts = Facts(
        name=recipe.head.name,
        batch_size=recipe.train.batch_size,
        sample_shape=dataset.sample_shape,
        quiet=quiet,
        num_classes=dataset.num_classes,
        examples=examples_of(dataset, prepared.trainer.streams, prepared.trainer.device),
        picture=picture_of(dataset),
        feature_network=lambda: feature_network(dataset, recipe.registry),
        evaluator=lambda metrics, references: make_evaluator(
            metrics=metrics,
            dataset=dataset,
            data=recipe.dataset.plain(),
            registry=recipe.registry,
            device=prepared.trainer.device,
            tell=tell,
            references=references,
        ),
    )
    plugins = {c.plugin.name: identity(c.plugin) for c in _components(recipe)}
    return Run(
        trainer=prepared.trainer,
        folder=folder,
        callbacks=callbacks,
        facts=facts,
        manifest={
            "ganforge": ganforge.__version__,
            "torch": torch.__version__,
            "plugins": plugins,
            "device": device_name(prepared.trainer.device),
            "threads": torch.get_num_threads(),
            "recipe": recipe.plain(),
        },
        export=lambda run, to: _export(run, prepared, to),
        tell=tell,
        max_time=recipe.train.max_time.seconds if recipe.train.max_time else None,
        deterministic=recipe.head.deterministic,
    )


def _check_portions(game: Game, batch_size: int, micro_batches: int) -> None:
    portions = game.portions * micro_batches
    if batch_size % portions and game.portions > 1:
        raise UsageError(
            f"the game judges {game.portions} samples together, which a batch of {batch_size} in "
            f"{micro_batches} parts cannot be divided into",
            hint=f"Choose a train.batch_size that is a multiple of {portions}"
            + (", or fewer train.micro_batches." if micro_batches > 1 else "."),
        )


def _game(recipe: Recipe) -> Game:
    loss = construct(recipe.loss)
    regularizers: dict[str, Term] = {}
    for term in recipe.regularizers:
        name = _unused(term.spec.component.name, regularizers)
        regularizers[name] = Term(name, construct(term.spec), term.weight, term.every)
    augmentations = [construct(spec) for spec in recipe.augmentations]
    for spec, augmentation in zip(recipe.augmentations, augmentations, strict=True):
        if augmentation.needs_signs and not getattr(loss, "signed", True):
            raise UsageError(
                f"augmentation '{spec.component.name}' goes by the sign of scores, and under loss "
                f"'{recipe.loss.component.name}' it does not tell real from fake",
                hint="Choose a loss whose scores are logits, such as non_saturating, or options of "
                "the augmentation by which it does not adapt.",
            )
    supply = {
        "loss": loss,
        "regularizers": list(regularizers.values()),
        "augmentations": augmentations,
    }
    game: Game = construct(recipe.game, **{name: supply[name] for name in recipe.game.injected})
    return game


def _schedules(
    recipe: Recipe, game: Game, optimizers: dict[str, Optimizer], total_steps: int
) -> dict[str, LRScheduler]:
    """The schedules by network; each counts its own optimizer's steps."""
    schedules = {}
    for name, spec in recipe.schedules.items():
        steps = optimizer_steps(game.phases(), name, total_steps)
        supply = {"optimizer": optimizers[name], "total_steps": steps}
        schedules[name] = construct(spec, **{key: supply[key] for key in spec.injected})
    return schedules


def _total_steps(recipe: Recipe, game: Game, feed: Feed) -> int:
    if recipe.train.steps is not None:
        return recipe.train.steps
    assert recipe.train.epochs is not None  # the schema sees to it
    steps_per_epoch = feed.batches_per_epoch / batches_per_step(game.phases())
    return ceil(Fraction(str(recipe.train.epochs)) * steps_per_epoch)


def _unused(name: str, taken: dict[str, Any]) -> str:
    """``name``, or ``name_2``, ``name_3`` where a recipe uses a component more than once."""
    number = 1
    unused = name
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused


def _components(recipe: Recipe) -> list[Component]:
    specs = [
        recipe.dataset,
        recipe.game,
        recipe.loss,
        *recipe.networks.values(),
        *(term.spec for term in recipe.regularizers),
        *recipe.augmentations,
        *recipe.optimizers.values(),
        *recipe.schedules.values(),
        *recipe.callbacks,
    ]
    return [inner.component for spec in specs for inner in spec.all()]


def _export(run: Run, prepared: Prepared, folder: Path) -> None:
    """Write the networks that are of use after training into a folder."""
    recipe, trainer, dataset = prepared.recipe, prepared.trainer, prepared.dataset
    game = trainer.game
    for name, spec in recipe.networks.items():
        makes = spec.component.kind in ("generator", "encoder")
        if not makes and name != game.judge:
            continue
        plugin = spec.component.plugin
        sample, source = dataset.sample_shape, _source_shape(dataset)
        if makes:  # a discriminator may see several samples as one
            shapes = game.shapes(name, sample, source)
            sample, source = shapes["image_shape"] or sample, shapes["source_shape"]
        facts = {
            "network": name,
            "sampler": name == game.sampler,
            "judge": name == game.judge,
            "kind": spec.component.kind,
            "use": spec.component.name,
            "plugin": plugin.name,
            "package": f"{plugin.package} {plugin.version}",
            "plugin_file": _file_name(plugin.path) if plugin.path else None,
            "options": spec.written,
            "injected": injected(name, spec, game, dataset, trainer.latent),
            "latent": recipe.latent.plain(),
            "sample_shape": sample,
            "num_classes": dataset.num_classes,
            "samples_of": game.samples_of,
            "source_shape": source,
            "recipe": recipe.head.name,
            "dataset": recipe.dataset.plain(),
            "step": run.clock.step,
            "averaged": name in trainer.averages,
        }
        export.write(folder / f"{name}.safetensors", run.network_for_sampling(name), facts)


def _source_shape(dataset: AnyDataset) -> tuple[int, ...] | None:
    return None if dataset.source_dataset is None else dataset.source_dataset.sample_shape


def _file_name(path: Path) -> str:
    """As ``-p`` takes it: a word without a slash is a module's name."""
    return f"{path.name}/" if path.is_dir() else path.name
