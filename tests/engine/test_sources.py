"""Data sets with a source: the same pairs, or each side in an order of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge.api import Dataset, MapDataset
from ganforge.engine.data import Batch
from ganforge.engine.feed import ResidentFeed, make_feed
from ganforge.engine.streams import Streams
from ganforge.errors import DataError

CPU = torch.device("cpu")
COUNT, OTHERS, BATCH = 23, 11, 4


def numbered(count: int, start: int = 0) -> Dataset:
    """Samples ``(1,)`` that are their own places."""
    return Dataset(samples=torch.arange(start, start + count, dtype=torch.float32)[:, None])


class Read(MapDataset):
    """As :func:`numbered`, read one by one; it has an attribute of its own called source."""

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(sample_shape=(1,), **options)
        self.count = count
        self.source = "its author's own"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor([float(index)])


def batches(dataset: Any, count: int, *, workers: int = 0, start: int = 0) -> list[Batch]:
    feed = make_feed(dataset, batch_size=BATCH, streams=Streams(5), device=CPU, workers=workers)
    feed.load_state_dict({"drawn": start})
    try:
        return [feed.next() for _ in range(count)]
    finally:
        feed.close()


def sources(found: list[Batch]) -> list[list[float]]:
    return [batch.source.flatten().tolist() for batch in found if batch.source is not None]


def test_pairs_stay_pairs() -> None:
    samples = numbered(COUNT).samples
    pairs = Dataset(samples=samples, source=numbered(COUNT, 100), paired=True)
    for batch in batches(pairs, 20):
        assert batch.source is not None
        assert torch.equal(batch.samples + 100, batch.source)


def test_what_is_not_paired_has_an_order_of_its_own() -> None:
    """Each side goes through all it has before it begins again, but for the last partial batch."""
    dataset = Dataset(samples=numbered(COUNT).samples, source=numbered(OTHERS, 100))
    found = batches(dataset, 10)
    for epoch in range(5):
        shown = [number for batch in sources(found[2 * epoch :][:2]) for number in batch]
        assert len(set(shown)) == 2 * BATCH
        assert all(100 <= number < 100 + OTHERS for number in shown)
    assert len({tuple(batch) for batch in sources(found)}) == 10
    alone = batches(numbered(COUNT), 10)  # the source changes nothing for the samples
    assert all(torch.equal(a.samples, b.samples) for a, b in zip(alone, found, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_reading_gives_the_same_batches(workers: int) -> None:
    resident = Dataset(samples=numbered(COUNT).samples, source=numbered(OTHERS))
    read = Read(COUNT, source=Read(OTHERS))
    wanted = batches(resident, 12)
    for start in (0, 7):
        found = batches(read, 12 - start, workers=workers, start=start)
        for one, other in zip(wanted[start:], found, strict=True):
            assert torch.equal(one.samples, other.samples)
            assert one.source is not None
            assert other.source is not None
            assert torch.equal(one.source, other.source)


def test_sources_of_other_lengths_are_gathered_together_as_alone() -> None:
    """The shorter epoch ends a block; here and there, as a run that goes back."""
    images = torch.arange(40 * 128.0).reshape(40, 128)
    others = torch.arange(17 * 256.0).reshape(17, 256)
    dataset = Dataset(samples=images, source=Dataset(samples=others))
    feed = make_feed(dataset, batch_size=2, streams=Streams(5), device=CPU)
    assert isinstance(feed, ResidentFeed)
    assert feed.source_order is not None
    for number in [*range(70), 3, 3, 30, 29, *range(7, 20)]:
        feed.load_state_dict({"drawn": number})
        found = feed.next()
        assert torch.equal(found.samples, images[feed.order.rows(number)])
        assert found.source is not None
        assert torch.equal(found.source, others[feed.source_order.rows(number)])


def test_a_resident_data_set_may_have_a_source_that_is_read() -> None:
    dataset = Dataset(samples=numbered(COUNT).samples, source=Read(OTHERS))
    assert not isinstance(
        make_feed(dataset, batch_size=BATCH, streams=Streams(5), device=CPU), ResidentFeed
    )
    assert len(sources(batches(dataset, 3))) == 3


def test_an_attribute_called_source_is_the_plugins_own() -> None:
    (batch,) = batches(Read(COUNT), 1)
    assert batch.source is None


def test_a_part_of_a_batch_has_its_part_of_the_source() -> None:
    batch = Batch(torch.arange(6.0), source=torch.arange(6.0) + 10)
    part = batch.part(slice(2, 5))
    assert part.source is not None
    assert part.source.tolist() == [12.0, 13.0, 14.0]


def test_images_of_the_source_are_normalised() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    batch = Batch.of(torch.zeros(2, 1), None, image)
    assert batch.source is not None
    assert batch.source.flatten().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("source", [None, numbered(5)])
def test_pairs_need_as_many_on_both_sides(source: Dataset | None) -> None:
    with pytest.raises(DataError, match="the data set is paired, and has 23 samples, but"):
        Dataset(samples=numbered(COUNT).samples, source=source, paired=True)


def test_a_source_smaller_than_a_batch_is_told() -> None:
    dataset = Dataset(samples=numbered(COUNT).samples, source=numbered(3))
    with pytest.raises(DataError, match="3 samples, fewer than one batch of 4"):
        batches(dataset, 1)
