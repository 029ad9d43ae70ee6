"""Instance noise: its numbers, and how they fade."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganforge.api import Draw
from ganforge.engine.streams import Streams
from ganforge_augmentations.instance_noise import InstanceNoise

STREAM = "augmentation/0/real"


def draws(step: int, total: int, where: slice | None = None) -> Draw:
    where = slice(0, total) if where is None else where
    return Draw(Streams(0), (step, "discriminator", 0), total, where, torch.device("cpu"))


def samples(count: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 4, 5)])
@pytest.mark.parametrize(
    ("step", "steps", "expected"),
    [(0, None, 0.3), (999, None, 0.3), (0, 10, 0.3), (1, 10, 0.27), (5, 10, 0.15), (9, 10, 0.03)],
)
def test_the_noise_of_a_step(
    shape: tuple[int, ...], step: int, steps: int | None, expected: float
) -> None:
    augment, given = InstanceNoise(std=0.3, steps=steps), samples(6, *shape)
    generator = Streams(0).generator(f"{STREAM}/noise", step, "discriminator", 0)
    noise = torch.randn(6, *shape, generator=generator).double()
    ours = augment(given, draws(step, 6), STREAM)
    torch.testing.assert_close(ours, given + expected * noise, rtol=0, atol=1e-12)
    assert float(augment.observe()["instance_noise_std"]) == pytest.approx(expected)


def test_it_is_gaussian_of_that_width() -> None:
    noise = InstanceNoise(std=0.5)(torch.zeros(200, 1, 28, 28), draws(0, 200), STREAM)
    assert float(noise.std()) == pytest.approx(0.5, rel=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)
    assert float((noise.abs() < 0.5).float().mean()) == pytest.approx(0.6827, abs=0.005)


@pytest.mark.parametrize("step", [10, 11, 5000])
def test_nothing_is_left_of_it(step: int) -> None:
    given = samples(4, 1, 3, 3)
    augment = InstanceNoise(std=0.3, steps=10)
    assert torch.equal(augment(given, draws(step, 4), STREAM), given)
    assert float(augment.observe()["instance_noise_std"]) == 0
    assert torch.equal(InstanceNoise(std=0.0)(given, draws(0, 4), STREAM), given)


def test_it_says_nothing_before_it_was_used() -> None:
    assert InstanceNoise().observe() == {}


def test_gradients_pass_through_unchanged() -> None:
    given = samples(3, 1, 2, 2).requires_grad_()
    (slope,) = torch.autograd.grad(InstanceNoise()(given, draws(0, 3), STREAM).sum(), given)
    assert torch.equal(slope, torch.ones_like(given))


def test_micro_batches_meet_the_same_noise() -> None:
    given, augment = samples(7, 1, 4, 4, dtype=torch.float32), InstanceNoise()
    whole = augment(given, draws(0, 7), STREAM)
    first = augment(given[:3], draws(0, 7, slice(0, 3)), STREAM)
    rest = augment(given[3:], draws(0, 7, slice(3, 7)), STREAM)
    assert torch.equal(torch.cat([first, rest]), whole)
    assert not torch.equal(augment(given, draws(1, 7), STREAM), whole)


def test_precision_stays() -> None:
    for dtype in (torch.float16, torch.float32, torch.float64):
        given = samples(2, 3, dtype=dtype)
        assert InstanceNoise()(given, draws(0, 2), STREAM).dtype == dtype
