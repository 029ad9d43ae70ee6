"""The pool of generated images, against the authors' rule written again with numbers."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from ganforge.api import Draw
from ganforge.engine.plain import check_plain
from ganforge.engine.streams import Streams
from ganforge_translation.pool import ImagePool

CPU = torch.device("cpu")


def draw(step: int, total: int, where: slice | None = None) -> Draw:
    return Draw(Streams(4), (step, "discriminators", 0), total, where or slice(0, total), CPU)


def images(numbers: list[int]) -> Tensor:
    """Pictures ``(1, 2, 2)`` of a number each."""
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)


def numbers(samples: Tensor) -> list[int]:
    assert samples.shape[1:] == (1, 2, 2)
    assert (samples == samples[:, :, :1, :1]).all()
    return [int(each) for each in samples[:, 0, 0, 0]]


def simulate(size: int, batches: list[list[int]]) -> list[list[int]]:
    """What comes back, in Python lists, from the same random numbers."""
    kept: list[int] = []
    given = []
    for step, batch in enumerate(batches):
        generator = Streams(4).generator("pool/x", step, "discriminators", 0, device=CPU)
        chances = torch.rand(len(batch), 2, generator=generator).double().numpy()
        back = []
        for number, (chance, place) in zip(batch, chances, strict=True):
            if len(kept) < size:
                kept.append(number)
                back.append(number)
            elif chance < 0.5:
                index = int(np.floor(place * size))
                back.append(kept[index])
                kept[index] = number
            else:
                back.append(number)
        given.append(back)
    return given


BATCHES = [[5 * step + i for i in range(5)] for step in range(40)]


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_as_the_authors_do_it(size: int) -> None:
    pool = ImagePool(size)
    found = [
        numbers(pool.exchange(images(batch), draw(step, len(batch)), "pool/x"))
        for step, batch in enumerate(BATCHES)
    ]
    assert found == simulate(size, BATCHES)
    flat = [number for batch in found for number in batch]
    assert flat[:size] == list(range(size))  # new ones until it is full
    assert len(pool.kept) == size
    # Nothing is given twice, and what is gone is given or kept.
    assert len(set(flat)) + sum(count - 1 for count in Counter(flat).values()) == 200


def test_half_of_what_comes_is_exchanged_and_every_place_is() -> None:
    pool = ImagePool(4)
    pool.exchange(images([0, 1, 2, 3]), draw(0, 4), "pool/x")
    places: Counter[int] = Counter()
    exchanged = 0
    for step in range(1, 401):
        before = numbers(torch.stack(pool.kept))
        (back,) = numbers(pool.exchange(images([step + 100]), draw(step, 1), "pool/x"))
        if back != step + 100:
            exchanged += 1
            places[before.index(back)] += 1
            assert numbers(torch.stack(pool.kept))[before.index(back)] == step + 100
        else:
            assert numbers(torch.stack(pool.kept)) == before
    assert 170 < exchanged < 230
    assert all(30 < places[place] < 75 for place in range(4))


def test_size_0_gives_back_what_comes() -> None:
    batch = images([1, 2])
    pool = ImagePool(0)
    assert pool.exchange(batch, draw(0, 2), "pool/x") is batch
    assert pool.kept == []


@pytest.mark.parametrize("edges", [(0, 5), (0, 2, 5), (0, 1, 2, 3, 4, 5)], ids=str)
def test_micro_batches_change_nothing(edges: tuple[int, ...]) -> None:
    pool = ImagePool(7)
    found = []
    for step, batch in enumerate(BATCHES):
        back: list[int] = []
        for start, stop in pairwise(edges):
            where = slice(start, stop)
            part = pool.exchange(images(batch[where]), draw(step, 5, where), "pool/x")
            back += numbers(part)
        found.append(back)
    assert found == simulate(7, BATCHES)


def test_a_state_is_all_that_a_pool_knows() -> None:
    pool = ImagePool(7)
    states = []
    for step, batch in enumerate(BATCHES):
        states.append(copy.deepcopy(pool.state_dict()))
        check_plain(states[-1])
        pool.exchange(images(batch), draw(step, 5), "pool/x")
    for start in (0, 1, 20):
        other = ImagePool(7)
        other.load_state_dict(states[start])
        found = [
            numbers(other.exchange(images(batch), draw(step, 5), "pool/x"))
            for step, batch in list(enumerate(BATCHES))[start:]
        ]
        assert found == simulate(7, BATCHES)[start:]


def test_an_empty_pool_has_a_state_too() -> None:
    """Else a play that fails would leave the samples of the first one behind."""
    assert ImagePool(3).state_dict()


def test_what_was_a_state_does_not_change_with_the_pool() -> None:
    pool = ImagePool(2)
    pool.exchange(images([1, 2]), draw(0, 2), "pool/x")
    state = pool.state_dict()
    for step in range(1, 9):
        pool.exchange(images([step + 10]), draw(step, 1), "pool/x")
    assert numbers(torch.stack(state["kept"])) == [1, 2]


def test_what_is_kept_is_no_view_of_its_batch_and_has_no_graph() -> None:
    batch = images([1, 2, 3]).clone().requires_grad_()
    pool = ImagePool(2)
    given = pool.exchange(batch * 1.0, draw(0, 3), "pool/x")
    assert not given.requires_grad
    assert all(each.untyped_storage().nbytes() == 16 for each in pool.kept)
