"""What a metric is, and what it may look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from ganforge.evaluation.evidence import Evidence

Better = Literal["lower", "higher"]


class Metric:
    """Measures how good samples are; the base of components of kind ``metric``.

    A constructor may ask for ``features: FeatureNetworkOption | None = None``, the network through
    which samples are looked at; without one it is what the data set suggests.
    """

    values: ClassVar[Mapping[str, Better]]
    """The names of the numbers it gives, and which way is better; the first is its main one."""

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        """The numbers, under the names in :attr:`values`."""
        raise NotImplementedError
