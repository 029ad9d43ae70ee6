"""Gradient penalties against closed forms, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganforge.api import AdversarialRound, Batch, Draw, Play, Regularizer
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge_regularizers.gradients import R1, GradientPenalty

Score = Callable[[Tensor], Tensor]

COUNTERS = (3, "discriminator", 0)


class Judge(nn.Module):
    """A discriminator that is a formula."""

    def __init__(self, score: Score) -> None:
        super().__init__()
        self.score = score
        self.seen: list[Tensor] = []

    def forward(self, samples: Tensor) -> Tensor:
        self.seen.append(samples.detach())
        return self.score(samples)


class Given(nn.Module):
    """A generator that makes the same samples whatever it is given."""

    def __init__(self, samples: Tensor) -> None:
        super().__init__()
        self.samples = nn.Parameter(samples)

    def forward(self, latents: Tensor) -> Tensor:
        return self.samples * 1.0


def penalty(
    term: Regularizer, judge: nn.Module, real: Tensor, fake: Tensor, *, step: int = COUNTERS[0]
) -> Tensor:
    """What a term says in the discriminator's phase."""
    counters = (step, *COUNTERS[1:])
    play = Play(
        phase="discriminator",
        networks={"generator": Given(fake), "discriminator": judge},
        learning=frozenset({"discriminator"}),
        differentiates=frozenset(term.differentiates),
        batch=Batch(real),
        latent=Latent(1),
        draw=Draw(Streams(0), counters, len(real), slice(0, len(real)), torch.device("cpu")),
    )
    return term(AdversarialRound(play))


def shares(count: int) -> Tensor:
    """The numbers at which WGAN-GP mixes real and fake, one a sample, as `Draw` documents them."""
    generator = Streams(0).generator("gradient_penalty", *COUNTERS)
    return torch.rand(count, 1, generator=generator).double()


def samples(count: int, *shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=generator, dtype=torch.float64)


def close(ours: Tensor, expected: Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(ours, expected, rtol=0, atol=atol)


# R1.


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("shape", [(6,), (1, 2, 3)])
def test_r1_of_a_linear_discriminator(count: int, shape: tuple[int, ...]) -> None:
    """s(x) = w.x has the gradient w everywhere: ||w||^2 / 2 for every sample."""
    w = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0, -1.0], dtype=torch.float64)
    judge = Judge(lambda x: x.flatten(1) @ w)
    value = penalty(R1(), judge, samples(count, *shape), samples(count, *shape, seed=2))
    close(value, torch.full((count,), (1 + 4 + 0.25 + 9 + 0 + 1) / 2, dtype=torch.float64))


@pytest.mark.parametrize("count", [1, 64])
def test_r1_of_a_quadratic_discriminator(count: int) -> None:
    """s(x) = x.Ax / 2 with A = A^T has the gradient Ax: ||Ax||^2 / 2, of real samples only."""
    root = samples(4, 4, seed=3)
    a = root @ root.T
    real = samples(count, 4)
    value = penalty(R1(), Judge(lambda x: ((x @ a) * x).sum(1) / 2), real, 100 * real)
    close(value, torch.stack([(a @ x).dot(a @ x) / 2 for x in real]), atol=1e-10)


@pytest.mark.parametrize("count", [1, 64])
def test_r1_teaches_the_discriminator(count: int) -> None:
    """The gradient by D's own weights, against the first derivative written out as a formula.

    s(x) = v . tanh(Wx) has the gradient W^T (v (1 - tanh^2 Wx)).
    """
    real = samples(count, 3)
    w, v = samples(5, 3, seed=4).requires_grad_(), samples(5, seed=5).requires_grad_()
    value = penalty(R1(), Judge(lambda x: torch.tanh(x @ w.T) @ v), real, real)
    by_w, by_v = torch.autograd.grad(value.mean(), [w, v])

    slope = (v * (1 - torch.tanh(real @ w.T) ** 2)) @ w
    expected = (slope**2).sum(1) / 2
    close(value, expected)
    expected_by_w, expected_by_v = torch.autograd.grad(expected.mean(), [w, v])
    close(by_w, expected_by_w, atol=1e-10)
    close(by_v, expected_by_v, atol=1e-10)
    assert by_w.abs().max() > 1e-3


# WGAN-GP.


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("norm", "expected"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25)])
@pytest.mark.parametrize("shape", [(2,), (2, 1, 1)])
def test_gradient_penalty_of_a_linear_critic(
    shape: tuple[int, ...], norm: float, expected: float, count: int
) -> None:
    """s(x) = w.x costs (||w|| - 1)^2 for every sample, wherever it is."""
    w = norm * torch.tensor([0.6, -0.8], dtype=torch.float64)
    judge = Judge(lambda x: x.flatten(1) @ w)
    value = penalty(
        GradientPenalty(), judge, samples(count, *shape), samples(count, *shape, seed=2)
    )
    close(value, torch.full((count,), expected, dtype=torch.float64))


