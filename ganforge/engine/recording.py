"""Records what a device does in a function, to let it do the same again without Python.

Where networks are small, a GPU is faster than Python can tell it what to do next. As a CUDA graph
(see PyTorch's notes "CUDA semantics", section "CUDA Graphs") it gets a whole play in one piece.
"""

from __future__ import annotations

import pickle
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import torch

from ganforge.engine.fixed import NotFixedError

Result = TypeVar("Result")


class Recorder(Protocol):
    """Records work on a device."""

    def beside(self) -> AbstractContextManager[object]:
        """Within it, work is done that is to be recorded later on: as it will be recorded."""

    def strictly(self) -> AbstractContextManager[object]:
        """Within it, what cannot be recorded fails, such as waiting for the device."""

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Call a function whose work is noted and not done.

        Returns:
            What it returned, tensors in which there is nothing yet, and what does the work: each
            time on what is then in the tensors that the function has seen.
        Raises:
            Exception: Some of the work cannot be recorded.
        """


class CudaRecorder:
    """Records CUDA graphs, each in memory of its own: their order is not always the same.

    Args:
        device: Of which GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def beside(self) -> Iterator[None]:
        # What autograd and libraries set up for a stream must be there before it is recorded.
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            current.wait_stream(self._stream)

    @contextmanager
    def strictly(self) -> Iterator[None]:
        # While it is recorded it would fail too, but leave a spoiled record and its memory behind.
        # The mode is the process's: a thread that waits for the device meanwhile fails as well.
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(), no_dice(torch_too=True):
            warnings.filterwarnings("ignore", message=".*(prototype feature|capturable=True)")
            torch.cuda.set_sync_debug_mode("error")
            try:
                yield
            finally:
                torch.cuda.set_sync_debug_mode(before)

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device):
            current = torch.cuda.current_stream(self._device)
            # Other threads, which fetch data, may do as they like meanwhile.
            mode = "thread_local"
            try:
                with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=mode):
                    result = function()
            finally:
                torch.cuda.set_stream(current)  # torch leaves another one behind where it fails
        return result, graph.replay


@contextmanager
def no_dice(*, torch_too: bool) -> Iterator[None]:
    """A block that throws no dice in Python: a record would go on with what they showed.

    What was thrown is as if it had not been.

    Args:
        torch_too: Torch's generator of the CPU counts; it is another one than the device's.
    Raises:
        NotFixedError: Some were thrown.
    """
    dice: list[tuple[Callable[[], Any], Callable[[Any], Any]]] = [
        (random.getstate, random.setstate)
    ]
    if (numpy := sys.modules.get("numpy")) is not None:
        dice.append((numpy.random.get_state, numpy.random.set_state))
    if torch_too:
        dice.append((torch.default_generator.get_state, torch.default_generator.set_state))
    before = [look() for look, _ in dice]
    thrown = False
    try:
        yield
    finally:
        for (look, put), state in zip(dice, before, strict=True):
            if pickle.dumps(look()) != pickle.dumps(state):
                thrown = True
                put(state)
    if thrown:
        raise NotFixedError("it draws random numbers on the CPU, outside of its 'draw'")
