"""The metric ``ms_ssim``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from ganforge.api import Better, Evidence, Metric, UsageError
from ganforge_metrics.extra import torchmetrics

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, by Wang et al. 2003; of fewer scales, they are scaled up to a sum of 1."""
KERNEL = 11


class MultiScaleSimilarity(Metric):
    """The mean multi-scale structural similarity of random pairs of fakes, 0 to 1.

    Near 1 all samples look alike: the generator has collapsed. ``ms_ssim_real`` is that of the same
    number of pairs of reals, which is where it should be: below is no better. Five scales need
    images of 176 pixels; smaller ones get as many as fit. By torchmetrics (extra ``metrics``).

    Source: Odena et al. 2017, arXiv:1610.09585, section 4.2; Wang et al. 2003, "Multiscale
    structural similarity for image quality assessment".

    Args:
        pairs: How many pairs.
    Raises:
        UsageError: The samples are no images, or smaller than 11 x 11 pixels.
    """

    values: ClassVar[Mapping[str, Better]] = {"ms_ssim": "lower", "ms_ssim_real": "lower"}

    def __init__(self, *, pairs: Annotated[int, Field(ge=1)] = 500) -> None:
        self.pairs = pairs

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        similarity = torchmetrics("functional.image").multiscale_structural_similarity_index_measure
        found = []
        for side in ("fake", "real"):
            samples = evidence.samples(side, 2 * self.pairs).cpu()
            count = len(samples) // 2
            if samples.dim() != 4 or count == 0:
                raise UsageError("ms_ssim needs pairs of images (N, C, H, W)")
            values = similarity(
                samples[:count],
                samples[count : 2 * count],
                data_range=2.0,
                betas=scales(min(samples.shape[-2:])),
                kernel_size=KERNEL,
                normalize="relu",
            )
            found.append(float(torch.as_tensor(values).mean()))
        return dict(zip(self.values, found, strict=True))


def scales(size: int) -> tuple[float, ...]:
    """The weights of as many scales as images of so many pixels have room for.

    Raises:
        UsageError: There is none.
    """
    if size < KERNEL:
        raise UsageError(f"ms_ssim needs images of at least {KERNEL} pixels, not {size}")
    # Each scale halves the image, and the window must still fit: as torchmetrics asks for it.
    fitting = [n for n in range(1, 6) if size // max(1, (n - 1) ** 2) > KERNEL - 1]
    weights = WEIGHTS[: max(fitting)]
    return tuple(weight / sum(weights) for weight in weights)
