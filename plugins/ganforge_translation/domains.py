"""The round of CycleGAN: two domains, each with a generator into it and a discriminator of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from ganforge.api import Play, Round, Scalar, Side, Term, call
from ganforge_translation.pool import ImagePool
from ganforge_translation.translating import (
    TranslationRound,
    check_made,
    distance,
    narrowed,
    source_of,
)

Domain = Literal["target", "source"]

DOMAINS: tuple[Domain, Domain] = ("target", "source")


class CycleRound(Round):
    """Both domains on one micro-batch.

    Args:
        play: What the engine knows about this micro-batch.
        belief: As of ``AdversarialRound``.
        pools: By domain, through which fakes reach its discriminator; None judges them as they are.
    Raises:
        UsageError: The data set has no source.
    """

    def __init__(
        self,
        play: Play,
        *,
        belief: Callable[[Tensor], Tensor],
        pools: Mapping[Domain, ImagePool] | None,
    ) -> None:
        super().__init__(play)
        samples = {"target": play.batch.samples, "source": source_of(play, "cyclegan")}
        self.domains = {
            domain: DomainRound(
                play,
                domain,
                own=samples[domain],
                start=samples["source" if domain == "target" else "target"],
                belief=belief,
                pool=None if pools is None else pools[domain],
            )
            for domain in DOMAINS
        }
        self.domains["target"].other = self.domains["source"]
        self.domains["source"].other = self.domains["target"]

    def observe(self) -> dict[str, Scalar]:
        """D(x) and D(G(x)) of each domain, where they were computed."""
        return {
            f"{name}_{domain}": value
            for domain, round in self.domains.items()
            for name, value in round.observe().items()
        }


class DomainRound(TranslationRound):
    """One domain: its own samples are real, those translated into it are fake.

    Args:
        play: What the engine knows about this micro-batch.
        domain: Which one.
        own: Samples of this domain, ``(N, ...)``.
        start: Samples of the other domain, as many.
        belief: As of ``AdversarialRound``.
        pool: Through which fakes reach the discriminator, or None.
    """

    other: DomainRound
    """The round of the other domain."""

    def __init__(
        self,
        play: Play,
        domain: Domain,
        *,
        own: Tensor,
        start: Tensor,
        belief: Callable[[Tensor], Tensor],
        pool: ImagePool | None,
    ) -> None:
        generator, discriminator = f"to_{domain}", f"{domain}_discriminator"
        super().__init__(
            narrowed(play, generator, discriminator),
            generator=generator,
            discriminator=discriminator,
            belief=belief,
        )
        self.domain = domain
        self.own = own
        self.start = start
        self.pool = pool

    @cached_property
    def source(self) -> None:
        """No sample of the other domain belongs to one of this."""
        return None

    @cached_property
    def labels(self) -> None:
        """The batch has those of the target only, and what is made has none."""
        return None

    @cached_property
    def real(self) -> Tensor:
        """Samples of this domain, ``(N, ...)``."""
        return self.prepared("real", self.own)

    def generate(self, samples: Tensor) -> Tensor:
        """What this domain's generator makes of samples ``(N, ...)``; with a graph if it or the
        samples have one."""
        made: Tensor = call(self.network(self.generator), samples)
        check_made(self.generator, made, self.own)
        return made

    @cached_property
    def translated(self) -> Tensor:
        """What is made of the other domain's samples, ``(N, ...)``."""
        with torch.set_grad_enabled(self.learns(self.generator)):
            return self.generate(self.start)

    @cached_property
    def fake(self) -> Tensor:
        """What the discriminator sees of them: the same, or others from the pool, ``(N, ...)``."""
        shown = self.translated
        if self.pool is not None:
            shown = self.pool.exchange(shown, self.play.draw, f"pool/{self.domain}")
        return self.prepared("fake", shown)

    @cached_property
    def again(self) -> Tensor:
        """This domain's samples, there and back, ``(N, ...)``."""
        return self.generate(self.other.translated)

    def beside(self, side: Side | None) -> dict[str, Tensor | None]:
        """There is nothing beside a sample."""
        return {}


def cycle(round: DomainRound) -> Tensor:
    """``mean |G(F(y)) - y|`` over the numbers of each sample y of a domain, ``(N,)`` (eq. 2)."""
    return distance(round.again, round.own)


def identity(round: DomainRound) -> Tensor:
    """``mean |G(y) - y|``, ``(N,)`` (section 5.2)."""
    return distance(round.generate(round.own), round.own)


class OneDomain:
    """A term of one domain's round, as a term of the whole one.

    Args:
        function: Takes the round of a domain.
        domain: Which one.
    """

    def __init__(self, function: Callable[[Any], Tensor], domain: Domain) -> None:
        self.function = function
        self.domain = domain
        for name in ("differentiates", "state_dict", "load_state_dict", "after_step"):
            if hasattr(function, name):  # the engine looks whether they are there
                setattr(self, name, getattr(function, name))

    def __call__(self, round: CycleRound) -> Tensor:
        return self.function(round.domains[self.domain])


def of_both(term: Term, *, apart: bool = False) -> list[Term]:
    """A term twice, once for each domain.

    Args:
        term: Its function takes the round of a domain.
        apart: Give each domain a copy of the function, for those that have a state.
    """
    terms = []
    for domain in DOMAINS:
        function = copy.deepcopy(term.function) if apart else term.function
        name = f"{term.name}_{domain}"
        terms.append(Term(name, OneDomain(function, domain), term.weight, term.every))
    return terms
