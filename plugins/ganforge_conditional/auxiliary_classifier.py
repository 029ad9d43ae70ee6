"""ACGAN's term: the class must be seen in what is generated."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ganforge.api import AdversarialRound, Regularizer, Side, UsageError

Weight = Annotated[float, Field(ge=0)]


class AuxiliaryClassifier(Regularizer):
    """Cross-entropy of the discriminator's ``class_logits``, ``(N,)``.

    While D learns it is ``-real log P(y | x) - fake log P(y | g)``; while G learns, it is
    ``-generator log P(y | g)``. ``x`` is a real sample of class ``y`` and ``g`` one that was
    generated for the same class. The three weights are factors beside the recipe's ``weight``. In
    the paper all are 1; with ``fake: 0`` the classifier learns from real samples alone, which keeps
    it from taking the generator's errors for the class.

    Source: Odena et al. 2017, arXiv:1610.09585, equation 3.

    Args:
        real: Weight of the real samples' part, for D.
        fake: Weight of the generated samples' part, for D.
        generator: Weight of the generated samples' part, for G.
    Raises:
        UsageError: The discriminator has no ``class_logits`` for each sample, or the data have no
            labels.
    """

    phase: ClassVar[str | tuple[str, ...]] = ("discriminator", "generator")

    def __init__(self, *, real: Weight = 1.0, fake: Weight = 1.0, generator: Weight = 1.0) -> None:
        self.real = real
        self.fake = fake
        self.generator = generator

    def __call__(self, round: AdversarialRound) -> Tensor:
        if not round.learns(round.discriminator):
            return self.generator * cross_entropy(round, "fake")
        value = torch.zeros(len(round), device=round.real.device)
        if self.real:
            value = value + self.real * cross_entropy(round, "real")
        if self.fake:
            value = value + self.fake * cross_entropy(round, "fake")
        return value


def cross_entropy(round: AdversarialRound, side: Side) -> Tensor:
    """``-log P(y | sample)`` of a side's samples ``(N,)``, under the softmax of ``class_logits``.

    Raises:
        UsageError: There is nothing to compute it of.
    """
    if round.labels is None:
        raise UsageError(
            "auxiliary_classifier needs classes, and the data set has none",
            hint="Choose a data set that has labels, or leave auxiliary_classifier out.",
        )
    heads = round.outputs(side)
    logits = heads.get("class_logits")
    if logits is None:
        raise UsageError(
            "auxiliary_classifier needs the discriminator's 'class_logits'; this one returns "
            f"{', '.join(sorted(heads))}",
            hint="Choose discriminator acgan, or one that returns {'logits': ..., 'class_logits': "
            "...} with (N, classes) numbers.",
        )
    if len(logits) != len(round.labels):
        raise UsageError(
            f"auxiliary_classifier needs class_logits of each of {len(round.labels)} samples, and "
            f"the discriminator returns {len(logits)}",
            hint="Leave auxiliary_classifier out where a discriminator judges packs of samples.",
        )
    return functional.cross_entropy(logits, round.labels, reduction="none")
