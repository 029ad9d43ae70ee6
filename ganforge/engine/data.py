"""What a data set gives the engine, and the feed that deals it out in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ganforge.engine.streams import Streams
from ganforge.errors import DataError


class Dataset:
    """A resident data set: all samples in one tensor, copied to the training device once.

    A subclass reads its files in its constructor and hands the tensors on.

    Args:
        samples: uint8 images ``(N, C, H, W)`` in 0..255, or float32 samples ``(N, ...)`` that are
            used as they are.
        labels: int64 class indices ``(N,)``, or None.
        num_classes: How many classes the labels name, or None without labels.
    Raises:
        DataError: The tensors do not fit together.
    """

    def __init__(
        self, *, samples: Tensor, labels: Tensor | None = None, num_classes: int | None = None
    ) -> None:
        if samples.dtype not in (torch.uint8, torch.float32):
            raise DataError(f"samples must be uint8 or float32, not {samples.dtype}")
        if samples.dtype == torch.uint8 and samples.dim() != 4:
            raise DataError(f"uint8 samples must be (N, C, H, W), not {tuple(samples.shape)}")
        if len(samples) == 0:
            raise DataError("the data set has no samples")
        if labels is not None and len(labels) != len(samples):
            raise DataError(f"{len(samples)} samples but {len(labels)} labels")
        if (labels is None) != (num_classes is None):
            raise DataError("labels and num_classes go together: give both or neither")
        self.samples = samples
        self.labels = labels
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(C, H, W)`` for images."""
        return tuple(self.samples.shape[1:])


@dataclass(frozen=True)
class Batch:
    """Real samples ``(N, ...)`` as float32 (images in [-1, 1]) and their labels ``(N,)``."""

    samples: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def part(self, where: slice) -> Batch:
        """A micro-batch of this batch."""
        labels = None if self.labels is None else self.labels[where]
        return Batch(self.samples[where], labels)


class Feed(Protocol):
    """Deals out batches and knows its place, so that a resumed run goes on where it stopped."""

    @property
    def batches_per_epoch(self) -> int: ...

    def next(self) -> Batch: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class ResidentFeed:
    """Keeps the whole data set on the device; an epoch is a seeded permutation of it.

    uint8 images are normalised to [-1, 1] on the device, a batch at a time. The last, partial
    batch of an epoch is dropped: 60,000 samples in batches of 128 make 468 batches.

    Raises:
        DataError: The data set holds fewer samples than one batch.
    """

    def __init__(
        self, dataset: Dataset, *, batch_size: int, streams: Streams, device: torch.device
    ) -> None:
        if len(dataset) < batch_size:
            raise DataError(
                f"the data set has {len(dataset)} samples, fewer than one batch of {batch_size}",
                hint="Lower train.batch_size or choose a larger split.",
            )
        self.samples = dataset.samples.to(device)
        self.labels = None if dataset.labels is None else dataset.labels.to(device)
        self.batch_size = batch_size
        self.streams = streams
        self.drawn = 0
        self._order: tuple[int, Tensor] | None = None

    @property
    def batches_per_epoch(self) -> int:
        return len(self.samples) // self.batch_size

    def next(self) -> Batch:
        """The next batch; its content depends only on the seed and on how many came before."""
        epoch, index = divmod(self.drawn, self.batches_per_epoch)
        start = index * self.batch_size
        rows = self._permutation(epoch)[start : start + self.batch_size]
        self.drawn += 1
        samples = self.samples[rows]
        if samples.dtype == torch.uint8:
            samples = samples.float().div_(127.5).sub_(1.0)
        return Batch(samples, None if self.labels is None else self.labels[rows])

    def _permutation(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            generator = self.streams.generator("data_order", epoch)
            order = torch.randperm(len(self.samples), generator=generator)
            self._order = (epoch, order.to(self.samples.device))
        return self._order[1]

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.drawn = int(state["drawn"])
