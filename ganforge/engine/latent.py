"""The distribution from which a generator's input is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Distribution = Literal["normal", "uniform"]


@dataclass(frozen=True)
class Latent:
    """Independent noise, standard normal or uniform on [-1, 1], and then codes, if there are some.

    Args:
        dim: How many numbers of noise.
        distribution: Of the noise: ``normal`` is N(0, 1); ``uniform`` is U(-1, 1).
        categorical: A code that takes one of k values, all equally likely, for each k; each is
            written as a one-hot vector of k numbers.
        continuous: How many codes are uniform on [-1, 1].
    """

    dim: int = 100
    distribution: Distribution = "normal"
    categorical: tuple[int, ...] = ()
    continuous: int = 0

    @cached_property
    def size(self) -> int:
        """How many numbers make one latent."""
        return self.dim + sum(self.categorical) + self.continuous

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """``count`` latents ``(count, size)``, float32, on the generator's device."""
        device = generator.device
        noise = torch.empty(count, self.dim, device=device)
        if self.distribution == "normal":
            noise.normal_(generator=generator)
        else:
            noise.uniform_(-1.0, 1.0, generator=generator)
        if self.size == self.dim:
            return noise
        codes = [
            functional.one_hot(
                torch.randint(values, (count,), generator=generator, device=device), values
            ).float()
            for values in self.categorical
        ]
        rest = torch.empty(count, self.continuous, device=device)
        return torch.cat([noise, *codes, rest.uniform_(-1.0, 1.0, generator=generator)], dim=1)

    def truncated(self, count: int, generator: torch.Generator, limit: float) -> Tensor:
        """As :meth:`sample`, with no number of normal noise beyond ``limit``.

        What is beyond is drawn again (Brock et al. 2019, arXiv:1809.11096, section 3.1), which is
        done at once by the inverse of the distribution. Uniform noise is scaled by ``limit``.
        """
        latents = self.sample(count, generator)
        noise = latents[:, : self.dim]
        if self.distribution == "uniform":
            noise.mul_(min(limit, 1.0))
            return latents
        edge = 0.5 * math.erfc(limit / math.sqrt(2.0))
        shares = torch.empty_like(noise, dtype=torch.float64).uniform_(generator=generator)
        noise.copy_(torch.special.ndtri(edge + (1.0 - 2.0 * edge) * shares))
        return latents

    def between(self, first: Tensor, second: Tensor, steps: int) -> Tensor:
        """Latents ``(N, steps, size)`` on the way from one ``(N, size)`` to another.

        Normal noise goes along an arc, in length too (White 2016, arXiv:1609.04468); the rest goes
        straight.
        """
        shares = torch.linspace(0.0, 1.0, steps)[:, None].to(first)
        one, other = first[:, None], second[:, None]
        straight = (1.0 - shares) * one + shares * other
        if self.distribution == "uniform":
            return straight
        one, other = one[..., : self.dim], other[..., : self.dim]
        angle = functional.cosine_similarity(one, other, dim=-1).clamp(-1.0, 1.0).acos()[..., None]
        whole = angle.sin()
        arc = (((1.0 - shares) * angle).sin() * one + (shares * angle).sin() * other) / whole
        arc = torch.where(whole < 1e-4, straight[..., : self.dim], arc)  # nowhere to go around
        return torch.cat([arc, straight[..., self.dim :]], dim=-1)

    def codes(self, latents: Tensor) -> tuple[list[Tensor], Tensor]:
        """The one-hot codes, ``(N, k)`` each, and the continuous ones ``(N, continuous)``."""
        parts = torch.split(latents[:, self.dim :], [*self.categorical, self.continuous], dim=1)
        return list(parts[:-1]), parts[-1]
