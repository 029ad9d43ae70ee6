"""An implementation of every hook, as the page of the hooks shows them; together, a plugin."""

from __future__ import annotations

import click

from ganforge import Register, RegisterRecipe, hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    register("rings", "ganforge_acme.data:Rings", summary="two rings")


@hookimpl
def register_generators(register: Register) -> None:
    register("acme", "ganforge_acme.models:Generator", summary="an MLP")


@hookimpl
def register_discriminators(register: Register) -> None:
    register("acme", "ganforge_acme.models:Discriminator", summary="an MLP")


@hookimpl
def register_encoders(register: Register) -> None:
    register("acme", "ganforge_acme.models:Encoder", summary="an MLP")


@hookimpl
def register_games(register: Register) -> None:
    register("slow_start", "ganforge_acme.games:SlowStart", summary="D first")


@hookimpl
def register_losses(register: Register) -> None:
    register("relativistic", "ganforge_acme.losses:Relativistic", summary="2018")


@hookimpl
def register_regularizers(register: Register) -> None:
    register("r2", "ganforge_acme.penalties:R2", summary="gradient at fakes")


@hookimpl
def register_augmentations(register: Register) -> None:
    register("flip", "ganforge_acme.augment:Flip", summary="mirrors some")


@hookimpl
def register_optimizers(register: Register) -> None:
    register("adagrad", "ganforge_acme.optimizers:adagrad", summary="2011")


@hookimpl
def register_schedules(register: Register) -> None:
    register("cosine", "ganforge_acme.schedules:cosine", summary="a cosine")


@hookimpl
def register_feature_networks(register: Register) -> None:
    register("cells", "ganforge_acme.cells:Cells", summary="kinds of cells")


@hookimpl
def register_metrics(register: Register) -> None:
    register("coverage", "ganforge_acme.metrics:Coverage", summary="modes hit")


@hookimpl
def register_callbacks(register: Register) -> None:
    register("notify", "ganforge_acme.callbacks:Notify", summary="when it ends")


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    register("acme", "recipes/acme.yaml")  # the path starts at this module


@hookimpl
def register_commands(cli: click.Group) -> None:
    @cli.command()
    @click.argument("name")
    def hello(name: str) -> None:
        """Greet somebody."""
        click.echo(f"Hello, {name}.")
