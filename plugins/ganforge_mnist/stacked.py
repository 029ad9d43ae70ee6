"""The data set ``stacked_mnist``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import MapDataset
from ganforge_mnist.dataset import MNIST

CHANNELS = 3


class StackedMNIST(MapDataset):
    """Three random digits as the channels of one image ``(3, 28, 28)``, uint8: 1,000 modes.

    The class of an image is the number that its digits write, first channel first: 0 to 999. How
    many classes a generator makes, and how evenly, tells how much of the data it misses.

    Source: Metz et al. 2017, arXiv:1611.02163, section 3.3.1; with 128,000 images as in Srivastava
    et al. 2017, arXiv:1705.07761, and Lin et al. 2018, arXiv:1712.04086, section 4.2.

    Args:
        samples: How many triples are drawn.
        split: The digits they are drawn from: 60,000 of ``train`` or 10,000 of ``test``.
        size: Resize to ``size`` x ``size`` pixels, once and antialiased.
        seed: Of the draw. The recipe's seed does not change the data.
    """

    feature_network: ClassVar[str] = "stacked_mnist_classifier"
    metrics: ClassVar[Sequence[str]] = ("class_modes", "frechet_distance")

    def __init__(
        self,
        *,
        samples: Annotated[int, Field(ge=1, le=100_000_000)] = 128_000,
        split: Literal["train", "test"] = "train",
        size: Annotated[int, Field(ge=4, le=1024)] | None = None,
        seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0,
    ) -> None:
        digits = MNIST(split=split, size=size)
        assert digits.labels is not None
        side = digits.sample_shape[-1]
        super().__init__(sample_shape=(CHANNELS, side, side), num_classes=10**CHANNELS)
        self._digits, self._names = digits.samples[:, 0], digits.labels
        generator = torch.Generator().manual_seed(seed)
        self._triples = torch.randint(len(digits), (samples, CHANNELS), generator=generator)
        self._options = {"size": size, "seed": seed}
        self._split = split

    def __len__(self) -> int:
        return len(self._triples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        samples, labels = self.gather(torch.tensor([index]))
        return samples[0], int(labels[0])

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``(N, 3, H, W)`` uint8 and classes ``(N,)`` of some rows, all at once."""
        triples = self._triples[rows]
        names = self._names[triples]
        return self._digits[triples], names[:, 0] * 100 + names[:, 1] * 10 + names[:, 2]

    def held_out(self) -> StackedMNIST:
        """Triples of the other split's digits."""
        other: Literal["train", "test"] = "test" if self._split == "train" else "train"
        return StackedMNIST(samples=len(self), split=other, **self._options)  # type: ignore[arg-type]
