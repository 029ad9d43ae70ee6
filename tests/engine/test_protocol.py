"""The trainer plays what the papers say: each test has its loop written out by hand beside it.

The loops below use torch only. They start from the same weights, deal the same batches and draw the
same numbers, as `Streams` and `Draw` document them; everything between is written a second time.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import ModuleType
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganforge import Register, hookimpl
from ganforge.api import AdversarialLoss, AdversarialRound, Game, Phase, Play, Round, Term
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry
from ganforge_dcgan.models import DCGANDiscriminator, DCGANGenerator
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating, Wasserstein
from ganforge_optimizers.optimizers import adam, sgd
from ganforge_regularizers.gradients import R1, GradientPenalty

MakeTrainer = Callable[..., Trainer]
History = list[dict[str, float]]

SEED = 5
STEPS = 10
BATCH = 8
LATENT = 3


# The same start, batches and numbers for the trainer and for the loop beside it.


def points(count: int = 43) -> Tensor:
    """Points on the plane; 43 make 5 batches of 8 and a rest that is dropped."""
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(1)) + 1.0


def images(count: int = 43) -> Tensor:
    """uint8 noise images (N, 1, 8, 8)."""
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)


def point_generator() -> nn.Module:
    return nn.Sequential(nn.Linear(LATENT, 16), nn.Tanh(), nn.Linear(16, 2))


def point_discriminator() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))


def point_networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": point_generator(), "discriminator": point_discriminator()}


def deal(samples: Tensor) -> Iterator[Tensor]:
    """Batches without end: a fresh seeded permutation an epoch, its partial last batch dropped."""
    for epoch in itertools.count():
        generator = Streams(SEED).generator("data_order", epoch)
        order = torch.randperm(len(samples), generator=generator)
        for start in range(0, len(samples) - BATCH + 1, BATCH):
            yield samples[order[start : start + BATCH]]


def noise(step: int, phase: str, repeat: int = 0, stream: str = "latent") -> Tensor:
    return torch.randn(
        BATCH, LATENT, generator=Streams(SEED).generator(stream, step, phase, repeat)
    )


def learn(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def play(trainer: Trainer, steps: int = STEPS) -> History:
    """The loss of every phase at every step of the trainer."""
    history: History = []
    for _ in range(steps):
        values = trainer.step()
        history.append(
            {name: v.item() for name, v in values.items() if name.endswith(("/loss", "/r1"))}
        )
    return history


def assert_same_run(trainer: Trainer, played: History, mine: dict[str, nn.Module], losses: History):
    """Every loss of every step, and every parameter after the last, to 1e-6."""
    assert len(played) == len(losses)
    for step, (theirs, ours) in enumerate(zip(played, losses, strict=True)):
        assert theirs == pytest.approx(ours, rel=1e-6, abs=1e-6), f"step {step}"
    for name, network in mine.items():
        theirs = dict(trainer.networks[name].named_parameters())
        for key, parameter in network.named_parameters():
            torch.testing.assert_close(
                theirs[key],
                parameter,
                rtol=0,
                atol=1e-6,
                msg=lambda m, n=name, k=key: f"{n} {k}: {m}",
            )


def test_wgan_gp_with_five_discriminator_steps(make_trainer: MakeTrainer) -> None:
    """Gulrajani et al. 2017, algorithm 1: five critic steps with fresh batches, then one for G."""
    networks = point_networks()
    mine = copy.deepcopy(networks)
    start = copy.deepcopy(networks)
    penalty = Term("gradient_penalty", GradientPenalty(), weight=10.0)
    trainer = make_trainer(
        TwoPlayer(loss=Wasserstein(), regularizers=[penalty], d_steps=5),
        networks,
        points(),
        optimizers={
            name: adam(params=list(network.parameters()), lr=1e-3, betas=(0.0, 0.9))
            for name, network in networks.items()
        },
        seed=SEED,
    )

    played = play(trainer)

    assert_same_run(trainer, played, mine, wgan_gp_by_hand(mine, points()))
    moved = networks["generator"][0].weight - start["generator"][0].weight
    assert moved.abs().max() > 1e-3


def wgan_gp_by_hand(networks: dict[str, nn.Module], samples: Tensor) -> History:
    generator, critic = networks["generator"], networks["discriminator"]
    for_generator = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    for_critic = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))
    batches = deal(samples)
    history: History = []
    for step in range(STEPS):
        critic_losses = []
        for repeat in range(5):
            real = next(batches)
            with torch.no_grad():
                fake = generator(noise(step, "discriminator", repeat))
            numbers = Streams(SEED).generator("gradient_penalty", step, "discriminator", repeat)
            epsilon = torch.rand(BATCH, 1, generator=numbers)
            between = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = (slope.pow(2).sum(dim=1).sqrt() - 1).pow(2).mean()
            loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
            critic_losses.append(learn(for_critic, loss))
        loss = -critic(generator(noise(step, "generator"))).mean()
        history.append(
            {
                "discriminator/loss": sum(critic_losses) / 5,
                "generator/loss": learn(for_generator, loss),
            }
        )
    return history


def test_non_saturating_with_lazy_r1(make_trainer: MakeTrainer) -> None:
    """Goodfellow 2014 with Mescheder's R1 in every 4th step, then four times as strong."""
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {
        "generator": DCGANGenerator(image_shape=(1, 8, 8), latent_dim=LATENT, channels=4),
        "discriminator": DCGANDiscriminator(image_shape=(1, 8, 8), channels=4, norm="none"),
    }
    for parameter in networks["discriminator"].parameters():
        parameter.data.mul_(10.0)  # DCGAN starts so flat that R1 would hardly be felt
    mine = copy.deepcopy(networks)
    trainer = make_trainer(
        TwoPlayer(loss=NonSaturating(), regularizers=[Term("r1", R1(), weight=0.5, every=4)]),
        networks,
        images(),
        optimizers={
            "generator": adam(params=list(networks["generator"].parameters()), lr=1e-3),
            "discriminator": sgd(
                params=list(networks["discriminator"].parameters()), lr=1e-2, momentum=0.5
            ),
        },
        seed=SEED,
    )

    played = play(trainer)

    assert_same_run(trainer, played, mine, lazy_r1_by_hand(mine, images()))
    assert [step for step in range(STEPS) if "discriminator/r1" in played[step]] == [0, 4, 8]
    assert played[4]["discriminator/r1"] > 1e-3


