"""Feature matching: the generator learns what the discriminator sees in real samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganforge.api import AdversarialRound, Regularizer, UsageError


class FeatureMatching(Regularizer):
    """The squared distance of the mean features of real and of generated samples, a scalar.

    ``||mean f(x) - mean f(G(z))||^2``, where the means are those over the micro-batch and ``f`` is
    what the discriminator returns as ``features``: a tensor ``(N, ...)`` or a list of some, whose
    distances are added. As the means are those of the micro-batch, micro-batches change it. The
    paper has it in place of the generator's adversarial loss: ``game: {generator_weight: 0}``.

    Source: Salimans et al. 2016, arXiv:1606.03498, section 3.1.

    Raises:
        UsageError: The discriminator returns no ``features``.
    """

    phase: ClassVar[str | tuple[str, ...]] = "generator"

    def __call__(self, round: AdversarialRound) -> Tensor:
        fake = features(round.outputs("fake"))
        real = features(round.outputs("real"))
        distances = [
            (theirs.detach().mean(dim=0) - ours.mean(dim=0)).square().sum()
            for theirs, ours in zip(real, fake, strict=True)
        ]
        return torch.stack(distances).sum()


def features(heads: Mapping[str, Any]) -> Sequence[Tensor]:
    """The features among what a discriminator returned.

    Raises:
        UsageError: There are none.
    """
    found = heads.get("features")
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, list | tuple) and found:
        return found
    raise UsageError(
        "feature_matching needs the discriminator's 'features'; this one returns "
        f"{', '.join(sorted(heads))}",
        hint="Choose a discriminator that returns {'logits': ..., 'features': ...}, where features "
        "is a tensor (N, ...) or a list of tensors, or leave feature_matching out.",
    )