@pytest.mark.parametrize("count", [1, 64])
def test_gradient_penalty_is_per_sample_at_points_between(count: int) -> None:
    """s(x) = ||x||^2 / 2 has the gradient x: (||x|| - 1)^2 at x = u real + (1 - u) fake."""
    real, fake = 2 * samples(count, 3), samples(count, 3, seed=2) - 1
    value = penalty(GradientPenalty(), Judge(lambda x: (x**2).sum(1) / 2), real, fake)
    u = shares(count)
    between = u * real + (1 - u) * fake
    lengths = torch.stack([(x * x).sum().sqrt() for x in between])
    close(value, (lengths - 1) ** 2, atol=1e-10)
    if count > 1:  # one norm over the whole batch would give every sample the same
        assert value.std() > 0.1


def test_each_image_is_mixed_as_a_whole() -> None:
    """One share an image, in [0, 1], not one a pixel and not one for the batch."""
    judge = Judge(lambda x: x.flatten(1).sum(1))
    real, fake = torch.ones(64, 1, 4, 4).double(), torch.zeros(64, 1, 4, 4).double()
    penalty(GradientPenalty(), judge, real, fake)
    between = judge.seen[-1]
    u = between[:, 0, 0, 0]
    assert torch.equal(between, u.reshape(64, 1, 1, 1).expand(64, 1, 4, 4))
    assert u.min() >= 0
    assert u.max() < 1
    assert len(u.unique()) == 64
    close(u, shares(64).squeeze(1))


@pytest.mark.parametrize("count", [1, 64])
def test_gradient_penalty_teaches_the_critic(count: int) -> None:
    """s(x) = a ||x||^2 / 2: (a ||x|| - 1)^2 has the derivative 2 (a ||x|| - 1) ||x|| by a."""
    a = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    real, fake = samples(count, 3), samples(count, 3, seed=2)
    value = penalty(GradientPenalty(), Judge(lambda x: a * (x**2).sum(1) / 2), real, fake)
    (by_a,) = torch.autograd.grad(value.mean(), [a])
    u = shares(count)
    length = (u * real + (1 - u) * fake).pow(2).sum(1).sqrt()
    close(by_a, (2 * (0.7 * length - 1) * length).mean(), atol=1e-10)


def test_gradient_penalty_of_a_network() -> None:
    """s(x) = v . tanh(Wx): its second-order gradients, against the slope written as a formula."""
    real, fake = samples(16, 3), samples(16, 3, seed=2)
    w, v = samples(5, 3, seed=4).requires_grad_(), samples(5, seed=5).requires_grad_()
    value = penalty(GradientPenalty(), Judge(lambda x: torch.tanh(x @ w.T) @ v), real, fake).mean()
    ours = torch.autograd.grad(value, [w, v])

    u = shares(16)
    between = u * real + (1 - u) * fake
    slope = (v * (1 - torch.tanh(between @ w.T) ** 2)) @ w
    expected = ((slope.pow(2).sum(1).sqrt() - 1) ** 2).mean()
    close(value, expected)
    for mine, theirs in zip(ours, torch.autograd.grad(expected, [w, v]), strict=True):
        close(mine, theirs, atol=1e-10)


def test_a_flat_critic_has_a_finite_gradient() -> None:
    """At slope 0 the norm has no derivative; the penalty is 1 and teaches nothing, not NaN."""
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    value = penalty(GradientPenalty(), Judge(lambda x: x @ w), samples(4, 3), samples(4, 3, seed=2))
    close(value, torch.ones(4, dtype=torch.float64))
    (by_w,) = torch.autograd.grad(value.mean(), [w])
    assert by_w.isfinite().all()


def test_penalties_leave_the_batch_alone() -> None:
    """Real samples are not made to require gradients behind the feed's back."""
    for term in (R1(), GradientPenalty()):
        real = samples(4, 3)
        penalty(term, Judge(lambda x: (x**2).sum(1)), real, samples(4, 3, seed=2))
        assert not real.requires_grad
        assert real.grad is None


def test_what_a_silent_recipe_gets() -> None:
    """Both weigh 10 in D's phase: lambda of WGAN-GP, gamma of Mescheder et al.'s R1."""
    for term in (R1, GradientPenalty):
        assert term.phase == "discriminator"
        assert (term.default_weight, term.default_every) == (10.0, 1)
    assert R1.differentiates == ("real",)
