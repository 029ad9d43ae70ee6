"""BiGAN: its objective by hand, what each network is judged with, and what it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge.api import (
    AdversarialLoss,
    Batch,
    Dataset,
    Draw,
    Play,
    Show,
    Term,
    UsageError,
)
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge.options import read_signature
from ganforge.testing import examine
from ganforge_bigan.game import BiGAN
from ganforge_bigan.networks import BiGANDiscriminator, BiGANEncoder
from ganforge_losses.losses import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from ganforge_losses.relativistic import RelativisticAverage, RelativisticPairing
from ganforge_regularizers.gradients import R1, R2, GradientPenalty

CPU = torch.device("cpu")
LATENT = 3
SIZE = 4


class Generator(nn.Module):
    """Latents (N, 3) to samples (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(LATENT, SIZE)

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.map(latents.to(self.map.weight.dtype)).tanh()
        return samples


class Encoder(nn.Module):
    """Samples (N, 4) to latents."""

    def __init__(self, size: int = LATENT) -> None:
        super().__init__()
        self.map = nn.Linear(SIZE, size)

    def forward(self, samples: Tensor) -> Tensor:
        latents: Tensor = self.map(samples)
        return latents


class Pairs(nn.Module):
    """Samples and latents to logits; not linear in them."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(SIZE + LATENT, 5)
        self.score = nn.Linear(5, 1)

    def forward(self, samples: Tensor, latents: Tensor) -> Tensor:
        both = torch.cat([samples, latents.to(samples.dtype)], dim=1)
        logits: Tensor = self.score(self.map(both).tanh())
        return logits.flatten()


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": Generator(), "discriminator": Pairs(), "encoder": Encoder()}


def samples(count: int = 6) -> Tensor:
    return torch.randn(count, SIZE, generator=torch.Generator().manual_seed(1)).tanh()


def play(
    made: Mapping[str, nn.Module], phase: str, differentiates: frozenset[str] = frozenset()
) -> Play:
    learning = {"discriminator": {"discriminator"}, "generator": {"generator", "encoder"}}[phase]
    for name, network in made.items():
        network.requires_grad_(name in learning)
    real = samples().to(next(made["generator"].parameters()).dtype)
    return Play(
        phase=phase,
        networks=made,
        learning=frozenset(learning),
        differentiates=differentiates,
        batch=Batch(real),
        latent=Latent(LATENT),
        draw=Draw(Streams(0), (0, phase, 0), len(real), slice(0, len(real)), CPU),
    )


def objective(game: BiGAN, phase: str, played: Play) -> Tensor:
    (own,) = (each for each in game.phases() if each.name == phase)
    round = game.round(played)
    terms = [term.weight * term.function(round).mean() for term in own.terms]
    return torch.stack(terms).sum()


def pairs(made: Mapping[str, nn.Module], played: Play) -> tuple[Tensor, Tensor]:
    """D(x, E(x)) and D(G(z), z), computed here."""
    z = played.draw.latents(played.latent).to(played.batch.samples)
    x = played.batch.samples
    judge = made["discriminator"]
    return judge(x, made["encoder"](x)), judge(made["generator"](z), z)


def chance(logits: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logits))


@pytest.mark.parametrize("loss", [Minimax(), NonSaturating()], ids=lambda each: type(each).__name__)
def test_the_objectives_are_the_papers(loss: AdversarialLoss) -> None:
    """D: -log D(x, E(x)) - log(1 - D(G(z), z)); G and E: the same with the sides exchanged."""
    made = {name: network.double() for name, network in networks().items()}
    game = BiGAN(loss=loss, regularizers=())
    for phase in ("discriminator", "generator"):
        played = play(made, phase)
        real, fake = pairs(made, played)
        if phase == "generator":
            real, fake = fake, real
        expected = (-torch.log(chance(real)) - torch.log(1 - chance(fake))).mean()
        found = objective(game, phase, played)
        assert found.item() == pytest.approx(expected.item(), rel=1e-9)
        learning = [p for name in sorted(played.learning) for p in made[name].parameters()]
        ours = torch.autograd.grad(found, learning, retain_graph=True)
        theirs = torch.autograd.grad(expected, learning)
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, rtol=1e-8, atol=1e-14)
            assert one.abs().sum() > 0


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Hinge(), lambda s, t: (np.maximum(0, 1 + s) + np.maximum(0, 1 - t)).mean()),
        (LeastSquares(), lambda s, t: (s**2 / 2 + (t - 1) ** 2 / 2).mean()),
        (Wasserstein(), lambda s, t: (s - t).mean()),
        (RelativisticPairing(), lambda s, t: np.log1p(np.exp(s - t)).mean()),
        (
            RelativisticAverage(),
            lambda s, t: (
                np.log1p(np.exp(s.mean() - t)).mean() + np.log1p(np.exp(s - t.mean())).mean()
            ),
        ),
    ],
    ids=["hinge", "least_squares", "wasserstein", "pairing", "average"],
)
def test_other_losses_with_their_sides_exchanged(loss: AdversarialLoss, expected: Any) -> None:
    """s is the score of (x, E(x)) and t that of (G(z), z); G and E want t above s."""
    made = networks()
    played = play(made, "generator")
    real, fake = (each.detach().double().numpy() for each in pairs(made, played))
    found = objective(BiGAN(loss=loss, regularizers=()), "generator", played)
    assert found.item() == pytest.approx(expected(real, fake), rel=1e-5)


def test_what_learns_in_which_phase() -> None:
    game = BiGAN(loss=NonSaturating(), regularizers=(), d_steps=3)
    first, second = game.phases()
    assert (first.name, first.learns, first.repeats) == ("discriminator", ("discriminator",), 3)
    assert (second.name, set(second.learns)) == ("generator", {"generator", "encoder"})
    assert not second.draws_batch
    assert BiGAN.judge is None
    made = networks()
    for phase in ("discriminator", "generator"):
        for network in made.values():
            network.zero_grad()
        played = play(made, phase)
        objective(game, phase, played).backward()  # type: ignore[no-untyped-call]
        for name, network in made.items():
            has = [p.grad is not None for p in network.parameters()]
            assert all(has) == any(has) == (name in played.learning)


@pytest.mark.parametrize("joint", ["joint", "separate"])
def test_joint_batches_judge_the_same_pairs(joint: Any) -> None:
    made = networks()
    played = play(made, "discriminator")
    game = BiGAN(loss=NonSaturating(), regularizers=(), discriminator_batch=joint)
    calls: list[int] = []
    hook = made["discriminator"].register_forward_hook(lambda *call: calls.append(len(call[2])))
    round = game.round(played)
    scores = round.scores("real"), round.scores("fake")
    hook.remove()
    assert calls == ([12] if joint == "joint" else [6, 6])
    for found, expected in zip(scores, pairs(made, played), strict=True):
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert not round.code.requires_grad
    assert set(round.observe()) == {"belief_real", "belief_fake"}


@pytest.mark.parametrize("penalty", [R1(), R2()], ids=["r1", "r2"])
def test_r1_and_r2_differentiate_by_the_sample_alone(penalty: Any) -> None:
    made = networks()
    played = play(made, "discriminator", frozenset(penalty.differentiates))
    game = BiGAN(loss=NonSaturating(), regularizers=[Term("penalty", penalty)])
    found = penalty(game.round(played))
    z = played.draw.latents(played.latent)
    x = played.batch.samples
    where, beside = (x, made["encoder"](x)) if isinstance(penalty, R1) else (None, z)
    where = made["generator"](z).detach() if where is None else where
    for row in range(len(x)):
        point = where[row : row + 1].clone().requires_grad_()
        score = made["discriminator"](point, beside[row : row + 1].detach())
        (gradient,) = torch.autograd.grad(score.sum(), point)
        assert found[row].item() == pytest.approx(0.5 * gradient.square().sum().item(), rel=1e-4)


def test_penalties_at_other_places_are_refused() -> None:
    game = BiGAN(loss=Wasserstein(), regularizers=[Term("gp", GradientPenalty())])
    with pytest.raises(UsageError, match="judges samples with their latents") as caught:
        objective(game, "discriminator", play(networks(), "discriminator"))
    assert "gradient_penalty" in str(caught.value.hint)


def test_codes_that_are_no_latents_are_refused() -> None:
    made = {**networks(), "encoder": Encoder(2)}
    game = BiGAN(loss=NonSaturating(), regularizers=())
    with pytest.raises(UsageError, match=r"codes of shape \(2,\), but latents .* \(3,\)"):
        objective(game, "generator", play(made, "generator"))


# A trained one.


def trainer(game: BiGAN, made: Mapping[str, nn.Module], data: Tensor) -> Trainer:
    streams = Streams(0)
    rates = {"generator": 0.02, "discriminator": 0.1, "encoder": 0.02}
    return Trainer(
        game=game,
        networks=made,
        optimizers={
            name: torch.optim.Adam(network.parameters(), lr=rates[name], betas=(0.5, 0.9))
            for name, network in made.items()
        },
        feed=ResidentFeed(Dataset(samples=data), batch_size=256, streams=streams, device=CPU),
        latent=Latent(1),
        streams=streams,
        settings=Settings(total_steps=1000, batch_size=256),
        device=CPU,
    )


class Affine(nn.Module):
    """a * x + b, of numbers."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.shift = nn.Parameter(torch.tensor(0.0))

    def forward(self, values: Tensor) -> Tensor:
        return self.slope * values + self.shift


class PlanePairs(nn.Module):
    """Numbers and latents to logits, quadratic: enough to tell Gaussians from each other."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(5, 1)

    def forward(self, samples: Tensor, latents: Tensor) -> Tensor:
        x, z = samples, latents
        logits: Tensor = self.map(torch.cat([x, z, x * x, x * z, z * z], dim=1))
        return logits.flatten()


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_encoder_and_generator_become_inverse(slope: float) -> None:
    """x ~ N(1, 0.5^2): the optimum is G(z) = 1 +- z / 2, and E its inverse, +- 2 (x - 1)
    (theorems 1 and 2); D tells Gaussians of pairs apart by their second moments."""
    torch.manual_seed(0)
    data = 1.0 + 0.5 * torch.randn(4096, 1)
    made = {"generator": Affine(slope), "discriminator": PlanePairs(), "encoder": Affine(slope)}
    game = BiGAN(loss=NonSaturating(), regularizers=[Term("r1", R1(), 0.3)])
    playing = trainer(game, made, data)
    for _ in range(300):
        playing.step()
    found = [p.item() for name in ("generator", "encoder") for p in made[name].parameters()]
    assert found == pytest.approx([slope / 2, 1.0, slope * 2, -slope * 2], abs=0.2)


def test_micro_batches_change_nothing() -> None:
    found = []
    for portions in (1, 2):
        made = {name: network.double() for name, network in networks().items()}
        streams = Streams(0)
        playing = Trainer(
            game=BiGAN(loss=NonSaturating(), regularizers=()),
            networks=made,
            optimizers={n: torch.optim.SGD(w.parameters(), lr=0.1) for n, w in made.items()},
            feed=ResidentFeed(
                Dataset(samples=samples(16)), batch_size=8, streams=streams, device=CPU
            ),
            latent=Latent(LATENT),
            streams=streams,
            settings=Settings(total_steps=9, batch_size=8, micro_batches=portions),
            device=CPU,
        )
        for network in made.values():
            network.float()
        playing.step()
        playing.step()
        found.append([p.detach().clone() for n in made.values() for p in n.parameters()])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


# Pictures.


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(16, None, 4), (16, 4, 8), (10, 4, 4), (3, None, 2), (5, 1, 10)]
)
def test_reconstructions_stand_below_real_samples(
    count: int, columns: int | None, rows: int
) -> None:
    made = networks()
    real = samples(count)
    show = Show(
        networks=made,
        latent=Latent(LATENT),
        streams=Streams(0),
        device=CPU,
        examples=lambda wanted: Batch(real[:wanted]),
        num_classes=None,
        count=count,
        columns=columns,
    )
    found = BiGAN(loss=NonSaturating(), regularizers=()).pictures(show)
    assert set(found) == {"samples", "reconstructions"}
    panel = found["reconstructions"]
    assert panel.columns is not None
    table = panel.samples.reshape(-1, panel.columns, SIZE)
    assert len(table) == rows
    again = made["generator"](made["encoder"](real))
    shown = rows // 2 * panel.columns
    assert torch.equal(table[::2].reshape(-1, SIZE), real[:shown])
    assert torch.allclose(table[1::2].reshape(-1, SIZE), again[:shown], rtol=1e-5)


# Networks.


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)], ids=str)
def test_networks_take_images(shape: tuple[int, int, int], norm: Any) -> None:
    torch.manual_seed(0)
    encoder = BiGANEncoder(image_shape=shape, latent_dim=7, channels=4, norm=norm)
    judge = BiGANDiscriminator(image_shape=shape, latent_dim=7, channels=4, units=6, norm=norm)
    images = torch.randn(5, *shape)
    codes = encoder(images)
    assert codes.shape == (5, 7)
    assert judge(images, codes).shape == (5,)
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    base = 7 if shape[1] == 28 else 4
    assert len(norms) == (int(math.log2(shape[1] // base)) - 1 if norm == "batch" else 0)


def test_the_discriminator_is_written_again() -> None:
    """28x28 images: 4x14x14, 8x7x7, and 6 units of the latent beside them."""
    torch.manual_seed(0)
    judge = BiGANDiscriminator(
        image_shape=(1, 28, 28), latent_dim=7, channels=4, units=6, norm="none"
    ).double()
    images, latents = torch.randn(2, 1, 28, 28).double(), torch.randn(2, 7).double()
    features = judge.convolutions(images).detach().numpy()
    assert features.shape == (2, 8 * 7 * 7)

    def leaky(values: Any) -> Any:
        return np.where(values > 0, values, 0.2 * values)

    layers = [judge.latents[0], judge.both[0], judge.both[2]]
    (a, b), (c, d), (e, f) = [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())  # type: ignore[operator, union-attr]
        for layer in layers
    ]
    both = np.concatenate([features, leaky(latents.numpy() @ a.T + b)], axis=1)
    expected = leaky(both @ c.T + d) @ e.T + f
    np.testing.assert_allclose(judge(images, latents).detach().numpy(), expected[:, 0], rtol=1e-9)


@pytest.mark.parametrize("shape", [(1, 28, 32), (1, 4, 4), (2,)], ids=str)
def test_other_sizes_are_refused(shape: Any) -> None:
    with pytest.raises(UsageError, match="bigan's networks cannot work with"):
        BiGANEncoder(image_shape=shape, latent_dim=7)
    with pytest.raises(UsageError, match="bigan's networks cannot work with"):
        BiGANDiscriminator(image_shape=shape, latent_dim=7)


def test_the_framework_supplies_shapes_and_latents() -> None:
    wanted = {"image_shape", "latent_dim"}
    assert read_signature(BiGANEncoder, "encoder").injected == wanted
    assert read_signature(BiGANDiscriminator, "discriminator").injected == wanted
    game = read_signature(BiGAN, "game")
    assert game.injected == {"loss", "regularizers", "augmentations"}
    assert len(game.check({"d_steps": 0})[1]) == 1


def test_the_plugin_keeps_its_contract() -> None:
    """But for checks that give the discriminator no latents, without which it judges nothing, and
    for the encoder, which learns through them alone."""
    known = {
        ("discriminator bigan", "input-untouched"),
        ("discriminator bigan", "global-state"),
        ("game bigan", "step"),
    }
    failed = [each for each in examine("ganforge_bigan") if each.failed]
    assert [str(f) for f in failed if (f.component, f.check) not in known] == []
