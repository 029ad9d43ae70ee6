"""Feature matching against numpy, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_consistency import Looker, Maker, latents, round_of
from test_regularizers import close, samples
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_regularizers.feature_matching import FeatureMatching

SHAPE = (2, 3, 4)
SIZE = 24


class Featured(nn.Module):
    """Two layers of features, given as ``form`` says."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.first = nn.Parameter(samples(SIZE, 5, seed=11) / 5)
        self.second = nn.Parameter(samples(5, 6, seed=12))

    def forward(self, images: Tensor) -> dict[str, Any]:
        low = torch.tanh(images.flatten(1) @ self.first)
        high = (low @ self.second).reshape(-1, 2, 3)
        features: dict[str, Any] = {"tensor": high, "list": [low, high], "tuple": (low, high)}
        return {"logits": high.sum((1, 2)), "features": features[self.form]}


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("form", ["tensor", "list", "tuple"])
def test_against_the_formula(form: str, count: int) -> None:
    """Value, and the gradient by the generator's A: through tanh, W, tanh and zA."""
    maker, judge = Maker(SHAPE), Featured(form)
    nets = {"generator": maker, "discriminator": judge.requires_grad_(False)}
    real = samples(count, *SHAPE)
    value = FeatureMatching()(round_of(nets, real, phase="generator"))

    a, w, u = (p.detach().numpy() for p in (maker.a, judge.first, judge.second))
    z = latents(count, "generator")
    fake = np.tanh(z @ a)
    low, low_real = np.tanh(fake @ w), np.tanh(real.numpy().reshape(count, -1) @ w)
    gap_low = low.mean(0) - low_real.mean(0)
    gap_high = gap_low @ u
    by_low = 2 * gap_high @ u.T / count
    expected = (gap_high**2).sum()
    if form != "tensor":
        expected += (gap_low**2).sum()
        by_low = by_low + 2 * gap_low / count
    by_fake = (by_low * (1 - low**2)) @ w.T
    close(value.detach(), torch.tensor(expected, dtype=torch.float64), atol=1e-10)
    (by_a,) = torch.autograd.grad(value, [maker.a])
    close(by_a, torch.from_numpy(z.T @ (by_fake * (1 - fake**2))), atol=1e-10)


def test_real_samples_teach_nothing() -> None:
    """A discriminator that is not frozen gets no gradient through the real samples' mean."""
    judge = Featured("tensor")
    nets = {"generator": Maker(SHAPE), "discriminator": judge}
    round = round_of(nets, samples(4, *SHAPE), phase="generator")
    (found,) = torch.autograd.grad(FeatureMatching()(round), [judge.second])
    real = judge(round.real)["features"].mean(0).detach()
    again = (real - judge(round.fake.detach())["features"].mean(0)).square().sum()
    (alone,) = torch.autograd.grad(again, [judge.second])
    close(found, alone)


def test_equal_samples_cost_nothing() -> None:
    class Given(nn.Module):
        def forward(self, latents: Tensor) -> Tensor:
            return samples(len(latents), *SHAPE).flip(0)  # another order has the same mean

    nets = {"generator": Given(), "discriminator": Featured("list")}
    value = FeatureMatching()(round_of(nets, samples(8, *SHAPE), phase="generator"))
    close(value.detach(), torch.zeros((), dtype=torch.float64))


class Odd(Looker):
    """Features that are none."""

    def __init__(self, features: Any) -> None:
        super().__init__(SIZE)
        self.features = features

    def forward(self, images: Tensor) -> Any:
        return {"logits": super().forward(images), "class_logits": images, **self.features}


@pytest.mark.parametrize(
    "judge",
    [Looker(SIZE), Odd({}), Odd({"features": []}), Odd({"features": None})],
    ids=["logits", "none", "empty", "null"],
)
def test_a_discriminator_without_features(judge: nn.Module) -> None:
    nets = {"generator": Maker(SHAPE), "discriminator": judge}
    with pytest.raises(UsageError, match=r"needs the discriminator's 'features'.*logits") as told:
        FeatureMatching()(round_of(nets, samples(2, *SHAPE), phase="generator"))
    assert "'features': ..." in (told.value.hint or "")


def test_what_a_silent_recipe_gets() -> None:
    term = FeatureMatching()
    assert term.phase == "generator"
    assert (term.default_weight, term.default_every) == (1.0, 1)
