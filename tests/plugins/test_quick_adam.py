"""Adam's short way to its kernel: the same bits as torch's own, and hooks, profiles and states."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import LambdaLR
from torch.profiler import ProfilerActivity, profile

from ganforge_optimizers.optimizers import adam, adamw
from ganforge_optimizers.quick import QuickAdam, QuickAdamW

WAYS: list[tuple[Any, type[optim.Optimizer], dict[str, Any]]] = [
    (adam, optim.Adam, {"lr": 0.01, "betas": (0.5, 0.9)}),
    (adam, optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    (adam, optim.Adam, {"lr": 0.01, "amsgrad": True}),
    (adamw, optim.AdamW, {"lr": 0.01, "eps": 1e-4, "weight_decay": 0.2}),
]


class Net(nn.Module):
    """Two layers, of which the second is used when it is asked for."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Linear(4, 3, dtype=dtype)
        self.second = nn.Linear(3, 2, dtype=dtype)

    def learn(self, step: int, *, both: bool = True) -> None:
        """Gradients of a loss that is another one in every step."""
        self.zero_grad()
        inputs = torch.linspace(-1, 1, 20, dtype=self.first.weight.dtype).reshape(5, 4) + step
        middle = self.first(inputs).tanh()
        ((self.second(middle) if both else middle) ** 2).sum().backward()


def pair(component: Any, torchs: Any, options: dict[str, Any], **how: Any) -> list[Any]:
    """The same network twice, with ganforge's optimizer and with torch's."""
    ours, theirs = Net(**how), Net(**how)
    return [
        (ours, component(params=list(ours.parameters()), **options)),
        (theirs, torchs(theirs.parameters(), fused=True, **options)),
    ]


def state_of(optimizer: optim.Optimizer) -> list[torch.Tensor]:
    kept = optimizer.state_dict()["state"]
    return [value for each in kept.values() for _, value in sorted(each.items())]


def assert_same(both: list[Any]) -> None:
    (ours, one), (theirs, other) = both
    for weight, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(weight, wanted)
    for value, wanted in zip(state_of(one), state_of(other), strict=True):
        assert torch.equal(value, wanted)
    assert one.state_dict()["param_groups"] == other.state_dict()["param_groups"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_are_those_of_torch(way: Any, dtype: torch.dtype) -> None:
    both = pair(*way, dtype=dtype)
    schedules = [LambdaLR(optimizer, lambda t: 1 / (1 + t)) for _, optimizer in both]
    for step in range(12):
        for (network, optimizer), schedule in zip(both, schedules, strict=True):
            network.learn(step, both=step % 4 != 2)  # now and then a layer has no gradient
            optimizer.step()
            schedule.step()
        assert_same(both)


@pytest.mark.parametrize("way", WAYS)
def test_either_goes_on_from_the_state_of_the_other(way: Any) -> None:
    both = pair(*way)
    for step in range(3):
        for network, optimizer in both:
            network.learn(step)
            optimizer.step()
    states = [copy.deepcopy(optimizer.state_dict()) for _, optimizer in both]
    for (_, optimizer), state in zip(both, reversed(states), strict=True):
        optimizer.load_state_dict(state)
    for step in range(3, 6):
        for network, optimizer in both:
            network.learn(step)
            optimizer.step()
    assert_same(both)


def test_groups_may_be_empty_or_have_rates_of_their_own() -> None:
    both = []
    for made in (QuickAdam, optim.Adam):
        network = Net()
        groups: list[dict[str, Any]] = [
            {"params": network.first.parameters(), "lr": 0.1, "betas": (0.1, 0.2)},
            {"params": network.second.parameters(), "weight_decay": 0.3},
            {"params": []},
        ]
        both.append((network, made(groups, fused=True)))
    for step in range(3):
        for network, optimizer in both:
            network.learn(step)
            optimizer.step()
            if step == 0:
                del optimizer.param_groups[2]  # the rest goes the short way
        assert_same(both)


@pytest.mark.parametrize("bad", [0.0, 1.0])
def test_the_kernel_can_be_told_to_leave_a_step_out(bad: float) -> None:
    both = pair(*WAYS[0])
    for step in range(4):
        for network, optimizer in both:
            network.learn(step)
            optimizer.grad_scale, optimizer.found_inf = None, torch.tensor(bad if step > 1 else 0.0)
            optimizer.step()
            del optimizer.grad_scale, optimizer.found_inf
    assert_same(both)
    assert both[0][1].state_dict()["state"][0]["step"].item() == (2 if bad else 4)


def test_hooks_and_closures_are_heard() -> None:
    network = Net()
    optimizer = adam(params=list(network.parameters()), lr=0.1)
    heard: list[str] = []
    before = optimizer.register_step_pre_hook(lambda *_: heard.append("before"))
    optimizer.register_step_post_hook(lambda *_: heard.append("after"))
    for step in range(2):
        network.learn(step)
        optimizer.step()
    assert heard == ["before", "after"] * 2
    before.remove()
    network.learn(2)
    optimizer.step()
    assert heard == ["before", "after"] * 2 + ["after"]
    assert optimizer.step(lambda: 7.0) == 7.0
    assert optimizer.state_dict()["state"][0]["step"].item() == 4


def test_a_profile_shows_the_step_under_its_name() -> None:
    network = Net()
    optimizer = adamw(params=list(network.parameters()))
    network.learn(0)
    optimizer.step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        optimizer.step()
    assert any(event.key.startswith("Optimizer.step#QuickAdamW") for event in seen.key_averages())


def test_counts_lie_together_until_somebody_puts_others_there() -> None:
    """A count that a user replaces, or a whole state, is the one that is counted on from."""
    both = pair(*WAYS[0])
    for step in range(6):
        for network, optimizer in both:
            network.learn(step)
            if step == 2:
                optimizer.state[network.first.weight]["step"] = torch.tensor(40.0)
            if step == 4:
                optimizer.state[network.second.bias] = {
                    name: value.clone() + (name == "step")
                    for name, value in optimizer.state[network.second.bias].items()
                }
            optimizer.step()
        assert_same(both)
    counts = [each["step"] for each in both[0][1].state.values()]
    assert [int(count) for count in counts] == [44, 6, 6, 7]
    assert len({count.untyped_storage().data_ptr() for count in counts}) == 1


def test_a_count_that_is_no_scalar_goes_torchs_way() -> None:
    both = pair(*WAYS[0])
    for step in range(4):
        for network, optimizer in both:
            network.learn(step)
            if step == 2:
                optimizer.state[network.first.bias]["step"] = torch.tensor([9.0])
            optimizer.step()
        assert_same(both)


def test_a_copy_counts_for_itself() -> None:
    network = Net()
    optimizer = adam(params=list(network.parameters()))
    for step in range(2):
        network.learn(step)
        optimizer.step()
    other_network, other = copy.deepcopy((network, optimizer))
    other_network.learn(2)
    other.step()
    assert [int(each["step"]) for each in optimizer.state.values()] == [2] * 4
    assert [int(each["step"]) for each in other.state.values()] == [3] * 4


def test_what_is_made_is_torchs_too() -> None:
    parameters = list(Net().parameters())
    assert type(adam(params=parameters)) is QuickAdam
    assert type(adamw(params=parameters)) is QuickAdamW
    assert isinstance(adam(params=parameters), optim.Adam)
    assert isinstance(adamw(params=parameters), optim.AdamW)
