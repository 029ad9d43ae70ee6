"""Moving averages against the recurrence worked out number by number."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganforge.engine.average import Average


def layer(value: float = 0.0) -> nn.Linear:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def test_the_average_follows_the_recurrence() -> None:
    """average = d * average + (1 - d) * weight, with d = min(decay, (1 + t) / (10 + t))."""
    network = layer(5.0)
    average = Average(network, decay=0.25)
    expected = 5.0
    for t, weight in enumerate([1.0, -2.0, 3.0, 4.0, 0.5]):
        nn.init.constant_(network.weight, weight)
        average.update()
        decay = [1 / 10, 2 / 11, 3 / 12, 0.25, 0.25][t]  # the warm-up reaches 0.25 at t = 2
        expected = decay * expected + (1 - decay) * weight
        assert average.network.weight.item() == pytest.approx(expected, abs=1e-6)
    assert average.updates == 5


def test_the_warm_up_forgets_the_random_start() -> None:
    """After the first update 0.999 would have kept nearly all of the start; a tenth is left."""
    network = layer(1.0)
    average = Average(network, decay=0.999)
    nn.init.constant_(network.weight, 0.0)
    average.update()
    assert average.network.weight.item() == pytest.approx(0.1)


def test_a_decay_of_zero_copies() -> None:
    network = layer(1.0)
    average = Average(network, decay=0.0)
    nn.init.constant_(network.weight, -7.0)
    average.update()
    assert average.network.weight.item() == -7.0


def test_floating_buffers_are_averaged_and_counters_copied() -> None:
    """Batch norm's statistics belong to the averaged weights; its counter is no statistic."""
    network = nn.BatchNorm1d(1)
    average = Average(network, decay=0.9)
    network.running_mean.fill_(10.0)
    network.running_var.fill_(3.0)
    network.num_batches_tracked.fill_(7)
    average.update()
    assert average.network.running_mean.item() == pytest.approx(0.1 * 0.0 + 0.9 * 10.0)
    assert average.network.running_var.item() == pytest.approx(0.1 * 1.0 + 0.9 * 3.0)
    assert average.network.num_batches_tracked.item() == 7


def test_the_average_is_a_network_of_its_own() -> None:
    """It shares no tensor with its source, learns nothing and is in evaluation mode."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    average = Average(network, decay=0.5)
    assert network.training
    assert not any(module.training for module in average.network.modules())
    assert not any(p.requires_grad for p in average.network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    ours = {t.data_ptr() for t in average.network.state_dict().values()}
    assert not ours & {t.data_ptr() for t in network.state_dict().values()}


def test_the_average_follows_a_network_that_was_loaded_anew() -> None:
    """Loading a checkpoint fills the same tensors; the average goes on following them."""
    network = layer(1.0)
    average = Average(network, decay=0.0)
    network.load_state_dict({"weight": torch.tensor([[9.0]])})
    average.update()
    assert average.network.weight.item() == 9.0


def test_state_goes_round() -> None:
    """The count of updates is part of the state: without it the warm-up would start again."""

    def trained(average: Average, network: nn.Linear, weights: list[float]) -> Tensor:
        for weight in weights:
            nn.init.constant_(network.weight, weight)
            average.update()
        return average.network.weight

    network = layer(2.0)
    whole = trained(Average(network, decay=0.9), network, [1.0, -1.0, 3.0, 0.0])

    network = layer(2.0)
    first = Average(network, decay=0.9)
    trained(first, network, [1.0, -1.0])
    other = layer(-50.0)
    second = Average(other, decay=0.9)
    second.load_state_dict(first.state_dict())
    assert second.updates == 2
    resumed = trained(second, other, [3.0, 0.0])
    assert torch.equal(resumed, whole)


def test_shared_weights_are_averaged_once() -> None:
    """A weight that two layers share stands under two names; one update is one update."""
    first, second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    second.weight = first.weight
    network = nn.Sequential(first, second)
    nn.init.constant_(first.weight, 0.0)
    average = Average(network, decay=0.999)
    nn.init.constant_(first.weight, 1.0)
    average.update()
    assert average.network[0].weight.item() == pytest.approx(0.9)  # type: ignore[union-attr]


def test_with_a_ramp_the_half_life_is_a_share_of_the_age() -> None:
    """After t updates the half-life is at most 0.25 t updates; the first keeps nothing."""
    network = layer(1.0)
    average = Average(network, decay=0.9, ramp_up=0.25)
    expected = 1.0
    for t, weight in enumerate([4.0, -2.0, 3.0, 1.0, 5.0] * 20):
        nn.init.constant_(network.weight, weight)
        average.update()
        decay = min(0.9, 0.0 if t == 0 else 2.0 ** (-1.0 / (0.25 * t)))
        expected = decay * expected + (1 - decay) * weight
        assert average.network.weight.item() == pytest.approx(expected, abs=1e-5)
    assert 2.0 ** (-1.0 / (0.25 * 99)) > 0.9  # in the end the decay itself is smaller
