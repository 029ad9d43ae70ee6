"""Joins the two halves: makes the engine's objects from a checked recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

import ganforge
from ganforge import export
from ganforge.engine.average import Average
from ganforge.engine.callback import Callback, Facts
from ganforge.engine.data import AnyDataset
from ganforge.engine.evaluating import evaluating
from ganforge.engine.feed import Feed, make_feed
from ganforge.engine.game import Game, Term, batches_per_step, optimizer_steps, rank
from ganforge.engine.latent import Latent
from ganforge.engine.memory import ran_out
from ganforge.engine.run import Run
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge.environment import device_name, identity
from ganforge.errors import GanforgeError, PluginError, UsageError
from ganforge.recipe.schema import Recipe, Spec
from ganforge.registry import Component

MADE: dict[str, type | UnionType] = {
    "dataset": AnyDataset,
    "generator": nn.Module,
    "discriminator": nn.Module,
    "game": Game,
    "optimizer": Optimizer,
    "schedule": LRScheduler,
    "callback": Callback,
}
"""What a component of each kind must be."""


@dataclass
class Prepared:
    """Everything that a run needs, made and tried out; nothing is written yet."""

    recipe: Recipe
    dataset: AnyDataset
    trainer: Trainer


def construct(spec: Spec, **injected: Any) -> Any:
    """Make a component; a fault in its code is reported as its plugin's.

    Raises:
        PluginError: The constructor raised something that is not meant for the user, or made
            something that its kind is not.
    """
    made = guarded(spec.component, lambda: spec.target(**spec.options, **injected))
    wanted = MADE.get(spec.component.kind, object)
    if not isinstance(made, wanted):
        names = " or ".join(f"{cls.__module__}.{cls.__qualname__}" for cls in one_of(wanted))
        raise PluginError(f"{spec.component} is no {names} but {type(made)}")
    return made


def one_of(wanted: type | UnionType) -> tuple[type, ...]:
    """The classes that will do."""
    return get_args(wanted) or (wanted,)


def guarded(component: Component, call: Callable[[], Any]) -> Any:
    """Run a plugin's code; its own clear errors pass, others are reported as the plugin's."""
    try:
        return call()
    except GanforgeError as error:
        error.message = f"{component.kind} '{component.name}': {error.message}"
        raise
    except Exception as error:
        if ran_out(error):
            raise UsageError(
                f"{component.kind} '{component.name}' needs more memory than there is",
                hint="Make it smaller by its options, or lower train.batch_size or latent.dim.",
            ) from error
        raise PluginError(f"{component} failed: {error!r}") from error


def prepare(recipe: Recipe, *, device: torch.device) -> Prepared:
    """Read the data, build the networks and see that they fit together.

    Raises:
        GanforgeError: They do not, or the data cannot be read.
    """
    streams = Streams(recipe.head.seed)
    latent = Latent(recipe.latent.dim, recipe.latent.distribution)
    dataset: AnyDataset = construct(recipe.dataset)
    game = _game(recipe)
    networks = _networks(recipe, dataset, streams, device)
    _try_out(recipe, game, networks, latent, dataset, device)
    batch_size = recipe.train.batch_size
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
    schedules = _schedules(recipe, game, optimizers, settings.total_steps)
    sampler = game.sampler
    averages = {sampler: Average(networks[sampler], decay=recipe.ema.decay)} if recipe.ema else {}
    trainer = Trainer(
        game=game,
        networks=networks,
        optimizers=optimizers,
        schedules=schedules,
        averages=averages,
        feed=feed,
        latent=latent,
        streams=streams,
        settings=settings,
        device=device,
    )
    return Prepared(recipe, dataset, trainer)


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
    recipe = prepared.recipe
    callbacks: dict[str, Callback] = {}
    for spec in recipe.callbacks:
        callbacks[_unused(spec.component.name, callbacks)] = construct(spec)
    facts = Facts(
        name=recipe.head.name,
        batch_size=recipe.train.batch_size,
        sample_shape=prepared.dataset.sample_shape,
        quiet=quiet,
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
        export=lambda run: _export(run, prepared),
        tell=tell,
        max_time=recipe.train.max_time.seconds if recipe.train.max_time else None,
        deterministic=recipe.head.deterministic,
    )


def _game(recipe: Recipe) -> Game:
    loss = construct(recipe.loss)
    regularizers: dict[str, Term] = {}
    for term in recipe.regularizers:
        name = _unused(term.spec.component.name, regularizers)
        regularizers[name] = Term(name, construct(term.spec), term.weight, term.every)
    supply = {"loss": loss, "regularizers": list(regularizers.values())}
    game: Game = construct(recipe.game, **{name: supply[name] for name in recipe.game.injected})
    return game


def _networks(
    recipe: Recipe, dataset: AnyDataset, streams: Streams, device: torch.device
) -> dict[str, nn.Module]:
    """Every network of the game; each one's random start depends on the seed and its name only."""
    networks = {}
    for name, spec in recipe.networks.items():
        injected = _injected(spec, recipe, dataset)
        with streams.isolated("weights", name):
            network = construct(spec, **injected)
        networks[name] = network.to(device).train()
    return networks


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


