"""What callbacks may look at of a data set: some samples, and how samples are drawn."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from torch import Tensor

from ganforge.engine.data import AnyDataset, Batch, Dataset, MapDataset
from ganforge.engine.streams import Streams


def examples_of(
    dataset: AnyDataset, streams: Streams, device: torch.device
) -> Callable[[int], Batch]:
    """Gives so many samples of a data set, always the same ones, with those of its source."""
    source = dataset.source_dataset

    def chosen(count: int, of: AnyDataset, stream: str) -> Tensor:
        rows = torch.randperm(len(of), generator=streams.generator(stream))[:count]
        return rows.repeat(ceil(count / len(rows)))[:count]

    def examples(count: int) -> Batch:
        rows = chosen(count, dataset, "examples")
        samples, labels = dataset.gather(rows)
        beside = None
        if source is not None:
            others = rows
            if not dataset.source_paired:
                others = chosen(count, source, "source_examples")
            beside = source.gather(others)[0].to(device)
        moved = None if labels is None else labels.to(device)
        return Batch.of(samples.to(device), moved, beside)

    return examples


def picture_of(dataset: AnyDataset) -> Callable[[Tensor, int | None], Any] | None:
    """How a data set draws samples, if it has a way of its own."""
    if type(dataset).picture in (Dataset.picture, MapDataset.picture):
        return None
    return dataset.picture
