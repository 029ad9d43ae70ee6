"""The data set ``mixture``, and what is measured on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import DataError, Dataset
from ganforge_mixture import shapes

if TYPE_CHECKING:
    from PIL import Image

HIGH_QUALITY = 3.0
"""Up to how many standard deviations from a mode a sample is of high quality."""

PIXELS = 420
"""The side of the square in which a picture shows the density."""

AT_ONCE = 1 << 22
"""Distances that are held in memory at a time."""


class Mixture(Dataset):
    """Points in the plane ``(N, 2)``, float32, from equally likely Gaussians of one width.

    ``ring`` has 8 modes on the unit circle, with a standard deviation of 0.01. ``grid`` has 25, at
    (-4 + 2i, -4 + 2j) for i and j from 0 to 4, with 0.05. Source: Srivastava et al. 2017, "VEEGAN",
    arXiv:1705.07761, section 4.1, and with these constants Lin et al. 2018, "PacGAN",
    arXiv:1712.04086, section 4.1, and its code (github.com/fjxmlzn/PacGAN). ``spiral`` is ours:
    250 Gaussians evenly along two turns of ``r = angle / 4 pi``, 0 <= r <= 1, with 0.02; they lie
    so close that the density is smooth along the curve, and are no modes.

    The labels are the modes: of the ring counterclockwise from (1, 0), of the grid upwards from
    (-4, -4), column after column. The spiral has none.

    Args:
        shape: Which mixture.
        samples: How many points are drawn; the papers draw 100,000.
        std: Standard deviation of each Gaussian, in each direction; the shape's own if not given.
        seed: Of the draw. The recipe's seed does not change the data.

    Attributes:
        centers: The means of the Gaussians, ``(K, 2)``, float64.
        std: The standard deviation.
        shape: Which mixture.
    """

    metrics: ClassVar[Sequence[str]] = ("mixture_modes",)

    def __init__(
        self,
        *,
        shape: shapes.Name = "ring",
        samples: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000,
        std: Annotated[float, Field(gt=0)] | None = None,
        seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0,
    ) -> None:
        self._another = partial(Mixture, shape=shape, samples=samples, std=std, seed=seed + 1)
        made = shapes.make(shape)
        self.shape = shape
        self.centers = made.centers
        self.std = made.std if std is None else std
        self.reach = made.reach
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(len(self.centers), (samples,), generator=generator)
        noise = torch.randn(samples, 2, generator=generator, dtype=torch.float64)
        super().__init__(
            samples=(self.centers[labels] + self.std * noise).float(),
            labels=labels if made.separate else None,
            num_classes=len(self.centers) if made.separate else None,
        )

    def held_out(self) -> Mixture:
        """As many other points."""
        return self._another()

    def log_density(self, points: Tensor) -> Tensor:
        """The logarithm of the mixture's density at points ``(N, 2)``: ``(N,)``, float64."""
        variance = self.std**2
        scale = math.log(2 * math.pi * variance * len(self.centers))
        return torch.cat(
            [
                torch.logsumexp(-0.5 * part.square() / variance, dim=1) - scale
                for part in _distances(points, self.centers)
            ]
        )

    @cached_property
    def shading(self) -> Tensor:
        """The density over the square that pictures show, ``(P, P)`` in 0..1, from below.

        It is the root of the density's share of its peak, so that the flanks are seen as well.
        """
        line = torch.linspace(-self.reach, self.reach, PIXELS, dtype=torch.float64)
        # A Gaussian is one of x times one of y, so no pixel needs its distance to every center.
        across, up = torch.exp(-0.5 * ((line - self.centers.T[:, :, None]) / self.std).square())
        total: Tensor = up.T @ across
        # Of Gaussians that fall between the pixels nothing is left, and there is nothing to show.
        peak = total.max().clamp(min=torch.finfo(total.dtype).tiny)
        return torch.sqrt(total / peak)

    def picture(self, samples: Tensor, columns: int | None = None) -> Image.Image:
        """The samples ``(N, 2)`` as points over the true density; 480 x 480 pixels, RGB.

        The axes are always the shape's. The line below says how many modes the samples recover
        and how many of them are of high quality, as :func:`modes` counts.

        Args:
            samples: What to draw.
            columns: Without meaning here.
        """
        from ganforge_mixture.picture import draw  # matplotlib takes 0.3 s: only when needed

        return draw(self, samples)


def modes(samples: Tensor, centers: Tensor, std: float) -> tuple[int, float]:
    """How many modes samples recover, and how large a share of them is of high quality.

    A sample is of high quality if it lies within three standard deviations of a mode's mean, and
    it recovers the nearest such mode. One sample is enough. The papers count 2,500. Of samples of
    the mixture itself 1 - exp(-9/2) = 98.9 % are of high quality.

    Source: Srivastava et al. 2017, arXiv:1705.07761, section 4.1; Lin et al. 2018,
    arXiv:1712.04086, section 4.1; as in the latter's code: nearer than three, not at three.

    Args:
        samples: ``(N, 2)``; one that is not finite is of no quality.
        centers: The modes' means ``(K, 2)``.
        std: The modes' standard deviation.
    Returns:
        The number of modes, 0 to K, and the share, 0 to 1.
    Raises:
        DataError: There are no samples.
    """
    if len(samples) == 0:
        raise DataError("no samples, so no share of them", hint="Give modes() at least one sample.")
    counts = hits(samples, centers, std)
    return int((counts > 0).sum()), int(counts.sum()) / len(samples)


def hits(samples: Tensor, centers: Tensor, std: float) -> Tensor:
    """How many samples ``(N, 2)`` recover each mode, ``(K,)`` int64, as :func:`modes` counts."""
    counts = torch.zeros(len(centers), dtype=torch.int64)
    for part in _distances(samples, centers):
        distance, nearest = part.min(dim=1)
        counts += nearest[distance < HIGH_QUALITY * std].bincount(minlength=len(centers))
    return counts


def _distances(points: Tensor, centers: Tensor) -> list[Tensor]:
    """Distances ``(n, K)``, float64, of the points in portions."""
    portions = torch.split(points.detach().cpu().double(), max(1, AT_ONCE // len(centers)))
    centers = centers.cpu().double()
    # The other modes of cdist multiply matrices, which costs digits.
    exact = "donot_use_mm_for_euclid_dist"
    return [torch.cdist(portion, centers, compute_mode=exact) for portion in portions]
