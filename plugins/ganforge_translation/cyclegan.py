"""The game of CycleGAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ganforge.api import (
    AdversarialLoss,
    Game,
    Panel,
    Phase,
    Play,
    PluginError,
    Show,
    Term,
    UsageError,
    call,
)
from ganforge_translation import domains
from ganforge_translation.domains import DOMAINS, CycleRound, of_both
from ganforge_translation.pool import ImagePool
from ganforge_translation.translating import Shape, in_rows, no_source

Weight = Annotated[float, Field(ge=0)]

PHASES = {"discriminator": "discriminators", "generator": "generators"}
"""Where a regularizer goes that is written for two players."""


class CycleGAN(Game):
    """Two domains that do not correspond: G makes targets of sources, F sources of targets.

    With x a sample of the source and y one of the target, G (``to_target``) and F (``to_source``)
    together minimise

    ``adversarial * (loss of G at D_target + loss of F at D_source)
    + cycle * (mean |F(G(x)) - x| + mean |G(F(y)) - y|)
    + cycle * identity * (mean |G(y) - y| + mean |F(x) - x|)``.

    Then both discriminators learn from the same batch. The fakes that they see come through a pool
    of earlier ones, each domain's of its own, see
    :class:`~ganforge_translation.pool.ImagePool`. They are made anew, by the generators as they are
    then; the authors' code keeps those that the generators learned from. The two discriminators'
    losses are added; each has its own optimizer.

    The recipe's ``loss`` is ``least_squares`` in the paper. Its generator's part is
    ``(s - 1)^2 / 2`` here and ``(s - 1)^2`` there, so ``adversarial: 2`` is the paper's balance.

    Regularizers of the phases ``discriminator`` and ``generator`` join the phases
    ``discriminators`` and ``generators``, once for each domain: ``r1`` becomes ``r1_target`` and
    ``r1_source``, with states of their own. In a domain's round, ``real`` and ``fake`` are that
    domain's samples, and the others' networks do not learn. There are no latents and no labels.

    It shows ``samples``, rows of x, G(x) and F(G(x)), and ``back``, rows of y, F(y) and G(F(y)).

    Source: Zhu et al. 2017, arXiv:1703.10593, equations 1 to 3, sections 4 and 5.2.

    Args:
        loss: What the adversaries minimise, in both domains.
        regularizers: Further terms.
        cycle: Weight of the way there and back, the paper's lambda.
        identity: Weight of the identity, as a share of ``cycle``: a sample of the domain that a
            generator makes should stay as it is. 0 leaves it out, as it must be where the domains
            have different shapes.
        adversarial: Weight of the generators' adversarial losses.
        pool: How many generated samples of each domain are kept for the discriminators; 0 shows
            them new ones only.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
        UsageError: The data set has no source; or its samples have another shape, and ``identity``
            is not 0.
    """

    networks: ClassVar[Mapping[str, str]] = {
        "to_target": "generator",
        "to_source": "generator",
        "target_discriminator": "discriminator",
        "source_discriminator": "discriminator",
    }

    sampler: ClassVar[str] = "to_target"

    judge = None
    """Nothing is to be ranked: each source has one translation."""

    samples_of: ClassVar[Literal["latents", "source"]] = "source"

    def __init__(
        self,
        *,
        loss: AdversarialLoss,
        regularizers: Sequence[Term],
        cycle: Weight = 10.0,
        identity: Weight = 0.5,
        adversarial: Annotated[float, Field(gt=0)] = 1.0,
        pool: Annotated[int, Field(ge=0)] = 50,
    ) -> None:
        self.loss = loss
        self.identity = cycle * identity
        self.pools = {domain: ImagePool(pool) for domain in DOMAINS}
        own = [
            Term("adversarial", loss.generator, adversarial),
            Term("cycle", domains.cycle, cycle),
            Term("identity", domains.identity, self.identity),
        ]
        terms = {
            "generators": [each for term in own if term.weight > 0 for each in of_both(term)],
            "discriminators": of_both(Term("adversarial", loss.discriminator)),
        }
        for regularizer in regularizers:
            both = of_both(regularizer, apart=True)
            for phase in _phases_of(regularizer):
                terms[phase] += both
        self._phases = (
            Phase("generators", ("to_target", "to_source"), tuple(terms["generators"])),
            Phase(
                "discriminators",
                ("target_discriminator", "source_discriminator"),
                tuple(terms["discriminators"]),
                draws_batch=False,
            ),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> CycleRound:
        learning = play.phase == "discriminators"
        return CycleRound(play, belief=self.loss.belief, pools=self.pools if learning else None)

    def shapes(
        self, network: str, sample: Shape, source: Shape | None
    ) -> Mapping[str, Shape | None]:
        """Each network is told of its own domain, and of the other one as its source.

        Raises:
            UsageError: There is no source, or it has another shape and ``identity`` is not 0.
        """
        if source is None:
            raise no_source("cyclegan")
        if self.identity and sample != source:
            raise UsageError(
                f"game 'cyclegan': samples of the source have the shape {source}, those of the "
                f"target {sample}, and the identity needs generators that take both",
                hint="Write game: {use: cyclegan, identity: 0}, or give both domains one shape.",
            )
        if network in ("to_target", "target_discriminator"):
            return {"image_shape": sample, "source_shape": source}
        return {"image_shape": source, "source_shape": sample}

    def pictures(self, show: Show) -> Mapping[str, Panel]:
        """Rows of samples, of what is made of them, and of what is made of that, both ways.

        Raises:
            UsageError: The data set has no source.
        """
        batch = show.batch
        if batch.source is None:
            raise no_source("cyclegan")
        there, back = show.networks["to_target"], show.networks["to_source"]
        ways = {
            "samples": (batch.source, there, back),
            "back": (batch.samples, back, there),
        }
        panels = {}
        for name, (start, first, second) in ways.items():
            made = call(first, start)
            panels[name] = in_rows([start, made, call(second, made)], show.columns)
        return panels

    def members(self) -> Mapping[str, Any]:
        return {"loss": self.loss, **{f"pool_{name}": pool for name, pool in self.pools.items()}}


def _phases_of(regularizer: Term) -> list[str]:
    """The phases of this game that a regularizer of two players joins.

    Raises:
        PluginError: It joins another one.
    """
    wanted = getattr(regularizer.function, "phase", "discriminator")
    wanted = (wanted,) if isinstance(wanted, str) else wanted
    for phase in wanted:
        if phase not in PHASES:
            raise PluginError(
                f"regularizer '{regularizer.name}' joins phase '{phase}'; game 'cyclegan' takes "
                f"those of {' and '.join(PHASES)}",
                hint="Leave it out of 'regularizers', or choose another game.",
            )
    return [PHASES[phase] for phase in wanted]
