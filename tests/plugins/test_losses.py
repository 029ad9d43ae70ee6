"""Adversarial losses against the formulas of their papers, values and gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ganforge.api import AdversarialLoss
from ganforge_losses.losses import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein

Formula = Callable[[Tensor, Tensor], Tensor]


class Round:
    """All that a loss looks at: the scores of the real and of the fake samples."""

    def __init__(self, real: Tensor, fake: Tensor) -> None:
        self.real, self.fake = real, fake

    def scores(self, side: str) -> Tensor:
        return {"real": self.real, "fake": self.fake}[side]


def sigmoid(scores: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-scores))


def zero(real: Tensor, fake: Tensor) -> Tensor:
    return torch.zeros_like(real)


class Paper(NamedTuple):
    """One player's loss, and its derivative by the score of a real and of a fake sample."""

    value: Formula
    by_real: Formula
    by_fake: Formula


CROSS_ENTROPY = Paper(
    lambda x, g: -torch.log(sigmoid(x)) - torch.log(1 - sigmoid(g)),
    lambda x, g: sigmoid(x) - 1,
    lambda x, g: sigmoid(g),
)
LOWER_THE_FAKE_SCORE = Paper(lambda x, g: -g, zero, lambda x, g: -torch.ones_like(g))

LOSSES = {
    "non_saturating": (
        NonSaturating(),
        CROSS_ENTROPY,
        Paper(lambda x, g: -torch.log(sigmoid(g)), zero, lambda x, g: sigmoid(g) - 1),
    ),
    "minimax": (
        Minimax(),
        CROSS_ENTROPY,
        Paper(lambda x, g: torch.log(1 - sigmoid(g)), zero, lambda x, g: -sigmoid(g)),
    ),
    "hinge": (
        Hinge(),
        Paper(
            lambda x, g: -torch.minimum(zero(x, g), x - 1) - torch.minimum(zero(x, g), -g - 1),
            lambda x, g: -(x < 1).double(),
            lambda x, g: (g > -1).double(),
        ),
        LOWER_THE_FAKE_SCORE,
    ),
    "least_squares": (
        LeastSquares(),
        Paper(lambda x, g: (x - 1) ** 2 / 2 + g**2 / 2, lambda x, g: x - 1, lambda x, g: g),
        Paper(lambda x, g: (g - 1) ** 2 / 2, zero, lambda x, g: g - 1),
    ),
    "wasserstein": (
        Wasserstein(),
        Paper(
            lambda x, g: g - x,
            lambda x, g: -torch.ones_like(x),
            lambda x, g: torch.ones_like(g),
        ),
        LOWER_THE_FAKE_SCORE,
    ),
}


def scores(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_the_papers(name: str, player: str, count: int) -> None:
    """Sample by sample, ``(N,)``; each sample's loss depends on its own scores only."""
    loss, for_discriminator, for_generator = LOSSES[name]
    paper = for_discriminator if player == "discriminator" else for_generator
    real, fake = scores(count, 1).requires_grad_(), scores(count, 2).requires_grad_()

    value = getattr(loss, player)(Round(real, fake))

    assert value.shape == (count,)
    torch.testing.assert_close(value, paper.value(real, fake), rtol=0, atol=1e-10)
    by_real, by_fake = torch.autograd.grad(
        value.sum(), [real, fake], allow_unused=True, materialize_grads=True
    )
    torch.testing.assert_close(by_real, paper.by_real(real, fake), rtol=0, atol=1e-10)
    torch.testing.assert_close(by_fake, paper.by_fake(real, fake), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("non_saturating", 2 * 0.6931471805599453, 0.6931471805599453),
        ("minimax", 2 * 0.6931471805599453, -0.6931471805599453),
        ("hinge", 2.0, 0.0),
        ("least_squares", 0.5, 0.5),
        ("wasserstein", 0.0, 0.0),
    ],
)
def test_what_a_discriminator_loses_that_knows_nothing(
    name: str, discriminator: float, generator: float
) -> None:
    """All scores 0: two log 2 for cross-entropy, as in the literature."""
    loss = LOSSES[name][0]
    nothing = Round(torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    assert loss.discriminator(nothing).tolist() == pytest.approx([discriminator] * 3, abs=1e-12)
    assert loss.generator(nothing).tolist() == pytest.approx([generator] * 3, abs=1e-12)


@pytest.mark.parametrize("name", ["non_saturating", "minimax"])
def test_cross_entropy_stays_finite_where_the_paper_overflows(name: str) -> None:
    """At scores of 1000, log(1 - D) is -inf in floating point; -1000 is right."""
    loss = LOSSES[name][0]
    wrong = Round(torch.tensor([-1000.0]), torch.tensor([1000.0]))
    right = Round(torch.tensor([1000.0]), torch.tensor([-1000.0]))
    assert loss.discriminator(wrong).item() == 2000.0
    assert loss.discriminator(right).item() == 0.0
    fooled, caught = (loss.generator(round).item() for round in (wrong, right))
    assert (fooled, caught) == ((0.0, 1000.0) if name == "non_saturating" else (-1000.0, 0.0))


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_score_means(name: str) -> None:
    """Logits are shown as probabilities; scores that are no logits as they are."""
    loss: AdversarialLoss = LOSSES[name][0]
    given = scores(64, 3)
    logits = name in ("non_saturating", "minimax")
    expected = sigmoid(given) if logits else given
    torch.testing.assert_close(loss.belief(given), expected, rtol=0, atol=1e-12)
