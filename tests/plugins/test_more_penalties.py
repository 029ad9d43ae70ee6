"""R2, WGAN-LP, DRAGAN and LeCam against closed forms, in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from test_regularizers import COUNTERS, Judge, close, penalty, samples, shares
from torch import Tensor

from ganforge.engine.streams import Streams
from ganforge_regularizers.gradients import R1, R2, Dragan, GradientPenalty, LipschitzPenalty
from ganforge_regularizers.lecam import LeCam


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("shape", [(6,), (1, 2, 3)])
def test_r2_is_r1_at_the_fakes(shape: tuple[int, ...], count: int) -> None:
    """s(x) = ||x||^2 / 2 has the gradient x: ||g||^2 / 2, of generated samples only."""
    real, fake = samples(count, *shape), samples(count, *shape, seed=2)
    judge = Judge(lambda x: x.flatten(1).square().sum(1) / 2)
    close(penalty(R2(), judge, real, fake), fake.flatten(1).square().sum(1) / 2)
    close(penalty(R2(), judge, fake, real), penalty(R1(), judge, real, fake))


@pytest.mark.parametrize("count", [1, 64])
def test_r2_teaches_the_discriminator(count: int) -> None:
    """s(x) = a ||x||^2 / 2 costs a^2 ||x||^2 / 2, whose slope by a is a ||x||^2."""
    a = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    fake = samples(count, 3, seed=2)
    value = penalty(R2(), Judge(lambda x: a * x.square().sum(1) / 2), samples(count, 3), fake)
    (by_a,) = torch.autograd.grad(value.mean(), [a])
    close(by_a, (0.7 * fake.square().sum(1)).mean(), atol=1e-10)


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("norm", "expected"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.0), (0.0, 0.0)])
def test_lipschitz_penalty_of_a_linear_critic(norm: float, expected: float, count: int) -> None:
    """max(0, ||w|| - 1)^2: a critic that is flatter than 1 costs nothing."""
    w = norm * torch.tensor([0.6, -0.8], dtype=torch.float64)
    value = penalty(
        LipschitzPenalty(), Judge(lambda x: x @ w), samples(count, 2), samples(count, 2, seed=2)
    )
    close(value, torch.full((count,), expected, dtype=torch.float64))


@pytest.mark.parametrize("count", [1, 64])
def test_lipschitz_penalty_is_wgan_gps_where_the_critic_is_steep(count: int) -> None:
    """At the same points; s(x) = a ||x||^2 / 2 has the norm a ||x||."""
    a = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    judge = Judge(lambda x: a * x.square().sum(1) / 2)
    real, fake = samples(count, 3), samples(count, 3, seed=2)
    value = penalty(LipschitzPenalty(), judge, real, fake)
    u = shares(count)
    length = (u * real + (1 - u) * fake).square().sum(1).sqrt()
    excess = torch.clamp(2 * length - 1, min=0)
    close(value, excess**2, atol=1e-10)
    (by_a,) = torch.autograd.grad(value.mean(), [a])
    close(by_a, (2 * excess * length).mean(), atol=1e-10)
    both = penalty(GradientPenalty(), judge, real, fake)
    close(both[excess > 0], value[excess > 0])


@pytest.mark.parametrize("scale", [0.5, 2.0])
@pytest.mark.parametrize("count", [1, 64])
def test_dragan_looks_around_the_real_samples(count: int, scale: float) -> None:
    """x + u scale std v, as the authors' code has it; s(x) = a ||x||^2 / 2 has the norm a ||x||."""
    real, fake = samples(count, 3), 100 * samples(count, 3, seed=2)
    a = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    judge = Judge(lambda x: a * x.square().sum(1) / 2)
    value = penalty(Dragan(scale=scale), judge, real, fake)
    streams = Streams(0)
    u = torch.rand(count, 1, generator=streams.generator("dragan", *COUNTERS)).double()
    v = torch.rand(count, 3, generator=streams.generator("dragan_noise", *COUNTERS)).double()
    variance = (real - real.mean()).square().sum() / (real.numel() - 1)
    points = real + u * scale * variance.sqrt() * v
    close(judge.seen[-1], points)
    lengths = points.square().sum(1).sqrt()
    close(value, (1.3 * lengths - 1) ** 2, atol=1e-10)
    (by_a,) = torch.autograd.grad(value.mean(), [a])
    close(by_a, (2 * (1.3 * lengths - 1) * lengths).mean(), atol=1e-10)


