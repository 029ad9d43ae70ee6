"""What the optimizers' options have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

Parameters = list[nn.Parameter]
Rate = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


def has_fused(params: Parameters) -> bool:
    """Whether torch has fused kernels for where these parameters are."""
    return all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in params)
