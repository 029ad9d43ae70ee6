"""Looking ahead: closed forms, finite differences, a second implementation, and what stays put."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Batch,
    Dataset,
    Draw,
    Game,
    Play,
    Term,
    UsageError,
)
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.freezing import Freezer
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge.options import read_signature
from ganforge.testing import examine
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import LeastSquares, Minimax, NonSaturating, Wasserstein
from ganforge_regularizers.gradients import R1
from ganforge_unrolled.game import Unrolled
from ganforge_unrolled.networks import UnrolledRingDiscriminator, UnrolledRingGenerator
from ganforge_unrolled.optimizers import Adam

CPU = torch.device("cpu")
RATE = 0.07


class Shift(nn.Module):
    """G(z) = z + theta, of numbers."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def forward(self, latents: Tensor) -> Tensor:
        return latents.double() + self.theta


class Slope(nn.Module):
    """D(x) = d * x, of numbers."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))

    def forward(self, samples: Tensor) -> Tensor:
        return (self.slope * samples).flatten()


def play(
    networks: Mapping[str, nn.Module],
    real: Tensor,
    *,
    phase: str = "generator",
    latent: int = 1,
    labels: Tensor | None = None,
    total: int | None = None,
    differentiates: frozenset[str] = frozenset(),
) -> Play:
    Freezer(networks).learn([phase])
    count = total or len(real)
    return Play(
        phase=phase,
        networks=networks,
        learning=frozenset({phase}),
        differentiates=differentiates,
        batch=Batch(real, labels),
        latent=Latent(latent),
        draw=Draw(Streams(0), (0, phase, 0), count, slice(0, len(real)), CPU),
    )


def game(loss: AdversarialLoss, steps: int, **options: Any) -> Unrolled:
    defaults: dict[str, Any] = {"look_ahead_lr": RATE, "objective": "loss"}
    return Unrolled(loss=loss, regularizers=(), look_ahead=steps, **{**defaults, **options})


def generator_gradient(playing: Unrolled, played: Play, parameter: nn.Parameter) -> Tensor:
    """The gradient of the generator phase's objective by a parameter."""
    (term,) = playing.phases()[1].terms
    objective = term.function(playing.round(played)).mean()
    (gradient,) = torch.autograd.grad(objective, parameter)
    return gradient


# Closed forms.


@pytest.mark.parametrize("steps", [0, 1, 3, 8])
def test_a_bilinear_game_in_closed_form(steps: int) -> None:
    """L_D = d (g - x): d_K = d - K lr (g - x). L_G = -d_K g, so dL_G/dtheta = -d_K + K lr g."""
    networks = {"generator": Shift(0.3), "discriminator": Slope(-0.4)}
    real = torch.tensor([[1.0], [2.5], [0.5]], dtype=torch.float64)
    played = play(networks, real)
    fake = played.draw.latents(played.latent).double().mean().item() + 0.3
    ahead = -0.4 - steps * RATE * (fake - real.mean().item())
    found = generator_gradient(game(Wasserstein(), steps), played, networks["generator"].theta)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(-ahead + steps * RATE * fake, rel=1e-9)


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_the_saddle_of_a_bilinear_game(steps: int) -> None:
    """-L_D at d_K is -d_K (g - x), and its derivative -d_K + K lr (g - x)."""
    networks = {"generator": Shift(0.3), "discriminator": Slope(-0.4)}
    real = torch.tensor([[1.0], [2.5], [0.5]], dtype=torch.float64)
    played = play(networks, real)
    apart = played.draw.latents(played.latent).double().mean().item() + 0.3 - real.mean().item()
    playing = game(Wasserstein(), steps, objective="saddle")
    found = generator_gradient(playing, played, networks["generator"].theta)  # type: ignore[arg-type]
    ahead = -0.4 - steps * RATE * apart
    assert found.item() == pytest.approx(-ahead + steps * RATE * apart, rel=1e-9)


