"""The random numbers of one call of an augmentation, a row for each sample."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.api import Draw, PluginError, UsageError


class Numbers:
    """Draws under names that start with the stream of a call.

    They come in the precision of the samples, and in float32 at least, on their device.

    Args:
        draw: Where they come from.
        stream: The name of the call.
        samples: What is augmented, ``(N, ...)``; the first N rows of a draw are theirs.
    Raises:
        PluginError: There are more samples than rows.
    """

    def __init__(self, draw: Draw, stream: str, samples: Tensor) -> None:
        self._draw = draw
        self._stream = stream
        self._count = len(samples)
        self._dtype = torch.promote_types(samples.dtype, torch.float32)
        rows = len(range(*draw.where.indices(draw.total)))
        if self._count > rows:
            raise PluginError(
                f"{self._count} samples cannot be augmented in a micro-batch of {rows}",
                hint="A round shows the discriminator at most as many samples as it has.",
            )

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Numbers ``(N, *shape)``, uniform on [0, 1)."""
        return self._cut(self._draw.uniform(f"{self._stream}/{name}", *shape))

    def normal(self, name: str, *shape: int) -> Tensor:
        """Numbers ``(N, *shape)``, standard normal."""
        return self._cut(self._draw.normal(f"{self._stream}/{name}", *shape))

    def _cut(self, numbers: Tensor) -> Tensor:
        return numbers[: self._count].to(self._dtype)


def check_images(samples: Tensor, name: str, channels: tuple[int, ...] = ()) -> None:
    """See that samples are images of so many channels, if it matters how many.

    Raises:
        UsageError: They are not.
    """
    if samples.ndim != 4:
        raise UsageError(
            f"augmentation '{name}' needs images (N, C, H, W), not {tuple(samples.shape)}",
            hint="Take it out of 'augmentations', or choose a data set of images.",
        )
    if channels and samples.shape[1] not in channels:
        raise UsageError(
            f"augmentation '{name}': its colors are those of images with "
            f"{' or '.join(map(str, channels))} channels, not {samples.shape[1]}",
            hint="Leave its color transformations out.",
        )
