"""Noise on everything that the discriminator sees."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Augmentation, Draw
from ganforge_augmentations.rows import Numbers


class InstanceNoise(Augmentation):
    """Gaussian noise on real and generated samples ``(N, ...)``, independent for each number.

    It lets the two distributions overlap, so that no discriminator is perfect. ``steps`` makes it
    fade: in step t of the run, from 0, its standard deviation is ``std * max(0, 1 - t / steps)``.
    The value ``instance_noise_std`` of a step is what it was.

    Source: Sonderby et al. 2017, arXiv:1610.04490, where it has this name.

    Args:
        std: Standard deviation, in the units of the samples (images have values in -1 to 1).
        steps: Steps of the run until there is none left; without, it stays.
    """

    def __init__(
        self,
        *,
        std: Annotated[float, Field(ge=0)] = 0.1,
        steps: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        self.std = std
        self.steps = steps
        self._used: Tensor | None = None

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        std = self.at(int(draw.counters[0]))
        self._used = torch.full((), std, device=samples.device)
        if std == 0:
            return samples
        noise = Numbers(draw, stream, samples).normal("noise", *samples.shape[1:])
        return samples + std * noise.to(samples.dtype)

    def at(self, step: int) -> float:
        """The standard deviation in a step of the run, counted from 0."""
        return self.std if self.steps is None else self.std * max(0.0, 1.0 - step / self.steps)

    def observe(self) -> dict[str, Tensor]:
        return {} if self._used is None else {"instance_noise_std": self._used}