@pytest.mark.parametrize("steps", [0, 1, 2, 6])
def test_a_quadratic_game_in_closed_form(steps: int) -> None:
    """Least squares: L_D = ((d x - 1)^2 + d^2 g^2) / 2 of one sample, so a step is
    d' = (1 - lr (x^2 + g^2)) d + lr x, a contraction to d* = x / (x^2 + g^2). Hence
    d_K = d* + c^K (d - d*) with c = 1 - lr (x^2 + g^2), and L_G = (d_K g - 1)^2 / 2."""
    networks = {"generator": Shift(0.3), "discriminator": Slope(-0.4)}
    x, d = 1.5, -0.4
    played = play(networks, torch.tensor([[x]], dtype=torch.float64))
    g = played.draw.latents(played.latent).item() + 0.3
    c, best = 1 - RATE * (x**2 + g**2), x / (x**2 + g**2)
    ahead = best + c**steps * (d - best)
    c_slope, best_slope = -2 * RATE * g, -2 * x * g / (x**2 + g**2) ** 2
    slope = best_slope * (1 - c**steps)
    if steps:
        slope += steps * c ** (steps - 1) * c_slope * (d - best)
    expected = (ahead * g - 1) * (ahead + slope * g)
    found = generator_gradient(game(LeastSquares(), steps), played, networks["generator"].theta)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(expected, rel=1e-9)


# A second implementation, and differences.


class TinyGenerator(nn.Module):
    """Latents to points, smooth."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.second(self.first(latents.double()).tanh())
        return samples


class TinyDiscriminator(nn.Module):
    """Points to logits, smooth."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 5)
        self.second = nn.Linear(5, 1)

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.second(self.first(samples).tanh())
        return logits.flatten()


def tiny() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": TinyGenerator().double(), "discriminator": TinyDiscriminator().double()}


def points(count: int = 6, *, seed: int = 5) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value(playing: Unrolled, played: Play) -> Tensor:
    (term,) = playing.phases()[1].terms
    objective: Tensor = term.function(playing.round(played)).mean()
    return objective


def cross_entropy(logits: Tensor, real: bool) -> Tensor:
    return -torch.log(torch.sigmoid(logits if real else -logits)).mean()


def by_hand(
    networks: Mapping[str, nn.Module], real: Tensor, latents: Tensor, steps: int, objective: str
) -> Tensor:
    """The look ahead written again: matrices, and gradient descent on them."""
    weights = list(networks["generator"].parameters())
    fake = torch.tanh(latents.double() @ weights[0].T + weights[1]) @ weights[2].T + weights[3]
    judge = [p.detach().clone().requires_grad_() for p in networks["discriminator"].parameters()]

    def logits(samples: Tensor) -> Tensor:
        return (torch.tanh(samples @ judge[0].T + judge[1]) @ judge[2].T + judge[3]).squeeze(1)

    for _ in range(steps):
        loss = cross_entropy(logits(real), True) + cross_entropy(logits(fake), False)
        gradients = torch.autograd.grad(loss, judge, create_graph=True)
        judge = [p - RATE * g for p, g in zip(judge, gradients, strict=True)]
    if objective == "saddle":
        return -cross_entropy(logits(real), True) - cross_entropy(logits(fake), False)
    return cross_entropy(logits(fake), True)


