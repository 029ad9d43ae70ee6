"""The game of Goodfellow et al. 2014: one generator, one discriminator, in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Game,
    Phase,
    Play,
    PluginError,
    Term,
)

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(gt=0)]


class TwoPlayer(Game):
    """First the discriminator learns, then the generator (arXiv:1406.2661, algorithm 1).

    Args:
        loss: What each side minimises.
        regularizers: Further terms; each says which phase it joins.
        d_steps: Optimizer steps of the discriminator in one step, each with a fresh batch.
        g_steps: Optimizer steps of the generator in one step.
        discriminator_batch: While the discriminator learns, ``separate`` judges real and fake
            samples in two forward passes, ``joint`` in one, which batch normalisation then sees
            as one batch. While the generator learns, fakes are judged alone.
        discriminator_weight: Factor of the discriminator's adversarial loss. 0.5 gives the mean
            over a merged batch of real and fake samples instead of the sum of two means.
        generator_weight: Factor of the generator's adversarial loss.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
    """

    networks: ClassVar[Mapping[str, str]] = {
        "generator": "generator",
        "discriminator": "discriminator",
    }

    def __init__(
        self,
        *,
        loss: AdversarialLoss,
        regularizers: Sequence[Term],
        d_steps: Count = 1,
        g_steps: Count = 1,
        discriminator_batch: Literal["separate", "joint"] = "separate",
        discriminator_weight: Weight = 1.0,
        generator_weight: Weight = 1.0,
    ) -> None:
        self.loss = loss
        self.joint = discriminator_batch == "joint"
        terms: dict[str, list[Term]] = {
            "discriminator": [Term("adversarial", loss.discriminator, discriminator_weight)],
            "generator": [Term("adversarial", loss.generator, generator_weight)],
        }
        for term in regularizers:
            phase = getattr(term.function, "phase", "discriminator")
            if phase not in terms:
                raise PluginError(
                    f"regularizer '{term.name}' joins phase '{phase}'; "
                    f"this game has {' and '.join(terms)}"
                )
            terms[phase].append(term)
        self._phases = (
            Phase("discriminator", ("discriminator",), tuple(terms["discriminator"]), d_steps),
            Phase(
                "generator", ("generator",), tuple(terms["generator"]), g_steps, draws_batch=False
            ),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play, joint=self.joint, belief=self.loss.belief)

    def state_dict(self) -> dict[str, Any]:
        """The loss's state, if it has one."""
        save = getattr(self.loss, "state_dict", None)
        return {} if save is None else {"loss": save()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load = getattr(self.loss, "load_state_dict", None)
        if load is not None and "loss" in state:
            load(state["loss"])
