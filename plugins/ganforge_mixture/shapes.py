"""Where the Gaussians of a mixture are, and how wide they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Name = Literal["ring", "grid", "spiral"]

RING = 8
GRID = range(-4, 5, 2)
TURNS = 2.0
SPIRAL = 250


@dataclass(frozen=True)
class Shape:
    """A mixture of equally likely, isotropic Gaussians of one width.

    Args:
        centers: Their means ``(K, 2)``, float64.
        std: The standard deviation in each direction, unless the user names another.
        reach: Pictures go from ``-reach`` to ``reach`` in both directions.
        separate: Whether each Gaussian is a mode of its own.
    """

    centers: Tensor
    std: float
    reach: float
    separate: bool


def make(name: Name) -> Shape:
    """The shape of this name, with the constants of its source."""
    if name == "ring":
        angles = 2 * math.pi / RING * torch.arange(RING, dtype=torch.float64)
        return Shape(torch.stack([angles.cos(), angles.sin()], dim=1), 0.01, 1.3, True)
    if name == "grid":
        side = torch.tensor(list(GRID), dtype=torch.float64)
        return Shape(torch.cartesian_prod(side, side), 0.05, 5.0, True)
    return Shape(_spiral(), 0.02, 1.2, False)


def _spiral() -> Tensor:
    """Points ``(K, 2)`` on ``r = angle / (2 pi TURNS)``, r from 0 to 1, evenly along the curve."""
    angles = torch.linspace(0, 2 * math.pi * TURNS, 20_001, dtype=torch.float64)
    radii = angles / angles[-1]
    curve = torch.stack([radii * angles.cos(), radii * angles.sin()], dim=1)
    along = torch.cat([torch.zeros(1), curve.diff(dim=0).norm(dim=1).cumsum(0)])
    wanted = torch.linspace(0, 1, SPIRAL, dtype=torch.float64) * along[-1]
    return curve[torch.searchsorted(along, wanted).clamp(max=len(curve) - 1)]
