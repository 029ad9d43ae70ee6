"""Optimistic Adam against the paper's formula in numpy, and in the game min over x, max over y: xy.

In it, with z = x + iy, a step of gradient descent and ascent at rate h is z' = (1 + ih) z, and an
optimistic one z'' = (1 + 2ih) z' - ih z. Both have closed forms.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ganforge.api import UsageError
from ganforge.engine.plain import check_plain
from ganforge_optimizers.optimistic import OptimisticAdam

Make = Callable[[nn.Parameter], torch.optim.Optimizer]

SHAPES = [(3,), (2, 4), (2, 1, 3)]
START = (0.6, -0.8)


def parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in SHAPES]


def give_gradients(params: list[nn.Parameter], number: int, *, skip: int | None = None) -> None:
    """Gradients of a step; the parameter ``skip`` has none."""
    generator = torch.Generator().manual_seed(number + 1)
    for index, param in enumerate(params):
        grad = torch.randn(param.shape, generator=generator, dtype=torch.float64) + 0.3
        param.grad = None if index == skip else grad.to(param.dtype)


class Formula:
    """Algorithm 1 for one weight, in numpy and line by line."""

    def __init__(self, weight: np.ndarray, beta1: float, beta2: float, eps: float) -> None:
        self.weight = weight.copy()
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.t = 0
        self.m = np.zeros_like(weight)
        self.v = np.zeros_like(weight)

    def direction(self) -> np.ndarray:
        if self.t == 0:
            return np.zeros_like(self.m)
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return m_hat / (np.sqrt(v_hat) + self.eps)

    def step(self, grad: np.ndarray, eta: float) -> None:
        before = self.direction()
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * grad
        self.v = self.beta2 * self.v + (1 - self.beta2) * grad**2
        self.weight = self.weight - 2 * eta * self.direction() + eta * before


@pytest.mark.parametrize("betas", [(0.0, 0.0), (0.5, 0.9), (0.9, 0.999)])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
def test_the_papers_formula(betas: tuple[float, float], eps: float) -> None:
    """Also where a weight has no gradient in a step, and where a schedule changes the rate."""
    params = parameters()
    optimizer = OptimisticAdam(params=params, lr=0.02, betas=betas, eps=eps)
    formulas = [Formula(p.detach().numpy(), *betas, eps) for p in params]
    for number in range(30):
        skip = 1 if number in (0, 4, 5) else None
        eta = 0.02 / (1 + number)
        optimizer.param_groups[0]["lr"] = eta
        give_gradients(params, number, skip=skip)
        optimizer.step()
        for index, (param, formula) in enumerate(zip(params, formulas, strict=True)):
            if index != skip:
                assert param.grad is not None
                formula.step(param.grad.numpy(), eta)
            np.testing.assert_allclose(param.detach().numpy(), formula.weight, rtol=1e-12)


def test_the_first_step_is_two_of_adams() -> None:
    ours, theirs = parameters(), parameters()
    give_gradients(ours, 0)
    give_gradients(theirs, 0)
    OptimisticAdam(params=ours, lr=0.01).step()
    torch.optim.Adam(theirs, 0.02).step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_saved_and_taken_up_it_goes_on_exactly(dtype: torch.dtype) -> None:
    whole = parameters(dtype)
    optimizer = OptimisticAdam(params=whole, lr=0.02)
    for number in range(4):
        give_gradients(whole, number, skip=2 if number < 2 else None)
        optimizer.step()
    state = optimizer.state_dict()
    check_plain(state)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    resumed = [nn.Parameter(p.detach().clone()) for p in whole]
    fresh = OptimisticAdam(params=resumed, lr=0.5)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for number in range(4, 9):
        for params, each in ((whole, optimizer), (resumed, fresh)):
            give_gradients(params, number)
            each.step()
    assert all(map(torch.equal, whole, resumed))


def test_it_steps_nothing_without_gradients() -> None:
    params = parameters()
    optimizer = OptimisticAdam(params=params)
    optimizer.step()
    assert all(map(torch.equal, params, parameters()))
    assert not optimizer.state


def test_what_it_does_not_know_is_told() -> None:
    with pytest.raises(UsageError, match="is complex"):
        OptimisticAdam(params=[nn.Parameter(torch.zeros(2, dtype=torch.complex64))])
    embedding = nn.Embedding(4, 2, sparse=True)
    optimizer = OptimisticAdam(params=list(embedding.parameters()))
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(UsageError, match="sparse"):
        optimizer.step()


def played(make: Make, steps: int) -> np.ndarray:
    """x + iy of each step; both players move at once, from the same point."""
    x, y = (nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in START)
    players = make(x), make(y)
    points = [complex(x.item(), y.item())]
    for _ in range(steps):
        x.grad, y.grad = y.detach().clone(), -x.detach()
        for player in players:
            player.step()
        points.append(complex(x.item(), y.item()))
    return np.array(points)


def descending(rate: float) -> Make:
    return lambda player: torch.optim.SGD([player], rate)


def nearly_optimistic_descent(rate: float) -> Make:
    """With an eps this large, the direction is the gradient over eps, to 12 digits."""
    return lambda player: OptimisticAdam(
        params=[player], lr=rate * 1e12, betas=(0.0, 0.0), eps=1e12
    )


def optimistic_closed_form(rate: float, steps: int) -> np.ndarray:
    """A p^n + B q^n, with p and q the roots of s^2 - (1 + 2ih) s + ih.

    The step before the first moved by nothing, as its direction is taken to be 0.
    """
    p, q = np.roots([1, -(1 + 2j * rate), 1j * rate])
    first = complex(*START)
    second = (1 + 2j * rate) * first
    a, b = np.linalg.solve(np.array([[1, 1], [p, q]]), np.array([first, second]))
    numbers = np.arange(steps + 1)
    closed: np.ndarray = a * p**numbers + b * q**numbers
    return closed


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.4])
def test_optimistic_descent_has_its_closed_form_and_arrives(rate: float) -> None:
    found = played(nearly_optimistic_descent(rate), 300)
    np.testing.assert_allclose(found, optimistic_closed_form(rate, 300), atol=1e-9)
    # The larger root has the size 1 - h^2 / 2, about.
    assert abs(found[-1]) < 1.1 * np.exp(-300 * rate**2 / 2)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.4])
def test_plain_descent_spirals_outward(rate: float) -> None:
    found = played(descending(rate), 300)
    closed = complex(*START) * (1 + 1j * rate) ** np.arange(301)
    np.testing.assert_allclose(found, closed, rtol=1e-9)
    assert abs(found[-1]) == pytest.approx((1 + rate**2) ** 150)


def test_the_first_steps_of_the_game_by_hand() -> None:
    """At rate 0.1 from (1, 0), the last two terms being 0.2i z and -0.1i times the z before.

    z1 = 1 + 0.2i; z2 = z1 + (-0.04 + 0.2i) - 0.1i; z3 = z2 + (-0.06 + 0.192i) - (-0.02 + 0.1i).
    """
    x, y = (nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in (1.0, 0.0))
    players = [nearly_optimistic_descent(0.1)(player) for player in (x, y)]
    for expected in ((1.0, 0.2), (0.96, 0.3), (0.92, 0.392)):
        x.grad, y.grad = y.detach().clone(), -x.detach()
        for each in players:
            each.step()
        assert (x.item(), y.item()) == pytest.approx(expected, abs=1e-10)


def test_it_arrives_where_adam_circles_away() -> None:
    """With Adam's own scaling of each player's gradient, and no momentum."""
    betas = (0.0, 0.999)
    ours = played(lambda player: OptimisticAdam(params=[player], lr=0.05, betas=betas), 1000)
    adams = played(lambda player: torch.optim.Adam([player], 0.05, betas), 1000)
    assert abs(ours[-1]) < 1e-3
    assert abs(adams[-1]) > 1.5
