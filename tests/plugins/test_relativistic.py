"""Relativistic losses against the formulas of the paper, values and gradients, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganforge_losses.relativistic import RelativisticAverage, RelativisticPairing


class Round:
    """All that a loss looks at: the scores of the real and of the fake samples."""

    def __init__(self, real: Tensor, fake: Tensor) -> None:
        self.real, self.fake = real, fake

    def scores(self, side: str) -> Tensor:
        return {"real": self.real, "fake": self.fake}[side]


def sigmoid(scores: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-scores))


def scores(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64).requires_grad_()


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_pairing(player: str, count: int) -> None:
    """-log sigmoid of the margin of a pair; its slope is minus the sigmoid of minus the margin."""
    real, fake = scores(count, 1), scores(count, 2)
    value = getattr(RelativisticPairing(), player)(Round(real, fake))
    sign = 1.0 if player == "discriminator" else -1.0
    margin = sign * (real - fake)
    assert value.shape == (count,)
    close(value, -torch.log(sigmoid(margin)))
    by_real, by_fake = torch.autograd.grad(value.sum(), [real, fake])
    close(by_real, -sign * sigmoid(-margin))
    close(by_fake, sign * sigmoid(-margin))


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_average(player: str, count: int) -> None:
    """Every sample meets the mean of the other side, and moves that mean by a share of 1/N.

    The mean over the batch, with P the probability that a sample beats the other side's mean:
    its slope by the score of a sample above is (-(1 - P_i) - mean P of those below) / N.
    """
    real, fake = scores(count, 1), scores(count, 2)
    value = getattr(RelativisticAverage(), player)(Round(real, fake))
    above, below = (real, fake) if player == "discriminator" else (fake, real)
    up, down = sigmoid(above - below.mean()), sigmoid(below - above.mean())
    assert value.shape == (count,)
    close(value, -torch.log(up) - torch.log(1 - down))
    by_above, by_below = torch.autograd.grad(value.mean(), [above, below])
    close(by_above, (-(1 - up) - down.mean()) / count)
    close(by_below, (down + (1 - up).mean()) / count)


@pytest.mark.parametrize("loss", [RelativisticPairing(), RelativisticAverage()])
def test_they_stay_finite_where_the_formula_overflows(loss: RelativisticPairing) -> None:
    wrong = Round(torch.tensor([-1000.0]), torch.tensor([1000.0]))
    right = Round(torch.tensor([1000.0]), torch.tensor([-1000.0]))
    pairs = 1 if isinstance(loss, RelativisticPairing) else 2
    assert loss.discriminator(wrong).item() == 2000.0 * pairs
    assert loss.discriminator(right).item() == 0.0
    assert loss.generator(right).item() == 2000.0 * pairs


@pytest.mark.parametrize("loss", [RelativisticPairing(), RelativisticAverage()])
def test_a_common_offset_of_all_scores_changes_nothing(loss: RelativisticPairing) -> None:
    """Only differences count: that is what makes them relativistic."""
    real, fake = scores(8, 1).detach(), scores(8, 2).detach()
    for player in (loss.discriminator, loss.generator):
        close(player(Round(real + 5, fake + 5)), player(Round(real, fake)))
    close(loss.belief(real), real)
