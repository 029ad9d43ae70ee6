"""Components whose options have every shape that a constructor can give them.

Recipes name this file under ``plugins``. Nothing in it is ever built: each of them is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ganforge import Register, hookimpl


class Stage(BaseModel):
    """A nested option."""

    filters: Annotated[int, Field(ge=1)]
    norm: Literal["batch", "none"] = "batch"


LAST = Stage(filters=1, norm="none")


class Nearest(BaseModel):
    """One of two shapes of an option, told apart by ``kind``."""

    kind: Literal["nearest"]
    smooth: bool = False


class Shuffle(BaseModel):
    """The other shape."""

    kind: Literal["shuffle"]
    blocks: Annotated[int, Field(ge=1)] = 2


class Tower:
    """A generator, as far as its options go."""

    def __init__(
        self,
        *,
        latent_dim: int,
        depth: Annotated[int, Field(ge=1, le=12)],
        width: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto",
        activation: Literal["relu", "leaky_relu", "gelu"] = "relu",
        slope: Annotated[float, Field(gt=0, lt=1)] = 0.2,
        dropout: Annotated[float, Field(ge=0, le=1)] | None = None,
        tag: Annotated[str, Field(pattern=r"^[a-z]+$")] = "tower",
        heads: Annotated[int, Field(multiple_of=4)] = 8,
        taps: Annotated[list[int], Field(min_length=1, max_length=4)] | None = None,
        kernel: tuple[int, int] = (3, 3),
        gains: dict[str, Annotated[float, Field(gt=0)]] | None = None,
        stem: Stage | None = None,
        head: Stage = LAST,
        stages: list[Stage] | None = None,
        resize: Annotated[Nearest | Shuffle, Field(discriminator="kind")] | None = None,
    ) -> None: ...


class Hidden:
    """A discriminator that hides its options."""

    def __init__(self, **options: int) -> None: ...


class Fade:
    """A schedule, as far as its options go."""

    def __init__(self, *, optimizer: object, total_steps: int, floor: float = 0.0) -> None: ...


@hookimpl
def register_generators(register: Register) -> None:
    register("tower", Tower)


@hookimpl
def register_discriminators(register: Register) -> None:
    register("hidden", Hidden)
    register("lost", "networks:Lost")


@hookimpl
def register_schedules(register: Register) -> None:
    register("fade", Fade)
