"""The game of bidirectional GANs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Game,
    Panel,
    Phase,
    Play,
    Show,
    Side,
    Term,
    UsageError,
    call,
    join,
)

Count = Annotated[int, Field(ge=1)]


class BiGAN(Game):
    """A generator and an encoder against a discriminator of pairs ``(x, E(x))`` and ``(G(z), z)``.

    D tells pairs of a real sample with its code from pairs of a made sample with its latent. G and
    E want it to fail at both, which they can only if they are each other's inverse.

    The discriminator learns first: it minimises the recipe's loss, whose real side are the pairs
    ``(x, E(x))``. Then generator and encoder learn together, in the phase ``generator``: they
    minimise *the same loss with the sides exchanged*. Of ``non_saturating`` and ``minimax``, whose
    discriminator has the cross-entropy, that is
    ``-log D(G(z), z) - log(1 - D(x, E(x)))``, the "inverse" objective with which the paper trains
    because it does not saturate (section 3, on learning). Of ``wasserstein`` it is the negative
    loss of the discriminator, of ``least_squares`` and ``relativistic_*`` what these have for a
    generator that cares for both sides, and of ``hinge`` a hinge for G and E too. So the loss's
    own ``generator`` is never asked.

    Regularizers that judge samples at other places, such as ``gradient_penalty``, have no latents
    to go with them and do not fit; ``r1`` and ``r2`` do, and differentiate by the sample alone.

    Source: Donahue, Krähenbühl and Darrell 2017, arXiv:1605.09782, equations 2 and 3; found at the
    same time by Dumoulin et al. 2017, "ALI", arXiv:1606.00704.

    Args:
        loss: What the discriminator minimises, and with sides exchanged the others.
        regularizers: Further terms; each says which phase it joins.
        augmentations: What is done to samples before they are judged. The encoder sees them as
            they are.
        d_steps: Optimizer steps of the discriminator in one step, each with a fresh batch.
        discriminator_batch: ``joint`` judges both kinds of pairs in one forward pass while the
            discriminator learns, ``separate`` in two.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
    """

    networks: ClassVar[Mapping[str, str]] = {
        "generator": "generator",
        "discriminator": "discriminator",
        "encoder": "encoder",
    }

    judge = None
    """A sample alone cannot be ranked: D asks for its latent."""

    def __init__(
        self,
        *,
        loss: AdversarialLoss,
        regularizers: Sequence[Term],
        augmentations: Sequence[Augmentation] = (),
        d_steps: Count = 1,
        discriminator_batch: Literal["separate", "joint"] = "separate",
    ) -> None:
        self.loss = loss
        self.augmentations = augmentations
        self.joint = discriminator_batch == "joint"
        own = {
            "discriminator": [Term("adversarial", loss.discriminator)],
            "generator": [Term("adversarial", self.exchanged)],
        }
        terms = join(own, regularizers)
        both = ("generator", "encoder")
        self._phases = (
            Phase("discriminator", ("discriminator",), terms["discriminator"], d_steps),
            Phase("generator", both, terms["generator"], draws_batch=False),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> PairRound:
        return PairRound(
            play, joint=self.joint, belief=self.loss.belief, augmentations=self.augmentations
        )

    def exchanged(self, round: AdversarialRound) -> Tensor:
        """The discriminator's loss, per pair ``(N,)``, that takes each side for the other."""
        return self.loss.discriminator(Exchanged(round))

    def pictures(self, show: Show) -> Mapping[str, Panel]:
        """Samples, and ``reconstructions``: a row of real samples x, below it one of G(E(x))."""
        generator, encoder = show.networks["generator"], show.networks["encoder"]
        batch = show.batch
        codes = call(encoder, batch.samples, labels=batch.labels)
        again = call(generator, codes, labels=batch.labels)
        columns = min(show.columns or 8, len(again))
        rows = [
            row
            for first in range(0, len(again) - columns + 1, columns)
            for row in (batch.samples[first : first + columns], again[first : first + columns])
        ]
        return {**super().pictures(show), "reconstructions": Panel(torch.cat(rows), columns)}

    def members(self) -> Mapping[str, Any]:
        numbered = {f"augmentation_{n}": each for n, each in enumerate(self.augmentations)}
        return {"loss": self.loss, **numbered}


class PairRound(AdversarialRound):
    """A round whose discriminator judges samples with their latents.

    Args:
        play: What the engine knows about this micro-batch.
        joint: As of ``AdversarialRound``.
        belief: As of ``AdversarialRound``.
        augmentations: As of ``AdversarialRound``.
    """

    def __init__(
        self,
        play: Play,
        *,
        joint: bool,
        belief: Callable[[Tensor], Tensor],
        augmentations: Sequence[Augmentation],
    ) -> None:
        super().__init__(play, joint=joint, belief=belief, augmentations=augmentations)

    @cached_property
    def code(self) -> Tensor:
        """E(x) of the real samples, ``(N, latent_dim)``.

        Raises:
            UsageError: The encoder makes no latents.
        """
        with torch.set_grad_enabled(self.learns("encoder")):
            found: Tensor = call(self.network("encoder"), self.real, labels=self.labels)
        if found.shape != self.latent.shape:
            raise UsageError(
                f"the encoder of game 'bigan' gives codes of shape {tuple(found.shape[1:])}, but "
                f"latents have the shape {tuple(self.latent.shape[1:])}",
                hint="Choose an encoder that makes latents, such as 'encoder: {use: bigan}'.",
            )
        return found

    def beside(self, side: Side | None) -> dict[str, Tensor | None]:
        """What the discriminator may ask for: ``latents`` are the codes of real samples.

        Raises:
            UsageError: They are wanted for other samples.
        """
        if side is None:
            raise UsageError(
                "the discriminator of game 'bigan' judges samples with their latents, and samples "
                "between or near real ones have none",
                hint="Leave out regularizers such as gradient_penalty, lipschitz_penalty and "
                "dragan; r1 and r2 fit.",
            )
        return {**super().beside(side), "latents": self.code if side == "real" else self.latent}


class Exchanged(AdversarialRound):
    """A round seen with its real and fake sides exchanged.

    Args:
        round: As it is.
    """

    def __init__(self, round: AdversarialRound) -> None:
        super().__init__(round.play, belief=round.belief)
        self._round = round

    @cached_property
    def real(self) -> Tensor:
        return self._round.fake

    @cached_property
    def fake(self) -> Tensor:
        return self._round.real

    def outputs(self, side: Side) -> dict[str, Tensor]:
        """What the discriminator says of the other side."""
        return self._round.outputs("fake" if side == "real" else "real")

    def judge(self, samples: Tensor) -> dict[str, Tensor]:
        return self._round.judge(samples)
