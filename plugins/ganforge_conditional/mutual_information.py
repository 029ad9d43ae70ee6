"""InfoGAN's term: the codes must be seen in what is generated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ganforge.api import AdversarialRound, Regularizer, UsageError, call

Weight = Annotated[float, Field(ge=0)]


class MutualInformation(Regularizer):
    """How badly Q guesses the codes of generated samples: ``-log Q(c | G(z, c))``, ``(N,)``.

    Up to the entropy of the codes, which is constant, its mean is an upper bound on minus their
    mutual information with the samples. For each categorical code it is the cross-entropy, for
    each continuous one the negative log likelihood under a normal distribution,
    ``(c - m)^2 / (2 v) + log(v) / 2 + log(2 pi) / 2``. The variance ``v`` is 1, as in the authors'
    recipe for MNIST, unless Q guesses ``code_log_variance`` as well.

    Q is a head of the discriminator, ``codes``, and learns with it while D learns; G learns from it
    in its own phase, as in the authors' code. With ``network`` it is a network of its own, which
    learns in whatever phase the game lets it; in the game ``infogan``, which has this term already,
    that is the generator's. In a phase in which neither Q nor G learns, it is 0.

    Source: Chen et al. 2016, arXiv:1606.03657, equations 5 and 6; the code is
    github.com/openai/InfoGAN. The recipe's ``weight`` is the paper's lambda.

    Args:
        categorical: Weight of the categorical codes' part.
        continuous: Weight of the continuous codes' part.
        network: The game's network that is Q, instead of the discriminator. It is shown the
            generated samples as they are, without augmentations.
    Raises:
        UsageError: The latent has no codes, there is no Q, or it does not guess them all.
    """

    phase: ClassVar[str | tuple[str, ...]] = ("discriminator", "generator")

    def __init__(
        self,
        *,
        categorical: Weight = 1.0,
        continuous: Weight = 1.0,
        network: str | None = None,
    ) -> None:
        self.categorical = categorical
        self.continuous = continuous
        self.network = network

    def __call__(self, round: AdversarialRound) -> Tensor:
        if not (round.learns(self.network or round.discriminator) or round.learns(round.generator)):
            return torch.zeros(len(round), device=round.play.draw.device)
        latent = round.play.latent
        one_hots, numbers = latent.codes(round.latent)
        width = latent.size - latent.dim
        if not width:
            raise UsageError(
                "mutual_information is that of codes, and the latent has none",
                hint="Write in the recipe: latent: {dim: 62, categorical: [10], continuous: 2}.",
            )
        heads = self.guesses(round)
        guesses = _fitting(heads["codes"], "codes", round, width)
        *logits, means = torch.split(guesses, [*latent.categorical, latent.continuous], dim=1)
        value = torch.zeros_like(guesses[:, 0])
        for guess, one_hot in zip(logits, one_hots, strict=True):
            value = value - self.categorical * (one_hot * functional.log_softmax(guess, 1)).sum(1)
        if not latent.continuous:
            return value
        log_variance = torch.zeros_like(means)
        if "code_log_variance" in heads:
            every = _fitting(heads["code_log_variance"], "code_log_variance", round, width)
            log_variance = every[:, -latent.continuous :]
        return value + self.continuous * surprise(numbers, means, log_variance).sum(dim=1)

    def guesses(self, round: AdversarialRound) -> Mapping[str, Any]:
        """What Q says of the generated samples: ``codes``, perhaps ``code_log_variance``."""
        if self.network is None:
            heads: Mapping[str, Any] = round.outputs("fake")
        else:
            heads = self._of_network(round, self.network)
        if "codes" not in heads:
            name = self.network or round.discriminator
            raise UsageError(
                f"mutual_information needs the head 'codes' of the {name}; this one returns "
                f"{', '.join(sorted(heads))}",
                hint="Choose infogan for it, or a network that returns 'codes' (N, code_dim).",
            )
        return heads

    def _of_network(self, round: AdversarialRound, name: str) -> Mapping[str, Any]:
        if name not in round.play.networks:
            raise UsageError(
                f"mutual_information: this game has no network '{name}'; "
                f"it has {', '.join(round.play.networks)}",
                hint="Leave 'network' out where the discriminator guesses the codes.",
            )
        found = call(round.network(name), round.fake)
        return found if isinstance(found, Mapping) else {"codes": found}


def surprise(numbers: Tensor, means: Tensor, log_variance: Tensor) -> Tensor:
    """Negative log likelihood of numbers under normal distributions, number by number."""
    apart = (numbers - means).square() * (-log_variance).exp()
    return 0.5 * (apart + log_variance + math.log(2.0 * math.pi))


def _fitting(guesses: Tensor, name: str, round: AdversarialRound, width: int) -> Tensor:
    """The guesses, which must be so many for each sample."""
    if guesses.shape != (len(round), width):
        raise UsageError(
            f"mutual_information: '{name}' has the shape {tuple(guesses.shape)}, and {len(round)} "
            f"samples have {width} numbers of codes each",
            hint="A network that guesses codes is told their number as 'code_dim'.",
        )
    return guesses
