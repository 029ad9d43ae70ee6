"""Makes the networks of a game."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from types import NoneType
from typing import Any

import torch
from torch import nn

from ganforge.construct import construct
from ganforge.engine.data import AnyDataset
from ganforge.engine.game import Game
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.errors import UsageError
from ganforge.recipe.schema import Recipe, Spec


def make_networks(
    recipe: Recipe,
    game: Game,
    dataset: AnyDataset,
    latent: Latent,
    streams: Streams,
    device: torch.device,
) -> dict[str, nn.Module]:
    """Every network of the game; each one's random start depends on the seed and its name only."""
    networks = {}
    for name, spec in recipe.networks.items():
        supply = injected(name, spec, game, dataset, latent)
        with streams.isolated("weights", name):
            network = construct(spec, **supply)
        networks[name] = network.to(device).train()
    return networks


def injected(
    network: str, spec: Spec, game: Game, dataset: AnyDataset, latent: Latent
) -> dict[str, Any]:
    """What a network asks of the framework.

    Raises:
        UsageError: It starts from samples of a source, or is made for classes, and there are none.
    """
    source = None if dataset.source_dataset is None else dataset.source_dataset.sample_shape
    supply = {
        **game.shapes(network, dataset.sample_shape, source),
        "num_classes": dataset.num_classes,
        "latent_dim": latent.size,
        "code_dim": latent.size - latent.dim,
    }
    if "source_shape" in spec.injected and supply["source_shape"] is None:
        raise UsageError(
            f"{spec.component.kind} '{spec.component.name}' starts from samples of another domain, "
            "and the data set has no source",
            hint="Choose a data set that has one, such as paired or unpaired.",
        )
    unlabelled = "num_classes" in spec.injected and dataset.num_classes is None
    if unlabelled and _needs_classes(spec.target):
        raise UsageError(
            f"{spec.component.kind} '{spec.component.name}' is made for classes, and the data set "
            "has no labels",
            hint="Choose a data set that has labels, or a network that needs none.",
        )
    return {name: supply[name] for name in sorted(spec.injected)}


def _needs_classes(target: Callable[..., Any]) -> bool:
    """Whether its annotation leaves out None: ``num_classes: int`` and not ``int | None``."""
    function = target.__init__ if inspect.isclass(target) else target
    annotation = typing.get_type_hints(function).get("num_classes")
    return annotation is not None and NoneType not in typing.get_args(annotation)
