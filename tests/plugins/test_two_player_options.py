"""Options of the game of two: packing and learning from the best samples, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganforge.api import (
    AdversarialRound,
    Augmentation,
    Batch,
    Draw,
    Play,
    Regularizer,
    Term,
    UsageError,
)
from ganforge.engine.freezing import Freezer
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge_games.two_player import TopK, TwoPlayer
from ganforge_losses.losses import NonSaturating
from ganforge_regularizers.gradients import R1, Dragan, GradientPenalty, LipschitzPenalty

SIZE = 8


def networks(pack: int = 1) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": nn.Linear(3, 2).double(),
        "discriminator": nn.Sequential(nn.Linear(2 * pack, 5), nn.Tanh(), nn.Linear(5, 1)).double(),
    }


def round_of(
    game: TwoPlayer, made: Mapping[str, nn.Module], phase: str, *, step: int = 0, **more: Any
) -> AdversarialRound:
    Freezer(dict(made)).learn([phase])
    real = torch.randn(SIZE, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    draw = Draw(Streams(0), (step, phase, 0), SIZE, slice(0, SIZE), torch.device("cpu"))
    play = Play(
        phase, made, frozenset([phase]), more.get("by", frozenset()), Batch(real), Latent(3), draw
    )
    found = game.round(play)
    found.latent = found.latent.double()
    return found


def test_packs_are_judged_together() -> None:
    """PacGAN: D sees the m samples side by side, so the k-th pack is samples km to km + m - 1."""
    game, made = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=2), networks(2)
    round = round_of(game, made, "discriminator")
    with torch.no_grad():
        real = torch.stack([torch.cat([round.real[k], round.real[k + 1]]) for k in range(0, 8, 2)])
        fakes = made["generator"](round.latent)
        fake = torch.stack([torch.cat([fakes[k], fakes[k + 1]]) for k in range(0, 8, 2)])
        judge = made["discriminator"]
        expected = softplus(-judge(real)) + softplus(judge(fake))
    term = game.phases()[0].terms[0]
    torch.testing.assert_close(term.function(round), expected.flatten(), rtol=0, atol=1e-12)


def test_images_are_packed_by_channels() -> None:
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=3)
    assert game.shapes("discriminator", (2, 8, 8), None)["image_shape"] == (6, 8, 8)
    assert game.shapes("generator", (2, 8, 8), None)["image_shape"] == (2, 8, 8)
    images = torch.arange(3 * 2 * 4.0).reshape(3, 2, 2, 2)
    seen: list[Tensor] = []

    class Looks(nn.Module):
        def forward(self, samples: Tensor) -> Tensor:
            seen.append(samples)
            return samples.sum(dim=(1, 2, 3))

    made = {"generator": nn.Identity(), "discriminator": Looks()}
    draw = Draw(Streams(0), (0, "discriminator", 0), 3, slice(0, 3), torch.device("cpu"))
    play = Play("discriminator", made, frozenset(), frozenset(), Batch(images), Latent(3), draw)
    assert game.round(play).scores("real").shape == (1,)
    (packed,) = seen
    assert torch.equal(packed, torch.cat([images[0], images[1], images[2]])[None])


def test_joint_batches_keep_their_packs_apart() -> None:
    apart = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=2)
    joint = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=2, discriminator_batch="joint")
    made = networks(2)
    for side in ("real", "fake"):
        one = round_of(apart, made, "discriminator").scores(side)  # type: ignore[arg-type]
        other = round_of(joint, made, "discriminator").scores(side)  # type: ignore[arg-type]
        assert one.shape == (SIZE // 2,)
        torch.testing.assert_close(one, other)


def test_a_penalty_sees_packs() -> None:
    """R1 of packs: half the squared gradient of a pack's score by all that is in it."""
    game = TwoPlayer(loss=NonSaturating(), regularizers=[Term("r1", R1())], pack=2)
    made = networks(2)
    round = round_of(game, made, "discriminator", by=frozenset({"real"}))
    value = game.phases()[0].terms[1].function(round)
    packs = round.real.detach().reshape(4, 4).requires_grad_()
    (gradients,) = torch.autograd.grad(made["discriminator"](packs).sum(), packs)
    expected = 0.5 * gradients.square().sum(dim=1)
    assert value.shape == (4,)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("term", [GradientPenalty, LipschitzPenalty, Dragan])
def test_a_linear_critic_of_packs_with_unit_gradient_costs_nothing(term: type[Regularizer]) -> None:
    """The gradient is that by the pack: half of w is of either sample in it."""
    game = TwoPlayer(loss=NonSaturating(), regularizers=[Term("penalty", term())], pack=2)
    critic = nn.Linear(4, 1).double()
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[0.1, -0.7, 0.5, 0.5]]).double())
        critic.weight.div_(critic.weight.norm())
    made = {**networks(2), "discriminator": critic}
    value = game.phases()[0].terms[1].function(round_of(game, made, "discriminator"))
    torch.testing.assert_close(value, torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_penalty_mixes_packs_and_not_their_samples() -> None:
    """All of a pack is as far between real and fake."""
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=4)
    round = round_of(game, networks(4), "discriminator")
    points = GradientPenalty().points(round)
    shares = ((points - round.fake) / (round.real - round.fake)).detach()
    for pack in shares.reshape(2, 8):
        torch.testing.assert_close(pack, pack[:1].expand(8))
    assert abs(shares[0, 0] - shares[4, 0]) > 1e-3


def test_a_pack_has_no_class() -> None:
    class Conditional(nn.Module):
        def forward(self, samples: Tensor, labels: Tensor) -> Tensor:
            return samples.sum(1)

    game = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=2)
    made = {**networks(2), "discriminator": Conditional()}
    with pytest.raises(UsageError, match="takes labels, and a pack of 2 samples has none"):
        round_of(game, made, "discriminator").scores("real")


