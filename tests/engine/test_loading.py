"""Feeds that read: the same batches with any number of workers; workers that die."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganforge.api import Callback, Dataset, MapDataset, Run, Values
from ganforge.engine import checkpoint
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
        assert torch.equal(*(batch.labels for batch in (one, other)))  # type: ignore[arg-type]


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
        ((np.zeros((1, 4, 4), np.uint8), 0), "is no tensor but <class 'numpy.ndarray'>"),
        (np.zeros((2, 4, 4), np.uint8), "is no tensor but <class 'numpy.ndarray'>"),
        (torch.zeros(1, 4, 4), "has the class -1, but classes go from 0 to 2"),
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


class Differentiable(Read):
    def __getitem__(self, index: int) -> Any:
        sample, label = super().__getitem__(index)
        return sample.float() * torch.ones(1, requires_grad=True), label


@pytest.mark.parametrize("workers", [0, 1])
def test_samples_have_no_gradient(feed: Callable[..., Feed], workers: int) -> None:
    """A worker could not send one home, and would be waited for in vain."""
    assert not feed(Differentiable(images()), workers).next().samples.requires_grad


class Stop(BaseException):
    """As a signal handler raises it."""


class Stopped(Read):
    """While one sample is read, for the first time, a signal comes."""

    signalled = False

    def __getitem__(self, index: int) -> Any:
        if index == 7 and not self.signalled:
            self.signalled = True
            raise Stop
        return super().__getitem__(index)


def test_reading_can_be_stopped_in_the_middle(feed: Callable[..., Feed]) -> None:
    """The batch that was being read is the next one."""
    wanted = dealt(feed(images(), 0), 9)
    reading = feed(Stopped(images()), 0)
    found = []
    with pytest.raises(Stop):  # noqa: PT012
        while True:
            found.append(reading.next())
    assert_same(found + dealt(reading, 9 - len(found)), wanted)


@pytest.mark.parametrize(
    ("raised", "seen"), [(Stop, Stop), (ConnectionResetError, DataError)], ids=["stop", "death"]
)
def test_waiting_for_a_worker_can_end(
    feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch, raised: Any, seen: Any
) -> None:
    """By a signal, or by its death while it sends. A batch may have come and be lost."""
    wanted = dealt(feed(images(), 0), 6)
    reading = feed(Read(images()), 2)
    found = dealt(reading, 2)

    def stop(iterator: Any) -> None:
        taken(iterator)
        raise raised

    kind: Any = type(reading._iterator)  # type: ignore[attr-defined]
    taken = kind.__next__
    monkeypatch.setattr(kind, "__next__", stop)
    with pytest.raises(seen):
        reading.next()
    monkeypatch.undo()
    assert_same(found + dealt(reading, 4), wanted)


class KillReader(Callback):
    """Kills the process that reads, as a system does that has run out of memory."""

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == 2:
            (worker,) = children()
            os.kill(worker.pid, signal.SIGKILL)


def test_a_run_whose_worker_dies_has_saved_what_it_had(make_run: Callable[..., Run]) -> None:
    """And goes on from there as if nothing had happened."""
    told: list[str] = []
    settings = ("train.workers=1", "train.steps=8", "game.d_steps=2", "ema={decay: 0.9}")
    run = make_run(*settings, tell=told.append)
    run.callbacks = {"kill": KillReader(), **run.callbacks}
    with pytest.raises(DataError, match="a process that reads the data died"):
        run.play()
    (saved,) = checkpoint.steps(run.checkpoints)
    assert 2 <= saved < 8
    assert told == [f"Saved is step {saved}. To go on from there: ganforge resume {run.folder}"]
    assert children() == []

    resumed, straight = make_run(*settings, folder=run.folder), make_run(*settings)
    found = checkpoint.load_newest(run.checkpoints, device=CPU, tell=pytest.fail)
    resumed.load_state_dict(found.state)
    for each in (resumed, straight):
        assert each.play() == "finished"
    for name, network in straight.trainer.networks.items():
        ours = resumed.trainer.networks[name].state_dict()
        assert [k for k, v in network.state_dict().items() if not torch.equal(v, ours[k])] == []


HANGING_UP = """
import multiprocessing.resource_sharer as sharer, socket, sys, time
from ganforge.engine.loading import _leave_signals_to_the_parent
if sys.argv[1] == "worker":
    _leave_signals_to_the_parent(0)
batch = sharer.DupFd(0)  # as a worker hands a tensor over; starts the thread that serves it
with socket.socket(socket.AF_UNIX) as caller:
    caller.connect(sharer._resource_sharer._address)
time.sleep(0.5)
sys.excepthook(ValueError, ValueError("another mistake"), None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@pytest.mark.parametrize("role", ["worker", "anybody"])
def test_a_training_that_hangs_up_leaves_no_traceback_of_a_worker(role: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING_UP, role], capture_output=True, text=True, check=True
    )
    assert "another mistake" in done.stderr
    # It is multiprocessing that shows it, or this test would see nothing.
    assert ("Traceback" in done.stderr) == (role == "anybody")
