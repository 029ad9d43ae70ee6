"""Latents with codes, truncated ones, and the ways between them, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganforge.engine.latent import Latent

MANY = 20_000


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_codes_nothing_has_changed() -> None:
    assert torch.equal(Latent(5).sample(7, stream()), torch.randn(7, 5, generator=stream()))


def test_codes_stand_behind_the_noise() -> None:
    latent = Latent(3, "normal", (4, 2), 2)
    assert latent.size == 3 + 4 + 2 + 2
    latents = latent.sample(MANY, stream())
    assert latents.shape == (MANY, 11)
    (four, two), rest = latent.codes(latents)
    assert torch.equal(torch.cat([latents[:, :3], four, two, rest], dim=1), latents)
    for code, values in ((four, 4), (two, 2)):
        assert torch.equal(code.sum(dim=1), torch.ones(MANY))
        assert set(code.unique().tolist()) == {0.0, 1.0}
        shares = code.mean(dim=0)  # each within five standard deviations of 1 / k
        assert (shares - 1 / values).abs().max() < 5 * math.sqrt(0.25 / MANY)
    assert rest.min() >= -1.0
    assert rest.max() < 1.0
    assert abs(rest.var().item() - 1 / 3) < 0.01
    joint = torch.corrcoef(torch.cat([four[:, :1], two[:, :1], rest, latents[:, :1]], dim=1).T)
    assert (joint - torch.eye(5)).abs().max() < 0.04


def test_truncation_is_the_conditional_distribution() -> None:
    """Mean 0; the variance of a standard normal cut at t is 1 - 2 t phi(t) / (2 Phi(t) - 1)."""
    limit = 0.7
    latents = Latent(4, "normal", (3,), 1).truncated(MANY, stream(), limit)
    noise = latents[:, :4]
    assert noise.abs().max() <= limit
    density = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi)
    inside = math.erf(limit / math.sqrt(2))
    assert noise.var().item() == pytest.approx(1 - 2 * limit * density / inside, rel=0.03)
    assert abs(noise.mean().item()) < 0.01
    wide = Latent(4).truncated(MANY, stream(), 8.0)
    assert wide.var().item() == pytest.approx(1.0, rel=0.03)
    assert torch.equal(latents[:, 4:7].sum(dim=1), torch.ones(MANY))  # codes are left alone
    assert latents[:, 7].abs().max() > 0.9


def test_uniform_noise_is_scaled() -> None:
    plain = Latent(4, "uniform").sample(9, stream())
    assert torch.equal(Latent(4, "uniform").truncated(9, stream(), 0.5), plain * 0.5)


def test_between_normal_latents_the_way_is_an_arc() -> None:
    """Shoemake 1985: sin((1-t) w) / sin w * a + sin(t w) / sin w * b."""
    latent = Latent(6, "normal", (3,), 1)
    first, second = latent.sample(5, stream(1)), latent.sample(5, stream(2))
    found = latent.between(first, second, 7)
    assert found.shape == (5, 7, 10)
    torch.testing.assert_close(found[:, 0], first)
    torch.testing.assert_close(found[:, -1], second)
    a, b = first.numpy().astype(np.float64), second.numpy().astype(np.float64)
    for row in range(5):
        p, q = a[row, :6], b[row, :6]
        angle = np.arccos(p @ q / np.linalg.norm(p) / np.linalg.norm(q))
        for step in range(7):
            t = step / 6
            arc = (np.sin((1 - t) * angle) * p + np.sin(t * angle) * q) / np.sin(angle)
            codes = (1 - t) * a[row, 6:] + t * b[row, 6:]
            expected = np.concatenate([arc, codes])
            assert found[row, step].numpy() == pytest.approx(expected, abs=1e-5)


def test_between_a_latent_and_itself_there_is_nothing_else() -> None:
    latent = Latent(6)
    one = latent.sample(3, stream())
    found = latent.between(one, one, 4)
    torch.testing.assert_close(found, one[:, None].expand(3, 4, 6))


def test_between_uniform_latents_the_way_is_straight() -> None:
    latent = Latent(2, "uniform")
    found = latent.between(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, -1.0]]), 3)
    assert found.tolist() == [[[0.0, 1.0], [0.5, 0.0], [1.0, -1.0]]]
