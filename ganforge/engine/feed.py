"""The feeds: they deal a data set out in batches, in a seeded order, and know their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ganforge.engine.ahead import STEPS, Ahead
from ganforge.engine.data import AnyDataset, Batch, Dataset
from ganforge.engine.streams import Streams
from ganforge.errors import DataError

TOGETHER = 2**20
"""At most so many bytes are gathered at once, but for a batch that has more."""
ALIGNED = 512
"""Bytes. Where a tensor starts decides which instructions some libraries take, and so how sums are
rounded; batches start at multiples of this whether they are gathered alone or not."""


class Feed(Protocol):
    """Deals out batches and knows its place, so that a resumed run goes on where it stopped."""

    @property
    def batches_per_epoch(self) -> int: ...

    def next(self) -> Batch: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def close(self) -> None:
        """Give back what reading needs; :meth:`next` may be called again all the same."""


class Order:
    """Which samples make the n-th batch: every epoch is a seeded permutation of the data set.

    The last, partial batch of an epoch is dropped: 60,000 samples in batches of 128 make 468
    batches.

    Args:
        count: Samples in the data set.
        batch_size: Samples in a batch.
        streams: The run's random streams.
        device: Where the indices are needed.
        stream: The random stream of the permutations.
    Raises:
        DataError: The data set holds fewer samples than one batch.
    """

    def __init__(
        self,
        count: int,
        *,
        batch_size: int,
        streams: Streams,
        device: torch.device,
        stream: str = "data_order",
    ) -> None:
        if count < batch_size:
            raise DataError(
                f"the data set has {count} samples, fewer than one batch of {batch_size}",
                hint="Lower train.batch_size or choose a larger split.",
            )
        self.count = count
        self.batch_size = batch_size
        self.streams = streams
        self.device = device
        self.stream = stream
        self._permutation: tuple[int, Tensor] | None = None

    @property
    def batches_per_epoch(self) -> int:
        return self.count // self.batch_size

    def rows(self, number: int, batches: int = 1) -> Tensor:
        """Which samples make a batch ``(batch_size,)``; batches are counted from 0 over the run.

        Args:
            number: The batch.
            batches: Of so many in a row, ``(batches * batch_size,)``; of fewer where the epoch
                ends before.
        """
        epoch, index = divmod(number, self.batches_per_epoch)
        if self._permutation is None or self._permutation[0] != epoch:
            generator = self.streams.generator(self.stream, epoch)
            order = torch.randperm(self.count, generator=generator)
            self._permutation = (epoch, order.to(self.device))
        start = index * self.batch_size
        stop = min(index + batches, self.batches_per_epoch) * self.batch_size
        return self._permutation[1][start:stop]


def source_order(
    dataset: AnyDataset, order: Order, *, batch_size: int, streams: Streams, device: torch.device
) -> Order | None:
    """Which samples of a data set's source make the n-th batch; None without a source.

    Raises:
        DataError: The source holds fewer samples than one batch.
    """
    if dataset.source_dataset is None or dataset.source_paired:
        return None if dataset.source_dataset is None else order
    return Order(
        len(dataset.source_dataset),
        batch_size=batch_size,
        streams=streams,
        device=device,
        stream="source_order",
    )


@dataclass(frozen=True)
class _Gather:
    """Fetches batches from what is on the device; the feed that asks is not known here, so that
    nobody keeps it from being freed."""

    order: Order
    samples: Tensor
    labels: Tensor | None
    source_order: Order | None
    source: Tensor | None

    def together(self, batch_size: int) -> int:
        """How many batches are best fetched at once."""
        sizes = [
            4 * batch_size * each[0].numel()  # as float32
            for each in (self.samples, self.source)
            if each is not None
        ]
        if any(size % ALIGNED for size in sizes):
            return 1
        return max(1, min(STEPS, TOGETHER // max(1, sum(sizes))))

    def __call__(self, first: int, batches: int) -> list[Batch]:
        """Some batches in a row; fewer where an epoch ends before."""
        rows = self.order.rows(first, batches)
        source = None
        if self.source is not None and self.source_order is not None:
            of_source = self.source_order.rows(first, batches)
            least = min(len(rows), len(of_source))
            rows, source = rows[:least], self.source[of_source[:least]]
        labels = None if self.labels is None else self.labels[rows]
        return Batch.of(self.samples[rows], labels, source).cut(self.order.batch_size)


class ResidentFeed:
    """Keeps the whole data set on the device; uint8 images are normalised there, a batch at a time
    or, where batches are small, some at a time.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch.
        streams: The run's random streams.
        device: Where batches are needed.
    Raises:
        DataError: The data set holds fewer samples than one batch.
    """

    def __init__(
        self, dataset: Dataset, *, batch_size: int, streams: Streams, device: torch.device
    ) -> None:
        places: dict[str, Any] = {"batch_size": batch_size, "streams": streams, "device": device}
        self.order = Order(len(dataset), **places)
        self.samples = dataset.samples.to(device)
        self.labels = None if dataset.labels is None else dataset.labels.to(device)
        self.source_order = source_order(dataset, self.order, **places)
        assert dataset.source_dataset is None or isinstance(dataset.source_dataset, Dataset)
        self.source = (
            None if dataset.source_dataset is None else dataset.source_dataset.samples.to(device)
        )
        self.drawn = 0
        gather = _Gather(self.order, self.samples, self.labels, self.source_order, self.source)
        self._ahead = Ahead(gather, gather.together(batch_size))

    @property
    def batches_per_epoch(self) -> int:
        return self.order.batches_per_epoch

    def next(self) -> Batch:
        """The next batch; its content depends only on the seed and on how many came before."""
        batch = self._ahead(self.drawn)
        self.drawn += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.drawn = int(state["drawn"])

    def close(self) -> None:
        """There is nothing to give back."""


def make_feed(
    dataset: AnyDataset,
    *,
    batch_size: int,
    streams: Streams,
    device: torch.device,
    workers: int = 0,
) -> Feed:
    """The feed that suits a data set: resident if it is in memory, unless workers are wanted.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch.
        streams: The run's random streams.
        device: Where batches are needed.
        workers: Processes that read ahead; 0 reads in the training process.
    Raises:
        DataError: The data set holds fewer samples than one batch.
    """
    if workers == 0 and _in_memory(dataset) and isinstance(dataset, Dataset):
        return ResidentFeed(dataset, batch_size=batch_size, streams=streams, device=device)
    from ganforge.engine.loading import LoaderFeed

    return LoaderFeed(
        dataset, batch_size=batch_size, streams=streams, device=device, workers=workers
    )


def _in_memory(dataset: AnyDataset) -> bool:
    """Whether all of it is, its source too."""
    return isinstance(dataset, Dataset) and (
        dataset.source_dataset is None or isinstance(dataset.source_dataset, Dataset)
    )