def test_packs_have_no_judge_of_single_samples() -> None:
    assert TwoPlayer(loss=NonSaturating(), regularizers=[]).judge == "discriminator"
    assert TwoPlayer(loss=NonSaturating(), regularizers=[], pack=2).judge is None


def test_a_batch_that_cannot_be_packed_is_told() -> None:
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], pack=3)
    with pytest.raises(UsageError, match="8 samples cannot be judged in packs of 3"):
        round_of(game, networks(3), "discriminator").scores("real")


@pytest.mark.parametrize(
    ("step", "kept"), [(0, 8), (9, 8), (10, math.ceil(8 * 0.7)), (20, 4), (30, 4), (10**6, 4)]
)
def test_k_falls_to_its_least(step: int, kept: int) -> None:
    assert TopK(gamma=0.7, every=10, least=0.5).count(8, step) == kept


def test_the_generator_learns_from_the_best() -> None:
    top_k = TopK(gamma=0.5, every=1, least=0.25)
    game, made = TwoPlayer(loss=NonSaturating(), regularizers=[], top_k=top_k), networks()
    round = round_of(game, made, "generator", step=2)
    scores = made["discriminator"](made["generator"](round.latent)).flatten()
    best = sorted(scores.tolist(), reverse=True)[:2]  # a quarter of 8
    term = game.phases()[1].terms[0]
    value = term.function(round).mean()
    expected = sum(math.log1p(math.exp(-score)) for score in best) / 2
    assert value.item() == pytest.approx(expected, abs=1e-12)
    (found,) = torch.autograd.grad(value, [made["generator"].weight])  # type: ignore[list-item]
    by_hand = softplus(-scores[scores >= best[-1]]).mean()
    (wanted,) = torch.autograd.grad(by_hand, [made["generator"].weight])  # type: ignore[list-item]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_the_best_of_a_map_are_the_best_on_average() -> None:
    """A discriminator of patches, (N, 1, 2, 1): k counts samples."""

    class Patches(nn.Module):
        def forward(self, samples: Tensor) -> Tensor:
            return torch.stack([samples[:, :1], 3 * samples[:, 1:]], dim=2)[..., None]

    top_k = TopK(gamma=0.5, every=1, least=0.25)
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], top_k=top_k)
    made = {**networks(), "discriminator": Patches()}
    round = round_of(game, made, "generator", step=2)
    value = game.phases()[1].terms[0].function(round)
    fakes = made["generator"](round.latent).detach()
    means = (fakes[:, 0] + 3 * fakes[:, 1]) / 2
    best = fakes[means.sort(descending=True).indices[:2]]
    expected = softplus(-torch.stack([best[:, 0], 3 * best[:, 1]], dim=1))
    torch.testing.assert_close(value.flatten(1), expected, rtol=0, atol=1e-12)


def test_a_generator_may_have_no_adversarial_loss() -> None:
    class Own(Regularizer):
        phase = "generator"

    own = TwoPlayer(loss=NonSaturating(), regularizers=[Term("own", Own())], generator_weight=0)
    assert [term.name for term in own.phases()[1].terms] == ["own"]
    with pytest.raises(UsageError, match="generator_weight is 0, and no regularizer"):
        TwoPlayer(loss=NonSaturating(), regularizers=[], generator_weight=0)


def test_each_judgement_of_a_play_has_numbers_of_its_own() -> None:
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], augmentations=[Shift()])
    round = round_of(game, {**networks(), "discriminator": Sum()}, "discriminator")
    first, second = (round.judge(round.real)["logits"] for _ in range(2))
    assert (first - second).abs().max() > 1e-3


class Sum(nn.Module):
    def forward(self, samples: Tensor) -> Tensor:
        return samples.sum(1)


class Shift(Augmentation):
    """Adds a number a sample, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        return samples + draw.uniform(stream, 1)[: len(samples)]

    def judged(self, side: Any, logits: Tensor, round: AdversarialRound) -> None:
        assert not logits.requires_grad
        self.told.append((side, len(logits)))

    def observe(self) -> dict[str, Tensor]:
        return {"shift": torch.ones(())}


@pytest.mark.parametrize("batch", ["separate", "joint"])
def test_augmentations_come_before_the_discriminator(batch: Any) -> None:
    shift, made = Shift(), networks()
    game = TwoPlayer(
        loss=NonSaturating(), regularizers=[], augmentations=[shift], discriminator_batch=batch
    )
    round = round_of(game, made, "discriminator")
    streams = Streams(0)

    def numbers(side: str) -> Tensor:
        stream = streams.generator(f"augmentation/0/{side}", 0, "discriminator", 0)
        return torch.rand(SIZE, 1, generator=stream)

    with torch.no_grad():
        for side, samples in (("real", round.real), ("fake", round.fake)):
            expected = made["discriminator"](samples + numbers(side)).flatten()
            found = round.scores(side)  # type: ignore[arg-type]
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert sorted(shift.told) == [("fake", SIZE), ("real", SIZE)]
    assert round.observe()["shift"] == 1


def test_only_a_learning_discriminator_tells_augmentations() -> None:
    shift = Shift()
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], augmentations=[shift])
    round = round_of(game, networks(), "generator")
    assert round.scores("fake").requires_grad  # through the augmentation
    assert shift.told == []
    assert "shift" not in round.observe()


def test_two_of_a_kind_are_recorded_apart() -> None:
    game = TwoPlayer(loss=NonSaturating(), regularizers=[], augmentations=[Shift(), Shift()])
    round = round_of(game, networks(), "discriminator")
    round.scores("real")
    assert {"shift", "shift_2"} <= round.observe().keys()
