"""A round: what the terms of a phase may look at for one micro-batch, each part computed once.

Parts of a round are ``functools.cached_property`` attributes: a part that no term asks for is
never computed, and one that several terms ask for is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ganforge.engine.data import Batch
from ganforge.engine.draw import Draw
from ganforge.engine.latent import Latent
from ganforge.engine.tally import Scalar


@dataclass(frozen=True)
class Play:
    """What the engine knows about one micro-batch of one phase.

    Args:
        phase: The phase's name.
        networks: All networks of the game, by name.
        learning: The networks that learn in this phase.
        differentiates: The inputs by which a term of this phase will differentiate.
        batch: The micro-batch of real samples.
        latent: The distribution of latents.
        draw: The random numbers of this micro-batch.
        shared: What plays of this step leave for later ones, by any key; it may be gone when the
            run goes on within a step, and must then be made again.
        watched: Whether somebody looks at this play closely: a round may then observe what costs
            something.
    """

    phase: str
    networks: Mapping[str, nn.Module]
    learning: frozenset[str]
    differentiates: frozenset[str]
    batch: Batch
    latent: Latent
    draw: Draw
    shared: dict[Any, Any] = field(default_factory=dict)
    watched: bool = False

    @property
    def step(self) -> int:
        """The step of the run, from 0."""
        return self.draw.step

    @property
    def repeat(self) -> int:
        """Which play of the phase in this step, from 0."""
        return self.draw.turn[1]


class Round:
    """Base of all rounds; a game's own rounds add the parts that its terms need."""

    def __init__(self, play: Play) -> None:
        self.play = play

    def __len__(self) -> int:
        return len(self.play.batch)

    def network(self, name: str) -> nn.Module:
        return self.play.networks[name]

    def learns(self, name: str) -> bool:
        """Whether the network of this name learns in the phase being played."""
        return name in self.play.learning

    def prepared(self, name: str, value: Tensor) -> Tensor:
        """``value``, as a leaf with a gradient if a term will differentiate by ``name``."""
        if name in self.play.differentiates and not value.requires_grad:
            return value.detach().requires_grad_()
        return value

    def observe(self) -> Mapping[str, Scalar]:
        """Scalars worth recording that this round has computed anyway, or :class:`Later` ones."""
        return {}
