"""What a play may change is put back, whatever became of the buffers since the play before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganforge.engine.undo import Buffers, Undo

Change = Callable[[nn.Module], object]


def module() -> nn.Module:
    norm = nn.BatchNorm1d(3)
    norm.register_buffer("more", torch.arange(4.0))
    norm.register_buffer("none", None)
    return norm


def swap(norm: nn.Module) -> None:
    norm.running_mean, norm.running_var = norm.running_var, norm.running_mean


CHANGES: dict[str, Change] = {
    "nothing": lambda norm: None,
    "became None": lambda norm: setattr(norm, "more", None),
    "was None": lambda norm: setattr(norm, "none", torch.ones(2)),
    "replaced": lambda norm: setattr(norm, "more", torch.ones(4)),
    "resized": lambda norm: norm.get_buffer("more").resize_(6).fill_(2.0),
    "other data": lambda norm: setattr(norm.get_buffer("more"), "data", torch.ones(1)),
    "new": lambda norm: norm.register_buffer("new", torch.ones(2)),
    "gone": lambda norm: delattr(norm, "more"),
    "swapped": swap,
    "learns": lambda norm: norm.get_buffer("more").requires_grad_(),
}


def values(norm: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.detach().clone() for name, buffer in norm.named_buffers()}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("unseen", [False, True])
def test_buffers_are_put_back(change: Change, unseen: bool) -> None:
    norm = module()
    buffers = Buffers([norm])
    for play in range(5):
        if play == 2:
            change(norm)
        wanted = values(norm)
        undo = Undo(buffers, learning="generator")
        norm(torch.randn(5, 3))
        for buffer in norm.buffers():
            buffer.data.add_(1)
        if unseen:
            undo.restore_where(torch.tensor(True))
        else:
            undo.restore()
        found = values(norm)
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_copies_are_made_in_the_same_memory() -> None:
    norm = module()
    buffers = Buffers([norm])
    first, copies = buffers.copied("generator")
    norm(torch.randn(5, 3))
    second, others = buffers.copied("generator")
    assert first is second
    assert copies is others
    assert all(torch.equal(*pair) for pair in zip(second, others, strict=True))


def test_a_graph_that_a_buffer_had_is_not_kept() -> None:
    norm = module()
    buffers = Buffers([norm])
    grown = torch.ones(4, requires_grad=True).exp()
    norm.more = grown
    buffers.copied("generator")
    norm.more = torch.zeros(4)
    alive = weakref.ref(grown)
    del grown
    gc.collect()
    assert alive() is None