def lazy_r1_by_hand(networks: dict[str, nn.Module], samples: Tensor) -> History:
    generator, discriminator = networks["generator"], networks["discriminator"]
    for_generator = torch.optim.Adam(generator.parameters(), lr=1e-3)
    for_discriminator = torch.optim.SGD(discriminator.parameters(), lr=1e-2, momentum=0.5)
    batches = deal(samples.float() / 127.5 - 1)
    gamma, interval = 0.5, 4
    history: History = []
    for step in range(STEPS):
        record = {}
        real = next(batches).requires_grad_()
        fake = generator(noise(step, "discriminator")).detach()
        on_real, on_fake = discriminator(real), discriminator(fake)
        loss = softplus(-on_real).mean() + softplus(on_fake).mean()
        if step % interval == 0:
            (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
            squared_norm = slope.pow(2).sum(dim=(1, 2, 3)).mean()
            loss = loss + interval * gamma / 2 * squared_norm
            record["discriminator/r1"] = squared_norm.item() / 2
        record["discriminator/loss"] = learn(for_discriminator, loss)
        loss = softplus(-discriminator(generator(noise(step, "generator")))).mean()
        record["generator/loss"] = learn(for_generator, loss)
        history.append(record)
    return history


# A loss that ganforge does not know, brought as anybody would bring one: by a plugin.


class RelativisticPairing(AdversarialLoss):
    """Each side wants its own samples to look more real than their partners.

    Source: Jolicoeur-Martineau 2018, arXiv:1807.00734.
    """

    def discriminator(self, round: AdversarialRound) -> Tensor:
        return softplus(-(round.scores("real") - round.scores("fake")))

    def generator(self, round: AdversarialRound) -> Tensor:
        return softplus(-(round.scores("fake") - round.scores("real")))


@hookimpl
def register_losses(register: Register) -> None:
    register("acme_pairing", RelativisticPairing, summary="RSGAN (2018)")


def plugin() -> ModuleType:
    """A plugin of its own, whose hook is the function above."""
    module = ModuleType("acme_relativistic")
    module.register_losses = register_losses  # type: ignore[attr-defined]
    return module


def test_a_relativistic_loss_from_a_plugin(make_trainer: MakeTrainer) -> None:
    """The engine needs no change for a loss that compares real and fake, in G's phase too."""
    component = load_registry(extra=[plugin()]).find("loss", "acme_pairing")
    assert component.plugin.name == "acme_relativistic"
    networks = point_networks()
    mine = copy.deepcopy(networks)
    trainer = make_trainer(
        TwoPlayer(loss=component.load()(), regularizers=[]),
        networks,
        points(),
        optimizers={
            name: sgd(params=list(network.parameters()), lr=0.05, momentum=0.9, nesterov=True)
            for name, network in networks.items()
        },
        seed=SEED,
    )

    played = play(trainer)

    assert_same_run(trainer, played, mine, relativistic_by_hand(mine, points()))


def relativistic_by_hand(networks: dict[str, nn.Module], samples: Tensor) -> History:
    generator, discriminator = networks["generator"], networks["discriminator"]
    optimizers = {
        name: torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        for name, network in networks.items()
    }
    batches = deal(samples)
    history: History = []
    for step in range(STEPS):
        real = next(batches)  # the generator's phase sees the same batch
        fake = generator(noise(step, "discriminator")).detach()
        loss = -torch.sigmoid(discriminator(real) - discriminator(fake)).log().mean()
        for_discriminator = learn(optimizers["discriminator"], loss)
        fake = generator(noise(step, "generator"))
        loss = -torch.sigmoid(discriminator(fake) - discriminator(real)).log().mean()
        history.append(
            {
                "discriminator/loss": for_discriminator,
                "generator/loss": learn(optimizers["generator"], loss),
            }
        )
    return history


# A game that ganforge does not know: three networks, three phases and a round of its own.


class TwinRound(Round):
    """Two generators, each with latents of its own, and what the discriminator says of both."""

    @cached_property
    def left(self) -> Tensor:
        return self._made_by("left")

    @cached_property
    def right(self) -> Tensor:
        return self._made_by("right")

    @cached_property
    def gap(self) -> Tensor:
        """How far apart the two generators' samples lie, ``(N,)``."""
        return (self.left - self.right).square().sum(dim=1)

    def _made_by(self, name: str) -> Tensor:
        latents = self.play.draw.latents(self.play.latent, stream=f"latent_{name}")
        with torch.set_grad_enabled(self.learns(name)):
            samples: Tensor = self.network(name)(latents)
        return samples

    def judged(self, samples: Tensor) -> Tensor:
        scores: Tensor = self.network("discriminator")(samples)
        return scores


class Twins(Game):
    """One discriminator against two generators that are kept near each other.

    The right generator learns in every second step only.
    """

    networks: ClassVar = {
        "left": "generator",
        "right": "generator",
        "discriminator": "discriminator",
    }
    sampler: ClassVar[str] = "left"

    def phases(self) -> Sequence[Phase]:
        gap = Term("gap", lambda round: round.gap, weight=0.1)
        return [
            Phase("judge", ("discriminator",), (Term("adversarial", self.judge_both),)),
            Phase(
                "left",
                ("left",),
                (Term("adversarial", lambda round: softplus(-round.judged(round.left))), gap),
                draws_batch=False,
            ),
            Phase(
                "right",
                ("right",),
                (Term("adversarial", lambda round: softplus(-round.judged(round.right))), gap),
                every=2,
                draws_batch=False,
            ),
        ]

    @staticmethod
    def judge_both(round: TwinRound) -> Tensor:
        real = softplus(-round.judged(round.play.batch.samples))
        return 2 * real + softplus(round.judged(round.left)) + softplus(round.judged(round.right))

    def round(self, play: Play) -> TwinRound:
        return TwinRound(play)


def test_a_game_of_three_networks_and_three_phases(make_trainer: MakeTrainer) -> None:
    """A plugin's game with its own round, one phase of which is played in every 2nd step only."""
    torch.manual_seed(0)
    networks = {
        "left": point_generator(),
        "right": point_generator(),
        "discriminator": point_discriminator(),
    }
    mine = copy.deepcopy(networks)
    trainer = make_trainer(Twins(), networks, points(), seed=SEED)

    played = play(trainer)

    assert_same_run(trainer, played, mine, twins_by_hand(mine, points()))
    assert [step for step in range(STEPS) if "right/loss" in played[step]] == [0, 2, 4, 6, 8]


def twins_by_hand(networks: dict[str, nn.Module], samples: Tensor) -> History:
    left, right, judge = networks["left"], networks["right"], networks["discriminator"]
    optimizers = {
        name: torch.optim.SGD(network.parameters(), lr=0.1) for name, network in networks.items()
    }
    batches = deal(samples)
    history: History = []
    for step in range(STEPS):
        record = {}
        a = left(noise(step, "judge", stream="latent_left")).detach()
        b = right(noise(step, "judge", stream="latent_right")).detach()
        real = next(batches)
        loss = 2 * softplus(-judge(real)).mean()
        loss = loss + softplus(judge(a)).mean() + softplus(judge(b)).mean()
        record["judge/loss"] = learn(optimizers["discriminator"], loss)

        a = left(noise(step, "left", stream="latent_left"))
        b = right(noise(step, "left", stream="latent_right")).detach()
        loss = softplus(-judge(a)).mean() + 0.1 * (a - b).pow(2).sum(dim=1).mean()
        record["left/loss"] = learn(optimizers["left"], loss)

        if step % 2 == 0:
            a = left(noise(step, "right", stream="latent_left")).detach()
            b = right(noise(step, "right", stream="latent_right"))
            loss = softplus(-judge(b)).mean() + 0.1 * (a - b).pow(2).sum(dim=1).mean()
            record["right/loss"] = learn(optimizers["right"], loss)
        history.append(record)
    return history


# Joint and separate batches: they differ where batch norm sees them.


def batch_norm_networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    discriminator = nn.Sequential(
        nn.Linear(2, 16, bias=False), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)
    )
    return {"generator": point_generator(), "discriminator": discriminator}


