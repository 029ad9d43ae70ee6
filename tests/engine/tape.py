"""A recorder for the CPU: what a CUDA graph does, by noting torch's operations one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ganforge.engine.recording import no_dice

Result = TypeVar("Result")


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def lies_in(one: Tensor) -> int:
    return one.untyped_storage().data_ptr()


def fresh(result: Any, given: Any) -> list[Tensor]:
    """What an operation has made, not what it has changed or looked at."""
    places = {lies_in(each) for each in tensors(given)}
    return [each for each in tensors(result) if lies_in(each) not in places]


def check(operation: Any) -> None:
    """Fail as on a GPU, where nobody may wait."""
    if operation is torch.ops.aten._local_scalar_dense.default:
        raise RuntimeError("operation not permitted when stream is capturing")


class Strict(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Waits for nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        check(func)
        return func(*args, **(kwargs or {}))


class OneHot(TorchFunctionMode):
    """One-hot vectors as a GPU makes them: a CPU looks whether there are such classes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.nn.functional.one_hot:
            return func(*args, **(kwargs or {}))
        classes, count = args
        return torch.zeros(*classes.shape, count, dtype=torch.int64).scatter_(
            -1, classes.unsqueeze(-1), 1
        )


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Operations, and the tensors that they were given: done again, they are given the same ones.

    As on a GPU, whoever asks for a number fails. What was changed meanwhile is put back at the end,
    as if nothing had been done.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[bool, Any, Any, Any, Any]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}
        self.made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        check(func)
        given = tensors((args, kwargs))
        for each in given:
            place = lies_in(each)
            if place not in self.made and place not in self.before:
                whole = torch.empty(0, dtype=each.dtype).set_(each.untyped_storage())
                self.before[place] = whole, whole.clone()
        result = func(*args, **kwargs)
        self.made.update(map(lies_in, fresh(result, (args, kwargs))))
        # Who writes into these has not written into what autograd remembers, to autograd.
        plain = tree_map_only(Tensor, lambda each: each.data, (args, kwargs, result))
        self.calls.append((torch.is_grad_enabled(), func, *plain))
        return result

    def put_back(self) -> None:
        """Undo it all; in what was made there is nothing."""
        for whole, before in self.before.values():
            whole.copy_(before)
        for _, func, args, kwargs, result in self.calls:
            for each in fresh(result, (args, kwargs)):
                if each.is_floating_point() and func is not torch.ops.aten.empty.memory_format:
                    each.fill_(math.nan)

    def again(self) -> None:
        for grad, func, args, kwargs, result in self.calls:
            mine = fresh(result, (args, kwargs))
            with torch.set_grad_enabled(grad):  # convolutions have other kernels without
                found = func(*args, **kwargs)
            for old, new in zip(mine, fresh(found, (args, kwargs)), strict=True):
                old.copy_(new)


class TapeRecorder:
    """Records on the CPU.

    Args:
        forgets: Stands for an operation that a record does not do again, to see that it is found
            out: its name.
    """

    def __init__(self, forgets: str | None = None) -> None:
        self.forgets = forgets
        self.records = 0
        self.plays = 0
        self.beside_now = False

    @contextmanager
    def beside(self) -> Iterator[None]:
        assert not self.beside_now
        self.beside_now = True
        try:
            yield
        finally:
            self.beside_now = False

    @contextmanager
    def strictly(self) -> Iterator[None]:
        with OneHot(), Strict(), no_dice(torch_too=False):
            yield

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        tape = Tape()
        state = torch.get_rng_state()
        try:
            with OneHot(), tape:
                result = function()
        finally:
            with torch.no_grad():
                tape.put_back()
            torch.set_rng_state(state)
        self.records += 1
        if self.forgets is not None:
            kept = [call for call in tape.calls if call[1].overloadpacket.__name__ != self.forgets]
            tape.calls = kept

        def again() -> None:
            self.plays += 1
            tape.again()

        return result, again
