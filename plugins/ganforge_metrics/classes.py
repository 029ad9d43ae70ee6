"""The metric ``class_modes``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganforge.api import Better, Evidence, FeatureNetworkOption, Metric


class ClassModes(Metric):
    """Which of a classifier's classes are made, and how differently from the data.

    ``modes`` counts the classes that at least one sample is taken for; ``reverse_kl`` is
    ``KL(q || p) = sum q log(q / p)`` of the shares q of classes among the fakes and p among the
    reals, in nats: 0 where they are the same. A class that no real sample is taken for counts in
    p as half a sample, as the sum would be infinite. Of N samples that are right, with K classes,
    about ``(K - 1) / 2N`` remains.

    Source: Srivastava et al. 2017, arXiv:1705.07761, section 4.2, and Lin et al. 2018,
    arXiv:1712.04086, section 4.2, which count the 1,000 modes of Stacked MNIST so.

    Args:
        features: The network that classifies; the data set suggests one.
        against: What p is: shares in the ``data``, or ``uniform``, 1/K each, as PacGAN has it.
    """

    values: ClassVar[Mapping[str, Better]] = {"modes": "higher", "reverse_kl": "lower"}

    def __init__(
        self,
        *,
        features: FeatureNetworkOption | None = None,
        against: Literal["data", "uniform"] = "data",
    ) -> None:
        self.features = features
        self.against = against

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        fake = counts(evidence.logits("fake", self.features))
        real = torch.ones_like(fake)
        if self.against == "data":
            real = counts(evidence.logits("real", self.features))
        return {"modes": float((fake > 0).sum()), "reverse_kl": reverse_kl(fake, real)}


def counts(logits: Tensor) -> Tensor:
    """How many samples ``(N, K)`` each class gets, ``(K,)`` int64."""
    return logits.argmax(dim=1).bincount(minlength=logits.shape[1])


def reverse_kl(fake: Tensor, real: Tensor) -> float:
    """KL divergence in nats of shares of classes, from their counts ``(K,)``."""
    shares = fake.double() / fake.sum()
    others = real.double().clamp(min=0.5) / real.sum()
    return float(torch.special.xlogy(shares, shares / others).sum())