def test_dragan_of_a_linear_critic_with_unit_gradient_is_nothing() -> None:
    w = torch.tensor([0.6, -0.8], dtype=torch.float64)
    value = penalty(Dragan(), Judge(lambda x: x @ w), samples(8, 2), samples(8, 2, seed=2))
    close(value, torch.zeros(8, dtype=torch.float64))


# LeCam.


def linear(w: Tensor) -> Judge:
    return Judge(lambda x: x @ w)


@pytest.mark.parametrize("count", [1, 64])
def test_lecam_pulls_scores_to_the_other_sides_average(count: int) -> None:
    """Values and gradients over four plays, the averages computed beside it."""
    w = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64, requires_grad=True)
    term, anchors = LeCam(decay=0.9), None
    for play in range(4):
        real, fake = samples(count, 3, seed=play), samples(count, 3, seed=10 + play)
        value = penalty(term, linear(w), real, fake, step=play)
        (by_w,) = torch.autograd.grad(value.mean(), [w])
        means = [float((x @ w).detach().mean()) for x in (real, fake)]
        if anchors is None:
            anchors = means
            close(value, torch.zeros(count, dtype=torch.float64))
            close(by_w, torch.zeros(3, dtype=torch.float64))
            continue
        close(value, (real @ w - anchors[1]) ** 2 + (fake @ w - anchors[0]) ** 2, atol=1e-10)
        expected = 2 * ((real @ w - anchors[1])[:, None] * real).mean(0)
        expected = expected + 2 * ((fake @ w - anchors[0])[:, None] * fake).mean(0)
        close(by_w, expected.detach(), atol=1e-10)
        anchors = [0.9 * old + 0.1 * new for old, new in zip(anchors, means, strict=True)]


def test_micro_batches_of_a_play_are_one_play_to_lecam() -> None:
    w = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    whole, cut = LeCam(decay=0.9), LeCam(decay=0.9)
    for play in range(3):
        real, fake = samples(8, 3, seed=play), samples(8, 3, seed=10 + play)
        expected = penalty(whole, linear(w), real, fake, step=play)
        parts = [slice(0, 3), slice(3, 8)]
        found = [penalty(cut, linear(w), real[p], fake[p], step=play) for p in parts]
        close(torch.cat(found), expected)


def test_lecam_goes_on_from_its_state() -> None:
    """Bit for bit, and nothing that was handed out changes afterwards."""
    w = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    plays = [(n, samples(4, 3, seed=n), samples(4, 3, seed=10 + n)) for n in range(4)]
    term = LeCam()
    for step, real, fake in plays[:2]:
        penalty(term, linear(w), real, fake, step=step)
    state: dict[str, Any] = term.state_dict()
    kept = copy.deepcopy(state)
    again = LeCam()
    again.load_state_dict(state)
    for step, real, fake in plays[2:]:
        value = penalty(term, linear(w), real, fake, step=step)
        assert value.abs().max() > 0
        assert torch.equal(value, penalty(again, linear(w), real, fake, step=step))
    assert kept == state


def test_a_state_of_an_older_version_is_read() -> None:
    """It was the averages alone."""
    term, w = LeCam(), torch.tensor([1.0, 0.0], dtype=torch.float64)
    term.load_state_dict({"real": torch.tensor(2.0), "fake": torch.tensor(-1.0)})
    x = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    close(penalty(term, linear(w), x, -x), torch.tensor([16.0 + 25.0], dtype=torch.float64))


def test_what_a_silent_recipe_gets() -> None:
    for term, weight in ((R2, 10.0), (LipschitzPenalty, 10.0), (Dragan, 10.0), (LeCam, 0.3)):
        assert term.phase == "discriminator"
        assert (term.default_weight, term.default_every) == (weight, 1)
    assert R2.differentiates == ("fake",)
