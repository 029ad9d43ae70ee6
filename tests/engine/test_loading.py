"""Feeds that read: the same batches with any number of workers; workers that die."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganforge.api import Dataset, MapDataset
from ganforge.engine.data import AnyDataset, Batch
from ganforge.engine.feed import Feed, ResidentFeed, make_feed
from ganforge.engine.loading import LoaderFeed
from ganforge.engine.streams import Streams
from ganforge.errors import DataError

CPU = torch.device("cpu")
COUNT = 23


class Read(MapDataset):
    """Reads what a resident data set holds."""

    def __init__(self, source: Dataset) -> None:
        super().__init__(sample_shape=source.sample_shape, num_classes=source.num_classes)
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Any:
        sample = self.source.samples[index]
        return sample if self.source.labels is None else (sample, int(self.source.labels[index]))


class Noisy(Read):
    """Draws from every global generator that a plugin may use."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        noise = torch.rand(1) + np.random.rand() + random.random()
        sample, label = super().__getitem__(index)
        return sample.float() * noise.float(), label


class Wrong(Read):
    def __init__(self, source: Dataset, item: Any) -> None:
        super().__init__(source)
        self.item = item

    def __getitem__(self, index: int) -> Any:
        if index != 7:
            return super().__getitem__(index)
        if isinstance(self.item, Exception):
            raise self.item
        return self.item


def images() -> Dataset:
    generator = torch.Generator().manual_seed(5)
    samples = torch.randint(0, 256, (COUNT, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return Dataset(samples=samples, labels=torch.arange(COUNT) % 3, num_classes=3)


@pytest.fixture
def feed() -> Iterator[Callable[..., Feed]]:
    """``feed(dataset, workers)``: closed in the end."""
    made: list[Feed] = []

    def make(dataset: AnyDataset, workers: int) -> Feed:
        streams = Streams(3)
        made.append(make_feed(dataset, batch_size=5, streams=streams, device=CPU, workers=workers))
        return made[-1]

    yield make
    for each in made:
        each.close()


def dealt(feed: Feed, count: int) -> list[Batch]:
    return [feed.next() for _ in range(count)]


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        assert one.samples.dtype == other.samples.dtype == torch.float32
        assert torch.equal(one.samples, other.samples)
        assert (one.labels is None) == (other.labels is None)
        assert one.labels is None or torch.equal(one.labels, other.labels)


@pytest.mark.parametrize("reads", [False, True], ids=["resident", "map"])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_deal_what_a_resident_feed_deals(
    feed: Callable[..., Feed], workers: int, reads: bool
) -> None:
    """Over the edges of epochs of four batches, and from any place."""
    wanted = dealt(feed(images(), 0), 11)
    dataset = Read(images()) if reads else images()
    other = feed(dataset, workers)
    assert isinstance(other, ResidentFeed if workers == 0 and not reads else LoaderFeed)
    assert other.batches_per_epoch == 4
    assert_same(dealt(other, 11), wanted)
    for start in (3, 4, 0):
        other.load_state_dict({"drawn": start})
        assert_same(dealt(other, 3), wanted[start : start + 3])
        assert other.state_dict() == {"drawn": start + 3}


def test_random_augmentation_is_the_same_in_any_process(feed: Callable[..., Feed]) -> None:
    """And it leaves the generators of this process alone."""
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    batches = [dealt(feed(Noisy(images()), workers), 6) for workers in (0, 1, 2)]
    assert (torch.rand(1), random.random(), np.random.rand()) == expected
    assert_same(batches[0], batches[1])
    assert_same(batches[0], batches[2])
    again = feed(Noisy(images()), 2)
    again.load_state_dict({"drawn": 4})
    assert_same(dealt(again, 2), batches[0][4:])
    assert not torch.equal(batches[0][0].samples, batches[0][4].samples)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("item", "words"),
    [
        ((torch.zeros(1, 4, 4), 0), "has samples of torch.float32 and torch.uint8"),
        ((torch.zeros(1, 4, 4, dtype=torch.float64), 0), "is torch.float64, not uint8 or float32"),
        ((torch.zeros(4, 4, 1), 0), r"has the shape \(4, 4, 1\), not \(1, 4, 4\)"),
        ((torch.zeros(1, 4, 4), 3), "has the class 3, but classes go from 0 to 2"),
        (OSError("no such picture"), r"cannot be read: OSError\('no such picture'\)"),
        (DataError("it is torn", hint="Mend it."), "it is torn"),
    ],
)
def test_a_wrong_sample_is_named(
    feed: Callable[..., Feed], item: Any, words: str, workers: int
) -> None:
    """The place in the data is the one before it, so nothing is lost."""
    wrong = feed(Wrong(images(), item), workers)
    dealt_before = []
    with pytest.raises(DataError, match=words) as caught:  # noqa: PT012
        while True:
            dealt_before.append(wrong.next())
    assert wrong.state_dict() == {"drawn": len(dealt_before)}
    assert len(dealt_before) < 5
    if isinstance(item, DataError):
        assert caught.value.hint == "Mend it."


def children() -> list[Any]:
    return multiprocessing.active_children()


def test_a_worker_that_dies_is_noticed_at_the_next_batch(feed: Callable[..., Feed]) -> None:
    """As when the system has run out of memory; the place is kept, and fresh workers go on."""
    wanted = dealt(feed(images(), 0), 12)
    reading = feed(Read(images()), 1)
    dealt(reading, 2)
    (worker,) = children()
    os.kill(worker.pid, signal.SIGKILL)
    drawn = 2
    with pytest.raises(DataError, match="a process that reads") as caught:  # noqa: PT012
        for _ in range(10):  # what it had read ahead is still dealt
            reading.next()
            drawn += 1
    assert "lower train.workers" in (caught.value.hint or "")
    assert reading.state_dict() == {"drawn": drawn}
    assert_same(dealt(reading, 1), wanted[drawn : drawn + 1])


def test_ctrl_c_does_not_reach_the_workers(feed: Callable[..., Feed]) -> None:
    wanted = dealt(feed(images(), 0), 12)
    reading = feed(Read(images()), 2)
    found = dealt(reading, 1)
    for worker in children():
        os.kill(worker.pid, signal.SIGINT)
    assert_same(found + dealt(reading, 11), wanted)


def test_close_leaves_no_process_behind(feed: Callable[..., Feed]) -> None:
    reading = feed(Read(images()), 2)
    dealt(reading, 1)
    assert len(children()) == 2
    handler = signal.getsignal(signal.SIGCHLD)
    reading.close()
    assert children() == []
    assert signal.getsignal(signal.SIGCHLD) == handler
