"""The distribution from which a generator's input is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Distribution = Literal["normal", "uniform"]


@dataclass(frozen=True)
class Latent:
    """Independent components: standard normal, or uniform on [-1, 1].

    Args:
        dim: How many numbers make one latent.
        distribution: ``normal`` is N(0, 1); ``uniform`` is U(-1, 1).
    """

    dim: int = 100
    distribution: Distribution = "normal"

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """``count`` latents ``(count, dim)``, float32, on the generator's device."""
        latents = torch.empty(count, self.dim, device=generator.device)
        if self.distribution == "normal":
            return latents.normal_(generator=generator)
        return latents.uniform_(-1.0, 1.0, generator=generator)
