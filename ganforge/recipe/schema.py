"""What a recipe may say: its settings blocks, and the places where components stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from ganforge.recipe.source import Document
from ganforge.registry import Component

DEFAULT_GAME = "two_player"

DEFAULT_CALLBACKS = ("progress", "metrics", "sample_grid", "loss_plot", "checkpoint")
"""Callbacks that every run has. A recipe configures one by listing it, and switches it off with
``enabled: false``."""


class _Block(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Head(_Block):
    """The recipe's own facts."""

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class LatentBlock(_Block):
    """The generator's input."""

    dim: Annotated[int, Field(ge=1)] = 100
    distribution: Literal["normal", "uniform"] = "normal"


class EmaBlock(_Block):
    """A moving average of the sampling network's weights."""

    decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999


class TrainBlock(_Block):
    """How long, and in which portions."""

    epochs: Annotated[float, Field(gt=0, le=10**9)] | None = None
    steps: Annotated[int, Field(ge=1, le=10**12)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 64
    micro_batches: Annotated[int, Field(ge=1)] = 1
    clip_grad_norm: Annotated[float, Field(gt=0)] | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> TrainBlock:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give exactly one of 'epochs' and 'steps'")
        if self.micro_batches > self.batch_size:
            raise ValueError("there are more micro_batches than samples in a batch")
        return self


@dataclass(frozen=True)
class Spec:
    """One component as a recipe wants it.

    Args:
        component: What ``use`` named.
        name: The name that finds it again: with its plugin's where the bare one is another's.
        target: Its class or function.
        options: Keyword arguments for it, validated, with defaults filled in.
        written: The options as plain YAML values, defaults filled in.
        injected: What it asks of the framework.
    """

    component: Component
    name: str
    target: Any
    options: dict[str, Any]
    written: dict[str, Any]
    injected: frozenset[str]

    def plain(self) -> dict[str, Any]:
        """As it would stand in a recipe."""
        return {"use": self.name, **self.written}


@dataclass(frozen=True)
class TermSpec:
    """A regularizer with the settings that the framework gives every term."""

    spec: Spec
    weight: float
    every: int

    def plain(self) -> dict[str, Any]:
        return {**self.spec.plain(), "weight": self.weight, "every": self.every}


@dataclass
class Recipe:
    """A recipe that has been checked: everything in it exists and fits its type."""

    document: Document
    head: Head
    dataset: Spec
    latent: LatentBlock
    game: Spec
    networks: dict[str, Spec]
    loss: Spec
    optimizers: dict[str, Spec]
    train: TrainBlock
    regularizers: list[TermSpec] = field(default_factory=list)
    schedules: dict[str, Spec] = field(default_factory=dict)
    ema: EmaBlock | None = None
    callbacks: list[Spec] = field(default_factory=list)
    disabled_callbacks: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """The resolved recipe, every default written out, in the order of the documentation."""
        off = [{"use": name, "enabled": False} for name in self.disabled_callbacks]
        return {
            "version": self.head.version,
            "name": self.head.name,
            "seed": self.head.seed,
            "dataset": self.dataset.plain(),
            "latent": self.latent.model_dump(),
            "game": self.game.plain(),
            **{name: spec.plain() for name, spec in self.networks.items()},
            "loss": self.loss.plain(),
            "regularizers": [term.plain() for term in self.regularizers],
            "optimizer": {name: spec.plain() for name, spec in self.optimizers.items()},
            "schedule": {name: spec.plain() for name, spec in self.schedules.items()},
            "ema": self.ema.model_dump() if self.ema else None,
            "train": {k: v for k, v in self.train.model_dump().items() if v is not None},
            "callbacks": [spec.plain() for spec in self.callbacks] + off,
        }
