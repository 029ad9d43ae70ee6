"""The metric ``mixture_modes``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from ganforge.api import Better, Evidence, Metric, UsageError
from ganforge_mixture.dataset import Mixture, modes


class MixtureModes(Metric):
    """How many modes of a mixture samples recover, and how large a share is of high quality.

    A sample within three standard deviations of a mode's mean recovers it, and is of high quality;
    of samples of the mixture itself 98.9 % are.

    Source: Srivastava et al. 2017, arXiv:1705.07761, section 4.1; Lin et al. 2018,
    arXiv:1712.04086, section 4.1, which count 2,500 samples.

    Args:
        samples: How many are counted, at most.
    Raises:
        UsageError: The data set is no mixture that has modes.
    """

    values: ClassVar[Mapping[str, Better]] = {"mixture_modes": "higher", "high_quality": "higher"}

    def __init__(self, *, samples: Annotated[int, Field(ge=1)] = 2500) -> None:
        self.samples = samples

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        data = evidence.dataset
        if not isinstance(data, Mixture) or data.labels is None:
            raise UsageError("mixture_modes counts the modes of a ring or a grid of Gaussians")
        found, share = modes(evidence.samples("fake", self.samples), data.centers, data.std)
        return {"mixture_modes": float(found), "high_quality": share}