def batches_by_hand(networks: dict[str, nn.Module], samples: Tensor, *, joint: bool) -> History:
    generator, discriminator = networks["generator"], networks["discriminator"]
    optimizers = {
        name: torch.optim.SGD(network.parameters(), lr=0.1) for name, network in networks.items()
    }
    batches = deal(samples)
    history: History = []
    for step in range(STEPS):
        real = next(batches)
        fake = generator(noise(step, "discriminator")).detach()
        if joint:
            on_real, on_fake = discriminator(torch.cat([real, fake])).split(BATCH)
        else:
            on_real, on_fake = discriminator(real), discriminator(fake)
        loss = softplus(-on_real).mean() + softplus(on_fake).mean()
        for_discriminator = learn(optimizers["discriminator"], loss)
        loss = softplus(-discriminator(generator(noise(step, "generator")))).mean()
        history.append(
            {
                "discriminator/loss": for_discriminator,
                "generator/loss": learn(optimizers["generator"], loss),
            }
        )
    return history


@pytest.mark.parametrize("how", ["joint", "separate"])
def test_the_discriminators_batch(how: str, make_trainer: MakeTrainer) -> None:
    """Joint: batch norm sees real and fake as one batch. Separate: each by itself."""
    networks = batch_norm_networks()
    mine = copy.deepcopy(networks)
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], discriminator_batch=how)
    trainer = make_trainer(game, networks, points(), seed=SEED)

    played = play(trainer)

    losses = batches_by_hand(mine, points(), joint=how == "joint")
    assert_same_run(trainer, played, mine, losses)
    other = batches_by_hand(batch_norm_networks(), points(), joint=how != "joint")
    assert abs(played[0]["discriminator/loss"] - other[0]["discriminator/loss"]) > 1e-2


