"""The metric ``inception_score``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from ganforge.api import Better, Evidence, FeatureNetworkOption, Metric
from ganforge_metrics.extra import quietly, torchmetrics


class InceptionScore(Metric):
    """``exp(E KL(p(y|x) || p(y)))`` by a classifier: from 1 to the number of its classes.

    It is high if the classifier is sure of each sample and all classes occur. It never looks at
    real samples, so it does not see that a class is made in one way only. The mean over ``splits``
    parts, as in the authors' code. Computed by torchmetrics (extra ``metrics``) in float64.

    Source: Salimans et al. 2016, arXiv:1606.03498, section 4.

    Args:
        splits: Parts of the samples.
        features: The network that classifies; the data set suggests one.
    """

    values: ClassVar[Mapping[str, Better]] = {"inception_score": "higher"}

    def __init__(
        self,
        *,
        splits: Annotated[int, Field(ge=1)] = 10,
        features: FeatureNetworkOption | None = None,
    ) -> None:
        self.splits = splits
        self.features = features

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        logits = evidence.logits("fake", self.features).double()
        with quietly():
            score = torchmetrics("image.inception").InceptionScore(
                feature=nn.Identity(), splits=min(self.splits, len(logits))
            )
            score.update(logits)
            return {"inception_score": float(score.compute()[0])}
