"""Records what a device does in a function, to let it do the same again without Python.

Where networks are small, a GPU is faster than Python can tell it what to do next. As a CUDA graph
(see PyTorch's notes "CUDA semantics", section "CUDA Graphs") it gets a whole play in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import torch

Result = TypeVar("Result")


class Recorder(Protocol):
    """Records work on a device."""

    def beside(self) -> AbstractContextManager[object]:
        """Within it, work is done that is to be recorded later on: as it will be recorded."""

    def strictly(self) -> AbstractContextManager[object]:
        """Within it, what waits for the device fails, as it would while it is recorded."""

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Call a function whose work is noted and not done.

        Returns:
            What it returned, tensors in which there is nothing yet, and what does the work: each
            time on what is then in the tensors that the function has seen.
        Raises:
            Exception: Some of the work cannot be recorded, such as asking for a tensor's value.
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
        with torch.cuda.stream(self._stream):
            yield
        current.wait_stream(self._stream)

    @contextmanager
    def strictly(self) -> Iterator[None]:
        # While it is recorded it would fail too, but leave a spoiled record behind.
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self._device)
        # Other threads, which fetch data, may do as they like meanwhile.
        mode = "thread_local"
        try:
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=mode):
                result = function()
        finally:
            torch.cuda.set_stream(current)  # torch leaves another one behind where it fails
        return result, graph.replay
