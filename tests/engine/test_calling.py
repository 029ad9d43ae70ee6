"""Networks get what their forward names, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganforge.api import asks_for, call, class_weights
from ganforge.errors import UsageError


class Plain(nn.Module):
    def forward(self, samples: Tensor) -> Tensor:
        return samples + 1


class Conditional(nn.Module):
    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return latents + labels[:, None]


class Pairs(nn.Module):
    def forward(self, samples: Tensor, *, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return samples + latents + (0 if labels is None else labels[:, None])


ONES = torch.ones(2, 1)
LABELS = torch.tensor([3, 5])


def test_what_a_network_asks_for() -> None:
    assert asks_for(Plain()) == frozenset()
    assert asks_for(Conditional()) == {"labels"}
    assert asks_for(Pairs()) == {"latents", "labels"}
    assert asks_for(nn.Sequential(nn.Linear(1, 1))) == frozenset()


def test_it_gets_that_and_nothing_else() -> None:
    assert call(Plain(), ONES, labels=LABELS, latents=ONES).tolist() == [[2.0], [2.0]]
    assert call(Conditional(), ONES, labels=LABELS, latents=ONES).tolist() == [[4.0], [6.0]]
    assert call(Pairs(), ONES, labels=None, latents=ONES).tolist() == [[2.0], [2.0]]
    assert call(Pairs(), ONES, labels=LABELS, latents=ONES).tolist() == [[5.0], [7.0]]


@pytest.mark.parametrize(("network", "name"), [(Conditional(), "labels"), (Pairs(), "latents")])
def test_what_is_not_there_is_told(network: nn.Module, name: str) -> None:
    with pytest.raises(UsageError, match=f"takes {name}, and there are none here"):
        call(network, ONES, source=ONES)


def test_hooks_of_modules_are_called() -> None:
    network, seen = Conditional(), []
    network.register_forward_hook(lambda *_: seen.append(1))
    call(network, ONES, labels=LABELS)
    assert seen == [1]


def test_classes_as_weights() -> None:
    assert class_weights(torch.tensor([2, 0]), 3).tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    mixed = torch.tensor([[0.5, 0.5, 0.0]])
    assert class_weights(mixed, 3) is mixed
