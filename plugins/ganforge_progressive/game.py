"""The game of progressive growing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Game,
    Phase,
    Play,
    Scalar,
    Term,
    UsageError,
    discriminator_term,
    join,
)
from ganforge_progressive.growing import PARTS, Count, Growing, place, seen_at

Steps = Annotated[int, Field(ge=0)]


class Progressive(Game):
    """Both networks learn small images first, and grow to larger ones.

    As in ``two_player`` the discriminator learns first, then the generator. Before each play both
    networks are set to the level that the step has: ``stable_steps`` at the smallest size; then,
    for each further size, ``fade_steps`` in which it is faded in and ``stable_steps`` with it in
    full; then full size to the end of the run. In the n-th step of a fade, from 0 on, alpha is
    ``n / fade_steps``. Real images are averaged down to the same size and faded in the same way,
    and all have full size outside the networks, as in the authors' code; a gradient penalty is
    that by the image of full size.

    The paper uses ``wasserstein`` with ``gradient_penalty`` and ``drift``. A run should have
    ``stable_steps + (sizes - 1) * (fade_steps + stable_steps)`` steps at least, or it ends at a
    smaller size. Moments of the optimizers are kept when a size comes in, where the authors' code
    sets them to 0; batch size and learning rates stay the recipe's.

    Source: Karras et al. 2018, arXiv:1710.10196, section 2, and appendix A.

    Args:
        loss: What each side minimises.
        regularizers: Further terms; each says which phase it joins.
        augmentations: What is done to samples before they are judged.
        stable_steps: Steps with each size in full; the last has all that remain.
        fade_steps: Steps in which a size is faded in; with 0 it is there at once.
        d_steps: Optimizer steps of the discriminator in one step, each with a fresh batch.
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
        augmentations: Sequence[Augmentation] = (),
        stable_steps: Count = 500,
        fade_steps: Steps = 500,
        d_steps: Count = 1,
    ) -> None:
        self.loss = loss
        self.augmentations = augmentations
        self.stable_steps = stable_steps
        self.fade_steps = fade_steps
        own = {
            "discriminator": [discriminator_term(loss)],
            "generator": [Term("adversarial", loss.generator)],
        }
        terms = join(own, regularizers)
        self._phases = (
            Phase("discriminator", ("discriminator",), terms["discriminator"], d_steps),
            Phase("generator", ("generator",), terms["generator"], draws_batch=False),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def level(self, step: int, stages: int) -> float:
        """The level in a step of the run, counted from 0; a whole number of 1/65536."""
        after = step - self.stable_steps
        if after < 0:
            return 0.0
        stage, rest = divmod(after, self.fade_steps + self.stable_steps)
        fading = rest < self.fade_steps
        parts = stage * PARTS + (rest * PARTS // self.fade_steps if fading else PARTS)
        return min(parts, (stages - 1) * PARTS) / PARTS

    def round(self, play: Play) -> ProgressiveRound:
        """A round at the play's level, to which both networks are set."""
        stages = _common_stages(play.networks)
        level = self.level(play.step, stages)
        for name in self.networks:
            grown(name, play.networks[name]).grow(level)
        return ProgressiveRound(
            play,
            level=level,
            stages=stages,
            belief=self.loss.belief,
            augmentations=self.augmentations,
        )

    def members(self) -> Mapping[str, Any]:
        numbered = {f"augmentation_{n}": each for n, each in enumerate(self.augmentations)}
        return {"loss": self.loss, **numbered}


class ProgressiveRound(AdversarialRound):
    """A round whose real samples are no finer than what the generator can make.

    Args:
        play: What the engine knows about this micro-batch.
        level: How far the networks have grown.
        stages: At how many sizes they work.
        belief: As of ``AdversarialRound``.
        augmentations: As of ``AdversarialRound``.
    """

    def __init__(
        self,
        play: Play,
        *,
        level: float,
        stages: int,
        belief: Callable[[Tensor], Tensor],
        augmentations: Sequence[Augmentation],
    ) -> None:
        super().__init__(play, belief=belief, augmentations=augmentations)
        self.level = level
        self.stages = stages

    @cached_property
    def real(self) -> Tensor:
        """Real samples ``(N, C, H, W)`` as they are at the present level."""
        return self.prepared("real", seen_at(self.play.batch.samples, self.level, self.stages))

    def observe(self) -> dict[str, Scalar]:
        """What every round observes, and in the discriminator's phase the stage and its alpha."""
        found = super().observe()
        if self.learns(self.discriminator):
            stage, alpha = place(round(self.level * PARTS))
            device = self.play.draw.device
            found["stage"] = torch.tensor(float(stage), device=device)
            found["alpha"] = torch.tensor(alpha, device=device)
        return found


def grown(name: str, network: nn.Module) -> Growing:
    """The network, which can grow.

    Args:
        name: Its name in the game.
        network: What the recipe has put there.
    Raises:
        UsageError: It cannot.
    """
    if isinstance(network, Growing):
        return network
    raise UsageError(
        f"game 'progressive' needs a {name} that can grow, and {type(network).__name__} cannot",
        hint=f"Write '{name}: {{use: progressive}}', or choose a network that has an attribute "
        "'stages' and a method 'grow(level)'.",
    )


def _common_stages(networks: Mapping[str, nn.Module]) -> int:
    """At how many sizes the networks work.

    Raises:
        UsageError: They work at different numbers of sizes, or one cannot grow.
    """
    found = {name: grown(name, networks[name]).stages for name in Progressive.networks}
    if len(set(found.values())) > 1:
        told = " and ".join(f"the {name} at {stages}" for name, stages in found.items())
        raise UsageError(
            f"the networks of game 'progressive' work at different numbers of sizes: {told}",
            hint="Choose networks that begin at the same size.",
        )
    return found["generator"]
