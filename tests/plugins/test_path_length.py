"""StyleGAN2's path length regularisation against numpy, in float64."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from test_consistency import DIM, Maker, latents, numbers, round_of
from test_regularizers import COUNTERS, close, samples
from torch import Tensor, nn

from ganforge.api import PluginError
from ganforge_regularizers.path_length import PathLength

SHAPES = [(2, 4, 5), (6,)]


def lengths(a: np.ndarray, count: int, shrink: int, shape: tuple[int, ...], step: int):
    """|A u| of each used latent, with u = (1 - tanh^2(zA)) y / sqrt(HW); and what made it."""
    z = latents(count, "generator", step)[::shrink]
    y = numbers("normal", "path_length", count, *shape, phase="generator", step=step)[::shrink]
    y = y.reshape(len(z), -1) / np.sqrt(np.prod(shape[1:]))
    t = np.tanh(z @ a)
    v = ((1 - t**2) * y) @ a.T
    return np.sqrt((v**2).sum(1)), z, y, t, v


def slope_of(a: np.ndarray, mean: float, parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """The gradient of mean((l - mean)^2) by A, where the mean is a constant.

    dl/dA = (v/l) u^T + z ((v/l) A * du)^T, where du = -2 t (1 - t^2) y.
    """
    length, z, y, t, v = parts
    d = 1 - t**2
    n = v / length[:, None]
    cost = (2 * (length - mean) / len(length))[:, None]
    return (cost * n).T @ (d * y) + z.T @ (cost * (n @ a) * (-2 * t * d * y))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("count", "shrink"), [(1, 1), (1, 2), (64, 1), (64, 2), (7, 3)])
def test_against_the_formula(shape: tuple[int, ...], count: int, shrink: int) -> None:
    """Three plays: lengths, their moving average from 0, and the gradient by the weights."""
    maker, term, mean = Maker(shape), PathLength(decay=0.9, shrink=shrink), 0.0
    for step in range(3):
        real = samples(count, *shape)
        value = term(round_of({"generator": maker}, real, phase="generator", step=step)).mean()
        a = maker.a.detach().numpy()
        parts = lengths(a, count, shrink, shape, step)
        expected = torch.tensor(((parts[0] - mean) ** 2).mean(), dtype=torch.float64)
        close(value.detach(), expected, atol=1e-10)
        (by_a,) = torch.autograd.grad(value, [maker.a])
        close(by_a, torch.from_numpy(slope_of(a, mean, parts)), atol=1e-10)
        mean = 0.9 * mean + 0.1 * float(parts[0].mean())
        with torch.no_grad():  # so that the lengths of the next play are others
            maker.a -= 0.1 * by_a + 0.01


def test_an_isometry_costs_what_the_noise_does() -> None:
    """G(z) = Qz moves every sample as far as its latent: a length is |Q^T y|, wherever z is."""
    q = torch.linalg.qr(samples(4, DIM, seed=3)).Q.T

    class Isometry(nn.Module):
        def forward(self, latents: Tensor) -> Tensor:
            return latents @ q

    term, mean = PathLength(decay=0.0, shrink=1), 0.0
    for step in range(2):
        real = samples(64, 4)
        value = term(round_of({"generator": Isometry()}, real, phase="generator", step=step))
        y = numbers("normal", "path_length", 64, 4, phase="generator", step=step)
        moved = np.linalg.norm(y @ q.numpy().T, axis=1)
        close(value.detach(), torch.from_numpy((moved - mean) ** 2), atol=1e-10)
        mean = moved.mean()


@pytest.mark.parametrize("shrink", [1, 2, 3, 5])
def test_micro_batches_of_a_play_are_one_play(shrink: int) -> None:
    """Also where one of them is smaller than ``shrink``, and has no latent that is used."""
    maker, whole, cut = Maker(), PathLength(shrink=shrink), PathLength(shrink=shrink)
    real = samples(7, *maker.shape)
    made = {"generator": maker}
    for step in range(3):
        expected = whole(round_of(made, real, phase="generator", step=step))
        parts = [slice(0, 3), slice(3, 4), slice(4, 7)]
        found = [cut(round_of(made, real, phase="generator", where=p, step=step)) for p in parts]
        close(torch.cat(found).detach(), expected.detach())


def test_labels_go_with_the_latents_that_are_used() -> None:
    seen: list[tuple[int, list[int]]] = []

    class Labelled(Maker):
        def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
            seen.append((len(latents), labels.tolist()))
            return super().forward(latents)

    labels = torch.tensor([4, 1, 3, 0, 2])
    round = round_of(
        {"generator": Labelled()}, samples(5, 2, 5, 6), phase="generator", labels=labels
    )
    PathLength(shrink=2)(round)
    assert seen == [(3, [4, 3, 2])]


def test_it_goes_on_from_its_state() -> None:
    """Bit for bit, and what was handed out does not change afterwards."""
    maker, term = Maker(), PathLength()

    def played(term: PathLength, count: int) -> Tensor:
        real = samples(count, *maker.shape)
        return term(round_of({"generator": maker}, real, phase="generator", step=count)).detach()

    for count in (4, 6):
        played(term, count)
    state: dict[str, Any] = term.state_dict()
    kept = copy.deepcopy(state)
    again = PathLength()
    again.load_state_dict(state)
    for count in (8, 5):
        assert torch.equal(played(term, count), played(again, count))
    assert kept == state
    assert term.state_dict()["mean"]["value"] != kept["mean"]["value"]


def test_a_state_of_an_older_version_is_read() -> None:
    """It was the average alone."""
    maker, term = Maker(), PathLength(shrink=1)
    term.load_state_dict({"mean": torch.tensor(2.0)})
    value = term(round_of({"generator": maker}, samples(3, *maker.shape), phase="generator"))
    length = lengths(maker.a.detach().numpy(), 3, 1, maker.shape, COUNTERS[0])[0]
    close(value.detach(), torch.from_numpy((length - 2) ** 2), atol=1e-10)


def test_the_rounds_own_latents_stay_as_they_are() -> None:
    maker = Maker()
    round = round_of({"generator": maker}, samples(4, *maker.shape), phase="generator")
    PathLength()(round)
    assert not round.latent.requires_grad
    assert maker.a.grad is None


def test_a_generator_that_does_not_look_at_its_latents() -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = nn.Parameter(samples(1, 1, 4, 4))

        def forward(self, latents: Tensor) -> Tensor:
            return self.picture.expand(len(latents), 1, 4, 4)

    round = round_of({"generator": Deaf()}, samples(2, 1, 4, 4), phase="generator")
    with pytest.raises(PluginError, match="does not depend on its latents") as told:
        PathLength()(round)
    assert "another generator" in (told.value.hint or "")


def test_what_a_silent_recipe_gets() -> None:
    term = PathLength()
    assert term.phase == "generator"
    assert (term.default_weight, term.default_every) == (2.0, 4)
    assert (term.mean.decay, term.shrink) == (0.99, 2)
