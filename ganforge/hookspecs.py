"""The hooks a plugin may implement: one for each kind of component, for recipes and for commands.

A plugin is a module. It marks functions with ``@ganforge.hookimpl``, and each of them calls
``register(name, target, summary=...)`` for every component it adds. The target is a string
``"package.module:Name"``, so that listing plugins imports none of their code, or the class itself.

The hooks have a version, which grows when one is added or changed. An implementation may take fewer
arguments than its specification, so a new argument breaks no plugin. A hook or an argument that
is to go stays for one release with ``warn_on_impl`` or ``warn_on_impl_args``, whose warning is
shown as a note of the plugin.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import click

NAMESPACE = "ganforge"

VERSION = 3
"""Of the hooks. A plugin module may say which it needs at least: ``GANFORGE_HOOKS = 1``."""

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)

KINDS = (
    "dataset",
    "generator",
    "discriminator",
    "encoder",
    "game",
    "loss",
    "regularizer",
    "augmentation",
    "optimizer",
    "schedule",
    "feature_network",
    "metric",
    "callback",
)
"""Every kind of component, in the order in which a recipe names them."""


class Register(Protocol):
    """What the hook of a kind is given."""

    def __call__(self, name: str, target: str | type | Any, *, summary: str = "") -> None: ...


class RegisterRecipe(Protocol):
    """What ``register_recipes`` is given; a relative path starts at the plugin's module."""

    def __call__(self, name: str, path: str | Path) -> None: ...


def hook_name(kind: str) -> str:
    """The hook that registers components of one kind: ``loss`` gives ``register_losses``."""
    return f"register_{kind}es" if kind.endswith("s") else f"register_{kind}s"


class Hooks:
    """The specifications; pluggy checks every implementation against them."""

    @hookspec
    def register_datasets(self, register: Register) -> None:
        """Add data sets (subclasses of ``ganforge.api.Dataset``)."""

    @hookspec
    def register_generators(self, register: Register) -> None:
        """Add generators (``nn.Module``: latents ``(N, latent_dim)`` to samples)."""

    @hookspec
    def register_discriminators(self, register: Register) -> None:
        """Add discriminators (``nn.Module``: samples to logits, or a dict with ``logits``)."""

    @hookspec
    def register_encoders(self, register: Register) -> None:
        """Add encoders (``nn.Module``: samples to latents or to parts of them)."""

    @hookspec
    def register_games(self, register: Register) -> None:
        """Add games (subclasses of ``ganforge.api.Game``)."""

    @hookspec
    def register_losses(self, register: Register) -> None:
        """Add adversarial losses (subclasses of ``ganforge.api.AdversarialLoss``)."""

    @hookspec
    def register_regularizers(self, register: Register) -> None:
        """Add penalties and auxiliary losses (subclasses of ``ganforge.api.Regularizer``)."""

    @hookspec
    def register_augmentations(self, register: Register) -> None:
        """Add augmentations of what a discriminator sees (``ganforge.api.Augmentation``)."""

    @hookspec
    def register_optimizers(self, register: Register) -> None:
        """Add optimizers (callables of ``params`` that return a ``torch.optim.Optimizer``)."""

    @hookspec
    def register_schedules(self, register: Register) -> None:
        """Add learning-rate schedules."""

    @hookspec
    def register_feature_networks(self, register: Register) -> None:
        """Add networks through which metrics look at samples (``nn.Module``: samples to features
        ``(N, D)``, or to a dict of ``features`` and class ``logits``)."""

    @hookspec
    def register_metrics(self, register: Register) -> None:
        """Add metrics of a generator's quality (subclasses of ``ganforge.api.Metric``)."""

    @hookspec
    def register_callbacks(self, register: Register) -> None:
        """Add callbacks (subclasses of ``ganforge.api.Callback``)."""

    @hookspec
    def register_recipes(self, register: RegisterRecipe) -> None:
        """Add recipes: ``register("name", "recipes/name.yaml")``."""

    @hookspec
    def register_commands(self, cli: click.Group) -> None:
        """Add commands to the ``ganforge`` command line."""