@pytest.mark.parametrize("objective", ["loss", "saddle"])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_it_is_the_look_ahead_written_by_hand(steps: int, objective: str) -> None:
    networks, real = tiny(), points()
    played = play(networks, real, latent=3)
    wanted = by_hand(networks, real, played.draw.latents(played.latent), steps, objective)
    found = value(game(NonSaturating(), steps, objective=objective), played)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)
    weights = list(networks["generator"].parameters())
    ours, theirs = torch.autograd.grad(found, weights), torch.autograd.grad(wanted, weights)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-14)
    plain = by_hand(networks, real, played.draw.latents(played.latent), 0, objective)
    without = torch.autograd.grad(plain, weights)
    assert not torch.allclose(ours[0], without[0], rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("steps", [1, 3])
def test_gradients_agree_with_finite_differences(steps: int, optimizer: str) -> None:
    """The gradient goes through every step: central differences of the objective, float64."""
    networks, real = tiny(), points()
    played = play(networks, real, latent=3)
    settled = game(Minimax(), 1, look_ahead_optimizer=optimizer, objective="saddle")
    for _ in range(3 if optimizer == "adam" else 0):  # so that there are moments
        value(settled, played)
    state = settled.state_dict()

    def objective() -> Tensor:
        playing = game(Minimax(), steps, look_ahead_optimizer=optimizer, objective="saddle")
        playing.load_state_dict(copy.deepcopy(state))
        return value(playing, played)

    weight: Tensor = networks["generator"].first.weight  # type: ignore[assignment, union-attr]
    (gradient,) = torch.autograd.grad(objective(), weight)
    for row, column in ((0, 0), (1, 2), (3, 1)):
        sides = []
        for change in (1e-6, -1e-6):
            with torch.no_grad():
                weight[row, column] += change
            sides.append(objective().item())
            with torch.no_grad():
                weight[row, column] -= change
        expected = (sides[0] - sides[1]) / 2e-6
        assert gradient[row, column].item() == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("steps", [1, 4])
def test_adam_ahead_takes_the_steps_of_torchs_adam(steps: int) -> None:
    networks, real = tiny(), points()
    played = play(networks, real, latent=3)
    playing = game(NonSaturating(), steps, look_ahead_optimizer="adam", look_ahead_betas=(0.5, 0.9))
    playing.optimizer.eps = 1e-13  # type: ignore[union-attr]  # it is placed otherwise in torch
    ahead = playing.round(played).ahead
    judge = copy.deepcopy(networks["discriminator"]).requires_grad_()
    fake = networks["generator"](played.draw.latents(played.latent)).detach()
    optimizer = torch.optim.Adam(judge.parameters(), lr=RATE, betas=(0.5, 0.9), eps=1e-13)
    for _ in range(steps):
        optimizer.zero_grad()
        (cross_entropy(judge(real), True) + cross_entropy(judge(fake), False)).backward()
        optimizer.step()
    assert torch.allclose(ahead(real), judge(real), rtol=1e-8)
    assert not torch.allclose(ahead(real), networks["discriminator"](real), rtol=1e-3)


def test_the_moments_of_adam_last_from_play_to_play() -> None:
    """After n plays they are those of n gradients at the same place: (1 - beta^n) g."""
    networks, real = tiny(), points()
    played = play(networks, real, latent=3)
    playing = game(NonSaturating(), 2, look_ahead_optimizer="adam", look_ahead_betas=(0.5, 0.9))
    optimizer = playing.optimizer
    assert isinstance(optimizer, Adam)
    value(playing, played)
    once = copy.deepcopy(optimizer.state_dict())
    value(playing, played)
    value(playing, played)
    thrice = optimizer.state_dict()
    assert (once["count"], thrice["count"]) == (1, 3)
    for name, first in once["first"].items():
        assert torch.allclose(thrice["first"][name], first / 0.5 * (1 - 0.5**3), rtol=1e-9)
        second = once["second"][name]
        assert torch.allclose(thrice["second"][name], second / 0.1 * (1 - 0.9**3), rtol=1e-9)
    assert not any(t.requires_grad for t in thrice["first"].values())


def test_units_that_are_idle_have_a_finite_gradient_under_adam() -> None:
    """A weight without a gradient has a second moment of 0, whose root has no derivative."""
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        judge[0].bias.sub_(100.0)  # type: ignore[operator, union-attr]
    networks = {**tiny(), "discriminator": judge}
    playing = game(NonSaturating(), 3, look_ahead_optimizer="adam", objective="saddle")
    played = play(networks, points(), latent=3)
    weights = list(networks["generator"].parameters())
    found = torch.autograd.grad(value(playing, played), weights, materialize_grads=True)
    assert all(g.isfinite().all() for g in found)


# What stays put, and what is passed on.


def trainer(playing: Game, networks: Mapping[str, nn.Module], **settings: Any) -> Trainer:
    streams = Streams(0)
    data = Dataset(samples=points(40).float())
    return Trainer(
        game=playing,
        networks=networks,
        optimizers={n: torch.optim.Adam(w.parameters(), lr=1e-2) for n, w in networks.items()},
        feed=ResidentFeed(data, batch_size=8, streams=streams, device=CPU),
        latent=Latent(3),
        streams=streams,
        settings=Settings(total_steps=100, batch_size=8, **settings),
        device=CPU,
    )


class Busy(nn.Module):
    """A discriminator with batch norm, spectral norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Linear(2, 6)),
            nn.BatchNorm1d(6),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.2),
            nn.Linear(6, 1),
        )

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.body(samples)
        return logits.flatten()


class Points(nn.Module):
    """A generator in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.body(latents)
        return samples


def busy() -> dict[str, nn.Module]:
    torch.manual_seed(3)
    return {"generator": Points(), "discriminator": Busy()}


@pytest.mark.parametrize("batch", ["joint", "separate"])
@pytest.mark.parametrize("objective", ["loss", "saddle"])
def test_without_a_look_ahead_it_is_two_player(objective: str, batch: str) -> None:
    """Every weight, buffer and moment, bit for bit, and every value that is recorded."""
    common: dict[str, Any] = {
        "loss": NonSaturating(),
        "regularizers": [Term("r1", R1(), 0.5, 2)],
        "d_steps": 2,
        "discriminator_batch": batch,
    }
    first = trainer(TwoPlayer(**common), busy())
    second = trainer(Unrolled(**common, look_ahead=0, objective=objective), busy())  # type: ignore[arg-type]
    third = trainer(Unrolled(**common, look_ahead=1, objective=objective), busy())  # type: ignore[arg-type]
    for _ in range(5):
        wanted, found, _ = first.step(), second.step(), third.step()
        assert {k: v.item() for k, v in wanted.items()} == {k: v.item() for k, v in found.items()}
    for name in ("generator", "discriminator"):
        states = [each.networks[name].state_dict() for each in (first, second, third)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("steps", [1, 3])
def test_looking_ahead_changes_nothing_of_the_discriminator(steps: int, optimizer: str) -> None:
    networks = busy()
    judge = networks["discriminator"]
    before = {name: tensor.clone() for name, tensor in judge.state_dict().items()}
    playing = game(NonSaturating(), steps, look_ahead_optimizer=optimizer, objective="saddle")
    played = play(networks, points().float(), latent=3)
    value(playing, played).backward()  # type: ignore[no-untyped-call]
    after = judge.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert all(p.grad is None for p in judge.parameters())
    assert all(p.grad is not None for p in networks["generator"].parameters())


def test_the_discriminators_own_phase_is_the_usual_one() -> None:
    networks = tiny()
    played = play(networks, points(), phase="discriminator", latent=3)
    ours = game(NonSaturating(), 5).round(played)
    plain = AdversarialRound(played)
    assert ours.network("discriminator") is networks["discriminator"]
    loss = NonSaturating()
    assert torch.equal(loss.discriminator(ours), loss.discriminator(plain))


class Asking(TinyDiscriminator):
    """A discriminator that takes labels."""

    def forward(self, samples: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(samples) * (1.0 + labels)


def test_a_discriminator_ahead_gets_what_it_asks_for() -> None:
    torch.manual_seed(0)
    networks = {**tiny(), "discriminator": Asking().double()}
    labels = torch.arange(6)
    round = game(NonSaturating(), 2).round(play(networks, points(), latent=3, labels=labels))
    assert round.scores("fake").shape == (6,)
    direct = round.ahead(round.fake, labels=labels)
    assert torch.equal(round.scores("fake"), direct)
    assert torch.equal(round.judge(round.real)["logits"], round.ahead(round.real, labels=labels))


class Counting(Augmentation):
    """Moves samples by noise, and remembers which."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Tensor]] = {}
        self.told = 0

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        noise = draw.normal(stream, 2).to(samples)
        self.seen.setdefault(stream, []).append(noise)
        return samples + noise

    def judged(self, side: Any, logits: Tensor, round: AdversarialRound) -> None:
        self.told += 1


def test_every_step_ahead_sees_the_same_noise() -> None:
    noise = Counting()
    playing = game(NonSaturating(), 3, augmentations=[noise], objective="saddle")
    value(playing, play(tiny(), points(), latent=3))
    assert {name.rpartition("/")[2]: len(found) for name, found in noise.seen.items()} == {
        "real": 4,
        "fake": 4,
    }
    assert all(torch.equal(found[0], each) for found in noise.seen.values() for each in found)
    assert noise.told == 0


def test_every_step_ahead_sees_the_same_fakes() -> None:
    """The generator makes them once, so its dropout is the same in all steps."""
    networks = tiny()
    calls: list[int] = []
    networks["generator"].register_forward_hook(lambda *call: calls.append(1))
    value(game(NonSaturating(), 3), play(networks, points(), latent=3))
    assert len(calls) == 1


def test_parts_of_a_batch_are_refused() -> None:
    playing = game(NonSaturating(), 2)
    with pytest.raises(UsageError, match="looks ahead on whole batches") as caught:
        playing.round(play(tiny(), points(), latent=3, total=12))
    assert "micro_batches: 1" in str(caught.value.hint)
    game(NonSaturating(), 0).round(play(tiny(), points(), latent=3, total=12))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_resumed_run_goes_on_bit_for_bit(optimizer: str) -> None:
    def made() -> Trainer:
        playing = game(NonSaturating(), 2, look_ahead_optimizer=optimizer, objective="saddle")
        return trainer(playing, busy())

    straight, first, second = made(), made(), made()
    for _ in range(6):
        straight.step()
    for _ in range(3):
        first.step()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for _ in range(3):
        second.step()
    for name, network in straight.networks.items():
        state = second.networks[name].state_dict()
        assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())


def test_a_play_that_fails_takes_its_moments_back() -> None:
    def fails(round: Any) -> Tensor:
        value = round.scores("fake")
        if round.play.step == 2 and round.learns("generator"):
            raise RuntimeError("broken")
        return value

    fails.phase = "generator"  # type: ignore[attr-defined]
    playing = Unrolled(
        loss=NonSaturating(),
        regularizers=[Term("bad", fails)],
        look_ahead=2,
        look_ahead_optimizer="adam",
    )
    running = trainer(playing, busy())
    running.step()
    running.step()
    before = copy.deepcopy(playing.state_dict())
    with pytest.raises(RuntimeError, match="broken"):
        running.step()
    after = playing.state_dict()["look_ahead"]
    assert after["count"] == before["look_ahead"]["count"] == 2
    for name, tensor in before["look_ahead"]["second"].items():
        assert torch.equal(tensor, after["second"][name])


# Networks and options.


def test_the_rings_networks_by_hand() -> None:
    torch.manual_seed(0)
    made = UnrolledRingGenerator(image_shape=(2,), latent_dim=256).double()
    judge = UnrolledRingDiscriminator(image_shape=(2,)).double()
    assert sum(p.numel() for p in made.parameters()) == 257 * 128 + 129 * 128 + 129 * 2
    assert sum(p.numel() for p in judge.parameters()) == 3 * 128 + 129
    latents = torch.randn(3, 256, generator=torch.Generator().manual_seed(1)).double()
    values = latents.numpy()
    weights = [p.detach().numpy() for p in made.parameters()]
    for w, b in ((weights[0], weights[1]), (weights[2], weights[3])):
        values = np.maximum(values @ w.T + b, 0.0)
    samples = values @ weights[4].T + weights[5]
    np.testing.assert_allclose(made(latents).detach().numpy(), samples, rtol=1e-9)
    weights = [p.detach().numpy() for p in judge.parameters()]
    values = np.maximum(samples / 2 @ weights[0].T + weights[1], 0.0)
    expected = (values @ weights[2].T + weights[3])[:, 0]
    np.testing.assert_allclose(judge(made(latents)).detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("gain", [0.8, 1.4])
def test_weights_start_orthogonal(gain: float) -> None:
    torch.manual_seed(0)
    made = UnrolledRingGenerator(image_shape=(2,), latent_dim=256, gain=gain)
    for layer in made.layers:
        if isinstance(layer, nn.Linear):
            product = layer.weight @ layer.weight.T
            assert torch.allclose(product, gain**2 * torch.eye(len(product)), atol=1e-4)
            assert not layer.bias.any()


def test_images_end_in_their_range() -> None:
    made = UnrolledRingGenerator(image_shape=(1, 4, 4), latent_dim=3, gain=50.0)
    images = made(torch.randn(5, 3))
    assert images.shape == (5, 1, 4, 4)
    assert images.abs().max() <= 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"look_ahead": -1},
        {"look_ahead_lr": 0},
        {"look_ahead_optimizer": "rmsprop"},
        {"look_ahead_betas": [0.9]},
        {"look_ahead_betas": [0.9, 1.0]},
        {"objective": "zero_sum"},
    ],
    ids=str,
)
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    assert len(read_signature(Unrolled, "game").check(options)[1]) == 1


def test_the_plugin_keeps_its_contract() -> None:
    found = examine("ganforge_unrolled")
    assert [str(finding) for finding in found if finding.failed] == []
    assert {"unrolled", "unrolled_ring"} <= {f.component.split()[-1] for f in found}
