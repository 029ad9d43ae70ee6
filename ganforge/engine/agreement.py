"""Whether two ways to carry out the same mathematics give the same numbers, up to rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from ganforge.engine.execution import Precision

TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}
"""How far losses and norms of gradients may be from those of the plain way, as a share of them.

They are sums over thousands of products, in an order that differs: single precision keeps about
four digits of the norm of a gradient, TF32 (10 bits of mantissa) and bfloat16 (7 bits) about two.
"""


class Distance(NamedTuple):
    """How far a number is from where it should be, as a share of that."""

    name: str
    share: float

    def within(self, tolerance: float) -> bool:
        """Whether rounding explains it; not a number is never near."""
        return self.share <= tolerance


def furthest(found: Mapping[str, float], wanted: Mapping[str, float], least: float) -> Distance:
    """The number that is furthest from where it should be.

    Args:
        found: By name.
        wanted: What they should be.
        least: Numbers nearer to 0 than this are compared as if they were it.
    """
    distances = [
        Distance(name, abs(found[name] - value) / max(abs(value), least))
        for name, value in wanted.items()
    ]
    return max(distances, key=lambda each: math.inf if math.isnan(each.share) else each.share)