def test_joint_and_separate_agree_without_batch_norm(make_trainer: MakeTrainer) -> None:
    """A discriminator that looks at each sample alone cannot tell the two apart."""
    runs = {}
    for how in ("joint", "separate"):
        game = TwoPlayer(loss=NonSaturating(), regularizers=[], discriminator_batch=how)
        runs[how] = play(make_trainer(game, point_networks(), points(), seed=SEED))
    for joint, separate in zip(runs["joint"], runs["separate"], strict=True):
        assert joint == pytest.approx(separate, rel=1e-5)


def test_several_generator_steps_draw_fresh_latents(make_trainer: MakeTrainer) -> None:
    """``g_steps`` repeats the generator's phase on the batch of the discriminator."""
    networks = point_networks()
    seen: list[Tensor] = []
    networks["generator"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    trainer = make_trainer(
        TwoPlayer(loss=NonSaturating(), regularizers=[], g_steps=3),
        networks,
        points(),
        seed=SEED,
        latent=Latent(LATENT, "normal"),
    )

    trainer.step()

    expected = [noise(0, "discriminator"), *(noise(0, "generator", k) for k in range(3))]
    assert len(seen) == 4
    assert all(torch.equal(z, e) for z, e in zip(seen, expected, strict=True))
    assert trainer.feed.state_dict() == {"drawn": 1}
