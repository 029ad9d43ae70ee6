"""A plugin with a metric that keeps its contract."""

from collections.abc import Mapping
from typing import ClassVar

from ganforge import Register, hookimpl
from ganforge.api import Better, Evidence, Metric


@hookimpl
def register_metrics(register: Register) -> None:
    register("acme", "acme_metric:Brightness", summary="how much brighter fakes are")


class Brightness(Metric):
    """The difference of the mean values of fakes and reals.

    Args:
        samples: How many of each side are looked at.
    """

    values: ClassVar[Mapping[str, Better]] = {"brightness": "lower"}

    def __init__(self, *, samples: int = 100) -> None:
        self.samples = samples

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        fake = evidence.samples("fake", self.samples).mean()
        real = evidence.samples("real", self.samples).mean()
        return {"brightness": float((fake - real).abs())}
