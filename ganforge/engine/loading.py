"""A feed that reads samples when they are needed, in worker processes if there are some."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ganforge.engine.data import AnyDataset, Batch
from ganforge.engine.feed import Order, source_order
from ganforge.engine.streams import Streams
from ganforge.errors import DataError

Raw = tuple[Tensor, Tensor | None, Tensor | None]
LOST = -1
"""The place of workers after waiting for them was given up: a batch on its way may be lost.

They are ended when the next batch is asked for, or in the end, not at once: that may take seconds.
"""


@dataclass(frozen=True)
class Failure:
    """Why a batch could not be read; sent home from a worker in place of the batch."""

    message: str
    hint: str | None
    trace: str


class Batches(TorchDataset["Raw | Failure"]):
    """The batches of a run by their numbers: each is a function of the seed and its number."""

    def __init__(self, dataset: AnyDataset, order: Order, source_order: Order | None) -> None:
        self.dataset = dataset
        self.order = order
        self.source_order = source_order

    def __getitem__(self, number: int) -> Raw | Failure:
        try:
            # What has a gradient cannot be sent home from a worker.
            with _seeded(self.order.streams, number), torch.no_grad():
                samples, labels = self.dataset.gather(self.order.rows(number))
                if self.dataset.source_dataset is None or self.source_order is None:
                    return samples, labels, None
                source, _ = self.dataset.source_dataset.gather(self.source_order.rows(number))
                return samples, labels, source
        except Exception as error:  # noqa: BLE001  # told by LoaderFeed, in the training process
            return Failure(str(error), getattr(error, "hint", None), traceback.format_exc())


class LoaderFeed:
    """Reads each batch when it is needed, or ahead of time in worker processes.

    A batch depends only on the seed and its number, not on how many workers there are, so a run
    that is resumed, with as many workers or others, meets what the uninterrupted one would have
    met.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch.
        streams: The run's random streams.
        device: Where batches are needed.
        workers: Processes that read; 0 reads in this one.
    Raises:
        DataError: The data set holds fewer samples than one batch.
    """

    def __init__(
        self,
        dataset: AnyDataset,
        *,
        batch_size: int,
        streams: Streams,
        device: torch.device,
        workers: int,
    ) -> None:
        cpu = torch.device("cpu")
        places: dict[str, Any] = {"batch_size": batch_size, "streams": streams, "device": cpu}
        self.order = Order(len(dataset), **places)
        self.source_order = source_order(dataset, self.order, **places)
        self.dataset = dataset
        self.device = device
        self.workers = workers
        self.drawn = 0
        self._processes: set[Any] = set()
        self._iterator: Iterator[Raw | Failure] | None = None
        self._next_read = 0

    @property
    def batches_per_epoch(self) -> int:
        return self.order.batches_per_epoch

    def next(self) -> Batch:
        """The next batch, waited for if it has not been read yet.

        Raises:
            DataError: A sample cannot be read, or a worker process died.
        """
        if self._iterator is None or self._next_read != self.drawn:
            self._start()
        assert self._iterator is not None
        place, self._next_read = self._next_read, LOST
        try:
            found = next(self._iterator)
        except Exception as error:
            raise DataError(
                f"a process that reads the data died: {error}",
                hint="If memory ran out, lower train.workers; train.workers=0 reads the data in "
                "the training process and shows what goes wrong.",
            ) from error
        self._next_read = place + 1
        if isinstance(found, Failure):
            raise DataError(found.message, hint=found.hint) from RuntimeError(found.trace)
        self.drawn += 1
        moved = [
            None if part is None else part.to(self.device, non_blocking=True) for part in found
        ]
        samples, labels, source = moved
        assert samples is not None
        return Batch.of(samples, labels, source)

    def _start(self) -> None:
        """Read from the present place on."""
        self.close()
        self._next_read = self.drawn
        numbers: Iterable[int] = _From(self.drawn)
        loader: DataLoader[Raw | Failure] = DataLoader(
            Batches(self.dataset, self.order, self.source_order),
            sampler=numbers,
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=self.workers,
            worker_init_fn=_leave_signals_to_the_parent,
            # else it takes its workers' seeds from the global one, which is not its own
            generator=self.order.streams.generator("workers"),
            pin_memory=self.device.type == "cuda",
            # A plugin's file is no module that a fresh interpreter could import.
            multiprocessing_context="fork" if self.workers and sys.platform == "linux" else None,
        )
        before = set(multiprocessing.active_children())
        try:
            with _no_handler_for_children():
                self._iterator = iter(loader)
        finally:
            self._processes = set(multiprocessing.active_children()) - before

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to another place; workers that have read ahead are left to :meth:`close`."""
        self.drawn = int(state["drawn"])

    def close(self) -> None:
        """End the workers, one that waits for a slow disk too."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(1.0)
        self._processes = set()
        self._iterator = None


class _From:
    """All numbers from one on; a sampler, which may be walked more than once."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start)


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_parent(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the workers end when the training does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
    sys.excepthook = _say_nothing_of_hanging_up


def _say_nothing_of_hanging_up(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Of a worker's thread that hands a batch over, which the training no longer waits for.

    That thread of multiprocessing gives what it meets to ``sys.excepthook``, so that the user who
    pressed Ctrl-C would see a traceback now and then.
    """
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


_HELD_BACK = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def _no_handler_for_children() -> Iterator[None]:
    """Keep torch from raising wherever the training is at the moment a worker dies.

    It is noticed when the next batch is asked for, where nothing is half done. Signals wait
    meanwhile: a worker that has just begun would take them for its parent's.
    """
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before if before is not None else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _seeded(streams: Streams, number: int) -> Iterator[None]:
    """Seed the global generators for one batch, and put them back: nothing outside changes."""
    seed = streams.number("reading", number)
    python, arrays = random.getstate(), np.random.get_state()  # what plugins may use
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        with torch.random.fork_rng(()):
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
