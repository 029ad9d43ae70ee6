"""What a recipe may say: its settings blocks, and the places where components stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from ganforge.durations import Span
from ganforge.nested import Nested
from ganforge.recipe.source import Document
from ganforge.registry import Component, Plugin, Registry

VERSION = 1
"""Of what a recipe may say; older ones are brought up to it as they are read."""

DEFAULT_GAME = "two_player"

DEFAULT_CALLBACKS = ("progress", "metrics", "sample_grid", "loss_plot", "checkpoint", "health")
"""Callbacks that every run has. A recipe configures one by listing it, and switches it off with
``enabled: false``."""


class _Block(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Line = Annotated[str, Field(min_length=1, max_length=300)]


class Head(_Block):
    """The recipe's own facts.

    Args:
        version: Of what a recipe may say.
        name: The run's folder is called by it.
        description: What this is, in a sentence.
        expected_time: How long it takes, and on what.
        requires: Packages that must be installed, as pip names them: ``ganforge-acme>=1.2``.
        plugins: Plugin files beside the recipe, or modules.
        seed: Of every random number of the run.
        deterministic: Use only algorithms that give the same bits every time on this machine; some
            operations have none, and some are slower.
    """

    version: Literal[1]
    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            description="at most 64 letters, digits, '.', '_' and '-', a letter or digit first",
        ),
    ]
    description: Line | None = None
    expected_time: Line | None = None
    requires: list[Line] = Field(default_factory=list)
    plugins: list[Line] = Field(default_factory=list)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    deterministic: bool = False


class LatentBlock(_Block):
    """The generator's input.

    Args:
        dim: Numbers of noise in one latent.
        distribution: Of the noise: standard normal, or uniform on [-1, 1).
        categorical: Codes beside the noise, each one of so many values, as a one-hot vector.
        continuous: How many codes beside the noise are uniform on [-1, 1).
    """

    dim: Annotated[int, Field(ge=1)] = 100
    distribution: Literal["normal", "uniform"] = "normal"
    categorical: tuple[Annotated[int, Field(ge=2, le=10**6)], ...] = ()
    continuous: Annotated[int, Field(ge=0, le=10**6)] = 0

    def plain(self) -> dict[str, Any]:
        """As it would stand in a recipe; codes only where there are some."""
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if value or name not in ("categorical", "continuous")
        }


class EmaBlock(_Block):
    """A moving average of the sampling network's weights.

    Args:
        decay: The share of the old average that each step keeps.
        ramp_up: While the run is young, let the average look back over no more than this share of
            its steps; without it, over about a tenth.
    """

    decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    ramp_up: Annotated[float, Field(gt=0.0, le=1.0)] | None = None


class TermSettings(_Block):
    """What the framework adds to the options of every regularizer.

    Args:
        weight: Its factor in the sum of the phase's terms.
        every: It is computed in every k-th step of its phase, and then scaled by k.
    """

    weight: Annotated[float, Field(ge=0)]
    every: Annotated[int, Field(ge=1)]


class TrainBlock(_Block):
    """How long, and in which portions.

    Args:
        epochs: Passes through the data.
        steps: Steps of the run; give this or ``epochs``.
        batch_size: Samples in a batch.
        micro_batches: Parts of a batch that go through the networks one after the other, which
            saves memory.
        clip_grad_norm: Largest norm of the gradients of one phase.
        workers: Processes that read the data ahead of time; 0 reads in the training process, and
            keeps a data set that is in memory on the device.
        memory_format: How images lie in memory: ``channels_last``, ``contiguous`` (channels first)
            or ``auto``, which is channels last wherever there are convolutions.
        precision: ``fp32``; ``tf32``, on NVIDIA's GPUs; ``bf16``, in which networks compute in
            bfloat16, and gradient penalties, losses and weights stay in fp32; ``auto`` is tf32
            where there is such a GPU, and fp32 elsewhere.
        compile: Compile the networks with ``torch.compile``, which takes half a minute at first.
        cuda_graphs: Let a GPU play whole phases by itself, from a record of them; what cannot be
            recorded is played without, with a line that says why.
        threads: Threads that compute on a CPU; as many as this process may use processors if not
            given.
        verify: Before the run starts, see that ``memory_format``, ``precision`` and ``compile``
            give the losses that the plain way gives.
        max_time: A time such as ``2h`` after which the run saves and stops.
        not_finite: What to do when an objective or a gradient is infinite or not a number: ``stop``
            the run, ``skip`` the update, or ``rollback`` to the newest checkpoint with other noise.
        max_skips: How many updates of a phase may be skipped in a row.
        max_rollbacks: How often a run may go back.
    """

    epochs: Annotated[float, Field(gt=0, le=10**9)] | None = None
    steps: Annotated[int, Field(ge=1, le=10**12)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 64
    micro_batches: Annotated[int, Field(ge=1)] = 1
    clip_grad_norm: Annotated[float, Field(gt=0)] | None = None
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    max_time: Span | None = None
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "auto"
    compile: bool = False
    cuda_graphs: bool = False
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    verify: bool = False
    not_finite: Literal["stop", "skip", "rollback"] = "stop"
    max_skips: Annotated[int, Field(ge=0)] = 20
    max_rollbacks: Annotated[int, Field(ge=0)] = 3

    @pydantic.model_validator(mode="after")
    def _check(self) -> TrainBlock:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give exactly one of 'epochs' and 'steps'")
        if self.micro_batches > self.batch_size:
            raise ValueError(
                f"micro_batches is {self.micro_batches}, more than the {self.batch_size} samples "
                "of a batch"
            )
        return self


@dataclass(frozen=True)
class Spec:
    """One component as a recipe wants it.

    Args:
        component: What ``use`` named.
        name: The name that finds it again: with its plugin's where the bare one is another's.
        target: Its class or function.
        options: Keyword arguments for it, validated, with defaults filled in; one that is a
            component itself is a Spec, or a list of them.
        written: The options as plain YAML values, defaults filled in.
        injected: What it asks of the framework.
        nested: Which options are components.
    """

    component: Component
    name: str
    target: Any
    options: dict[str, Any]
    written: dict[str, Any]
    injected: frozenset[str]
    nested: Mapping[str, Nested] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As it would stand in a recipe."""
        return {"use": self.name, **self.written}

    def all(self) -> Iterator[Spec]:
        """This one, and those among its options."""
        yield self
        for name, inner in self.nested.items():
            value = self.options[name]
            for one in value if inner.many and value else [value]:
                if one is not None:
                    yield from one.all()


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
    """A recipe that has been checked: everything in it exists and fits its type.

    ``plugins`` are those that are not installed but named, by the recipe or by the user;
    ``registry`` has everything that it was checked against.
    """

    document: Document
    registry: Registry
    head: Head
    dataset: Spec
    latent: LatentBlock
    game: Spec
    networks: dict[str, Spec]
    loss: Spec
    optimizers: dict[str, Spec]
    train: TrainBlock
    regularizers: list[TermSpec] = field(default_factory=list)
    augmentations: list[Spec] = field(default_factory=list)
    schedules: dict[str, Spec] = field(default_factory=dict)
    ema: EmaBlock | None = None
    callbacks: list[Spec] = field(default_factory=list)
    disabled_callbacks: list[str] = field(default_factory=list)
    plugins: list[Plugin] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """The resolved recipe, every default written out, in the order of the documentation.

        What says nothing of the mathematics stands there only if it was given; ``expected_time``
        does not, as it was said of the recipe before it was changed.
        """
        off = [{"use": name, "enabled": False} for name in self.disabled_callbacks]
        optional = {
            "description": self.head.description,
            "requires": self.head.requires,
            "plugins": [str(plugin.path or plugin.module) for plugin in self.plugins],
        }
        return {
            "version": self.head.version,
            "name": self.head.name,
            **{key: value for key, value in optional.items() if value},
            "seed": self.head.seed,
            "deterministic": self.head.deterministic,
            "dataset": self.dataset.plain(),
            "latent": self.latent.plain(),
            "game": self.game.plain(),
            **{name: spec.plain() for name, spec in self.networks.items()},
            "loss": self.loss.plain(),
            "regularizers": [term.plain() for term in self.regularizers],
            "augmentations": [spec.plain() for spec in self.augmentations],
            "optimizer": {name: spec.plain() for name, spec in self.optimizers.items()},
            "schedule": {name: spec.plain() for name, spec in self.schedules.items()},
            "ema": self.ema.model_dump() if self.ema else None,
            "train": {k: v for k, v in self.train.model_dump(mode="json").items() if v is not None},
            "callbacks": [spec.plain() for spec in self.callbacks] + off,
        }
