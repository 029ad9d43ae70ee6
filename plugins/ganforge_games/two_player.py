"""The game of Goodfellow et al. 2014: one generator, one discriminator, in turns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field
from torch import Tensor

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Game,
    Phase,
    Play,
    Term,
    UsageError,
    discriminator_term,
    join,
)
from ganforge_games.packing import PackedRound

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(gt=0)]
OrNone = Annotated[float, Field(ge=0)]


class TopK(BaseModel):
    """Top-k training (Sinha et al. 2020, arXiv:2002.06224, section 3).

    The generator learns from the k samples that the discriminator likes best. k starts as the whole
    batch, and is multiplied by ``gamma`` every ``every`` steps until it is ``least`` of it. With
    micro-batches, each has a best share of its own. A loss that compares a sample with the mean of
    the others, such as ``relativistic_average``, still learns from all through that mean.

    Args:
        gamma: Factor of k.
        every: Steps between two cuts.
        least: Smallest share of the batch.
    """

    gamma: Annotated[float, Field(gt=0, le=1)] = 0.99
    every: Count = 1000
    least: Annotated[float, Field(gt=0, le=1)] = 0.5

    def count(self, samples: int, step: int) -> int:
        """k for so many samples in a step of the run, counted from 0."""
        share = max(self.least, self.gamma ** (step // self.every))
        return max(1, math.ceil(share * samples))


class TwoPlayer(Game):
    """First the discriminator learns, then the generator (arXiv:1406.2661, algorithm 1).

    Args:
        loss: What each side minimises.
        regularizers: Further terms; each says which phase it joins.
        augmentations: What is done to samples before they are judged.
        d_steps: Optimizer steps of the discriminator in one step, each with a fresh batch.
        g_steps: Optimizer steps of the generator in one step.
        discriminator_batch: While the discriminator learns, ``separate`` judges real and fake
            samples in two forward passes, ``joint`` in one, which batch normalisation then sees
            as one batch. While the generator learns, fakes are judged alone.
        discriminator_weight: Factor of the discriminator's adversarial loss. 0.5 gives the mean
            over a merged batch of real and fake samples instead of the sum of two means.
        generator_weight: Factor of the generator's adversarial loss. With 0 it is left out, and a
            regularizer such as ``feature_matching`` takes its place.
        pack: How many samples the discriminator judges together, as one of so many times the
            channels (PacGAN, Lin et al. 2018, arXiv:1712.04086). It must divide the batch.
        top_k: Let the generator learn from the best of a batch only.
        reuse_fakes: Let the generator learn from the fakes that the discriminator has just seen,
            made once for both, instead of from others: faster, and it draws fewer latents.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
        UsageError: The generator has neither an adversarial loss nor a regularizer.
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
        d_steps: Count = 1,
        g_steps: Count = 1,
        discriminator_batch: Literal["separate", "joint"] = "separate",
        discriminator_weight: Weight = 1.0,
        generator_weight: OrNone = 1.0,
        pack: Count = 1,
        top_k: TopK | None = None,
        reuse_fakes: bool = False,
    ) -> None:
        self.loss = loss
        self.joint = discriminator_batch == "joint"
        self.augmentations = augmentations
        self.top_k = top_k
        self.reuse_fakes = reuse_fakes
        self._left_by = ("discriminator", d_steps - 1)
        self.portions = self.pack = pack
        if pack > 1:
            self.judge = None  # it gives one score to several samples
        own = {
            "discriminator": [discriminator_term(loss, discriminator_weight)],
            "generator": [Term("adversarial", self.generator_loss, generator_weight)],
        }
        if generator_weight == 0:
            own["generator"] = []
        terms = join(own, regularizers)
        if not terms["generator"]:
            raise UsageError(
                "generator_weight is 0, and no regularizer joins the generator's phase",
                hint="Give it a weight, or add a regularizer such as {use: feature_matching}.",
            )
        self._phases = (
            Phase(
                "discriminator",
                ("discriminator",),
                terms["discriminator"],
                d_steps,
                prepares=("generator",) if reuse_fakes else (),
            ),
            Phase("generator", ("generator",), terms["generator"], g_steps, draws_batch=False),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> AdversarialRound:
        options: dict[str, Any] = {
            "joint": self.joint,
            "belief": self.loss.belief,
            "augmentations": self.augmentations,
        }
        if self.reuse_fakes:
            options["leaves_fakes"] = (play.phase, play.repeat) == self._left_by
            if (play.phase, play.repeat) == ("generator", 0):
                options["takes_fakes_of"] = self._left_by
        if self.pack > 1:
            return PackedRound(play, pack=self.pack, **options)
        return AdversarialRound(play, **options)

    def generator_loss(self, round: AdversarialRound) -> Tensor:
        """The loss's, of the samples from which the generator is to learn."""
        value = self.loss.generator(round)
        if self.top_k is None:
            return value
        scores = round.scores("fake").detach()
        count = self.top_k.count(len(scores), round.play.step)
        best = scores.reshape(len(scores), -1).mean(dim=1).topk(count).indices
        return value[best]

    def shapes(
        self, network: str, sample: tuple[int, ...], source: tuple[int, ...] | None
    ) -> Mapping[str, tuple[int, ...] | None]:
        """The discriminator sees packs."""
        if network == self.sampler:
            return super().shapes(network, sample, source)
        return {"image_shape": (self.pack * sample[0], *sample[1:]), "source_shape": source}

    def members(self) -> Mapping[str, Any]:
        return {"loss": self.loss, **_numbered(self.augmentations)}


def _numbered(augmentations: Sequence[Augmentation]) -> dict[str, Augmentation]:
    return {f"augmentation_{number}": each for number, each in enumerate(augmentations)}