def _injected(spec: Spec, recipe: Recipe, dataset: AnyDataset) -> dict[str, Any]:
    supply = {
        "image_shape": dataset.sample_shape,
        "num_classes": dataset.num_classes,
        "latent_dim": recipe.latent.dim,
    }
    return {name: supply[name] for name in sorted(spec.injected)}


def _try_out(
    recipe: Recipe,
    game: Game,
    networks: dict[str, nn.Module],
    latent: Latent,
    dataset: AnyDataset,
    device: torch.device,
) -> None:
    """One forward pass: a shape that does not fit is told before anything is written."""
    generator, spec = networks[game.sampler], recipe.networks[game.sampler]
    latents = latent.sample(2, torch.Generator(device).manual_seed(0))
    with torch.no_grad(), torch.random.fork_rng(), evaluating(generator):
        samples = guarded(spec.component, lambda: generator(latents))
    if tuple(samples.shape[1:]) != dataset.sample_shape:
        raise UsageError(
            f"generator '{spec.component.name}' makes samples of shape "
            f"{tuple(samples.shape[1:])}, but the data are {dataset.sample_shape}",
            hint="Change the generator's options, or the size that the data set gives.",
        )
    if game.judge is not None:
        judge, spec = networks[game.judge], recipe.networks[game.judge]
        with torch.no_grad(), torch.random.fork_rng(), evaluating(judge):
            guarded(spec.component, lambda: rank(judge, samples))


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
        *recipe.optimizers.values(),
        *recipe.schedules.values(),
        *recipe.callbacks,
    ]
    return [spec.component for spec in specs]


def _export(run: Run, prepared: Prepared) -> None:
    """Write the networks that ``generate`` needs into the run's folder."""
    recipe, trainer = prepared.recipe, prepared.trainer
    for name in (trainer.game.sampler, trainer.game.judge):
        if name is None:
            continue
        spec = recipe.networks[name]
        plugin = spec.component.plugin
        facts = {
            "network": name,
            "kind": spec.component.kind,
            "use": spec.component.name,
            "plugin": plugin.name,
            "package": f"{plugin.package} {plugin.version}",
            "plugin_file": _file_name(plugin.path) if plugin.path else None,
            "options": spec.written,
            "injected": _injected(spec, recipe, prepared.dataset),
            "latent": recipe.latent.model_dump(),
            "sample_shape": prepared.dataset.sample_shape,
            "recipe": recipe.head.name,
            "step": run.clock.step,
            "averaged": name in trainer.averages,
        }
        export.write(run.folder / f"{name}.safetensors", run.network_for_sampling(name), facts)


def _file_name(path: Path) -> str:
    """As ``-p`` takes it: a word without a slash is a module's name."""
    return f"{path.name}/" if path.is_dir() else path.name
