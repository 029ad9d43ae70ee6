"""The game of pix2pix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AdversarialLoss,
    Game,
    Panel,
    Phase,
    Play,
    Show,
    Side,
    Term,
    UsageError,
    call,
    discriminator_term,
    join,
)
from ganforge_translation.translating import (
    Shape,
    TranslationRound,
    check_made,
    distance,
    in_rows,
    no_source,
    source_of,
)

Weight = Annotated[float, Field(ge=0)]


class Pix2Pix(Game):
    """A generator makes the target of a source; a discriminator judges both together.

    D tells pairs ``(x, y)`` of a source and its target from pairs ``(x, G(x))``; it sees them as
    one sample, concatenated along the channels, the source first. G minimises
    ``loss + l1 * mean |y - G(x)|``. First the discriminator learns, then the generator from the
    same batch. The data must be paired (``paired``, ``paired_folder``), and both domains of one
    size. The paper halves D's loss to slow it; a lower learning rate of the discriminator does the
    same for an optimizer like adam, which takes no notice of a factor.

    Regularizers of the discriminator, such as ``r1``, ``gradient_penalty`` or ``lecam``, join its
    phase and see pairs; gradients by a sample are those by the whole pair.

    It shows rows of sources, of what is made of them, and of the true targets.

    Source: Isola et al. 2017, arXiv:1611.07004, equations 1 to 4 and section 3.3.

    Args:
        loss: What the adversaries minimise; ``non_saturating`` in the paper.
        regularizers: Further terms; each says which phase it joins.
        l1: Weight of the distance of pixels in [-1, 1], the paper's lambda. 0 leaves it out.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
        UsageError: The data set has no source, or the two domains have different sizes.
    """

    networks: ClassVar[Mapping[str, str]] = {
        "generator": "generator",
        "discriminator": "discriminator",
    }

    judge = None
    """A sample alone cannot be ranked: D judges pairs."""

    samples_of: ClassVar[Literal["latents", "source"]] = "source"

    pairs: ClassVar[bool] = True

    def __init__(
        self, *, loss: AdversarialLoss, regularizers: Sequence[Term], l1: Weight = 100.0
    ) -> None:
        self.loss = loss
        near = [Term("l1", self.l1, l1)] if l1 > 0 else []
        own = {
            "discriminator": [discriminator_term(loss)],
            "generator": [Term("adversarial", loss.generator), *near],
        }
        terms = join(own, regularizers)
        self._phases = (
            Phase("discriminator", ("discriminator",), terms["discriminator"]),
            Phase("generator", ("generator",), terms["generator"], draws_batch=False),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> PairRound:
        return PairRound(play, belief=self.loss.belief)

    def l1(self, round: PairRound) -> Tensor:
        """``mean |y - G(x)|`` over a sample's numbers, ``(N,)`` (equation 3)."""
        return distance(round.target, round.output)

    def shapes(
        self, network: str, sample: Shape, source: Shape | None
    ) -> Mapping[str, Shape | None]:
        """The discriminator sees the channels of both.

        Raises:
            UsageError: There is no source, or it has another size.
        """
        if source is None:
            raise no_source("pix2pix", "paired or paired_folder")
        if network == self.sampler:
            return super().shapes(network, sample, source)
        if sample[1:] != source[1:]:
            raise UsageError(
                f"game 'pix2pix' judges a source beside its target, and samples of shape {source} "
                f"and {sample} do not go together",
                hint="Give both domains one size; only their channels may differ.",
            )
        return {"image_shape": (source[0] + sample[0], *sample[1:]), "source_shape": source}

    def pictures(self, show: Show) -> Mapping[str, Panel]:
        """Rows of sources, of what is made of them, and of the true targets.

        Raises:
            UsageError: The data set has no source.
        """
        batch = show.batch
        if batch.source is None:
            raise no_source("pix2pix", "paired or paired_folder")
        made = call(show.networks["generator"], batch.source, labels=batch.labels)
        return {"samples": in_rows([batch.source, made, batch.samples], show.columns)}

    def members(self) -> Mapping[str, Any]:
        return {"loss": self.loss}


class PairRound(TranslationRound):
    """A round whose discriminator judges sources and targets, concatenated along the channels.

    Args:
        play: What the engine knows about this micro-batch.
        belief: As of ``AdversarialRound``.
    Raises:
        UsageError: The data set has no source.
    """

    def __init__(self, play: Play, *, belief: Callable[[Tensor], Tensor]) -> None:
        super().__init__(play, belief=belief)
        self.start = source_of(play, "pix2pix")

    @property
    def target(self) -> Tensor:
        """The true targets ``(N, C, H, W)``."""
        return self.play.batch.samples

    @cached_property
    def output(self) -> Tensor:
        """What the generator makes of the sources, ``(N, C, H, W)``."""
        with torch.set_grad_enabled(self.learns(self.generator)):
            made: Tensor = call(self.network(self.generator), self.start, labels=self.labels)
        check_made(self.generator, made, self.target)
        return made

    @cached_property
    def real(self) -> Tensor:
        """Sources and their targets, ``(N, source C + C, H, W)``."""
        return self.prepared("real", torch.cat([self.start, self.target], dim=1))

    @cached_property
    def fake(self) -> Tensor:
        """Sources and what is made of them, ``(N, source C + C, H, W)``."""
        return self.prepared("fake", torch.cat([self.start, self.output], dim=1))

    def beside(self, side: Side | None) -> dict[str, Tensor | None]:
        """Labels; the source is in the pair already."""
        return {"labels": self.labels}
