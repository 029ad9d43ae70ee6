"""CR-GAN, bCR and zCR against numpy, in float64; the images' movements, by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from test_regularizers import COUNTERS, close, samples
from torch import Tensor, nn

from ganforge.api import AdversarialRound, Batch, Draw, Play, Regularizer, UsageError
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge_regularizers.consistency import BalancedConsistency, Consistency, LatentConsistency
from ganforge_regularizers.moves import Moves

CPU = torch.device("cpu")
IMAGE = (2, 5, 6)
SIZE = 60
DIM = 3


class DoubleLatent(Latent):
    """Float64, so that a gradient by a latent has all its digits."""

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return super().sample(count, generator).double()


class Maker(nn.Module):
    """tanh(z A), shaped as images."""

    def __init__(self, shape: tuple[int, ...] = IMAGE, dim: int = DIM) -> None:
        super().__init__()
        self.shape = shape
        size = int(np.prod(shape))
        self.a = nn.Parameter(samples(dim, size, seed=8) / size**0.5)

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents @ self.a).reshape(len(latents), *self.shape)


class Looker(nn.Module):
    """tanh(w . x)."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.w = nn.Parameter(samples(size, seed=9) / size**0.5)

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(images.flatten(1) @ self.w)


def round_of(
    networks: Mapping[str, nn.Module],
    real: Tensor,
    *,
    phase: str = "discriminator",
    where: slice | None = None,
    latent: Latent | None = None,
    labels: Tensor | None = None,
    step: int = COUNTERS[0],
) -> AdversarialRound:
    """A round of a phase in which the network of its name learns; ``where`` cuts a micro-batch."""
    total = len(real)
    where = where or slice(0, total)
    play = Play(
        phase=phase,
        networks=networks,
        learning=frozenset({phase}),
        differentiates=frozenset(),
        batch=Batch(real[where], None if labels is None else labels[where]),
        latent=latent or DoubleLatent(DIM),
        draw=Draw(Streams(0), (step, phase, 0), total, where, CPU),
    )
    return AdversarialRound(play)


def numbers(
    kind: str,
    stream: str,
    count: int,
    *shape: int,
    phase: str = "discriminator",
    step: int = COUNTERS[0],
):
    """What `Draw` documents that a stream gives, as a numpy array."""
    draw = {"uniform": torch.rand, "normal": torch.randn}[kind]
    generator = Streams(0).generator(stream, step, phase, 0)
    return draw(count, *shape, generator=generator).double().numpy()


def latents(count: int, phase: str = "discriminator", step: int = COUNTERS[0]) -> np.ndarray:
    return numbers("normal", "latent", count, DIM, phase=phase, step=step)


def moved(images: np.ndarray, stream: str, shift: int, *, flip: bool = False) -> np.ndarray:
    """Mirror, pad by reflection, and cut out: what `Moves` does, by numpy's own padding."""
    count, _, height, width = images.shape
    found = images.copy()
    if flip:
        mirrored = numbers("uniform", f"{stream}/flip", count, 1)[:, 0] < 0.5
        found[mirrored] = found[mirrored][..., ::-1]
    if not shift:
        return found
    shares = numbers("uniform", f"{stream}/shift", count, 2)
    down, right = (np.floor(shares * (2 * shift + 1)).astype(int) - shift).T
    padded = np.pad(found, ((0, 0), (0, 0), (shift, shift), (shift, shift)), mode="reflect")
    return np.stack(
        [
            image[:, shift + dy : shift + dy + height, shift + dx : shift + dx + width]
            for image, dy, dx in zip(padded, down, right, strict=True)
        ]
    )


def compared(w: np.ndarray, first: np.ndarray, second: np.ndarray):
    """(tanh(w.a) - tanh(w.b))^2 of each pair, and the gradient of its mean by w."""
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    at_a, at_b = np.tanh(a @ w), np.tanh(b @ w)
    apart = at_a - at_b
    slopes = (1 - at_a**2)[:, None] * a - (1 - at_b**2)[:, None] * b
    return apart**2, (2 * apart[:, None] * slopes).mean(0)


def check(value: Tensor, by: nn.Parameter, expected: np.ndarray, slope: np.ndarray) -> None:
    close(value.detach(), torch.from_numpy(expected), atol=1e-10)
    (gradient,) = torch.autograd.grad(value.mean(), [by])
    close(gradient, torch.from_numpy(slope), atol=1e-10)


# How images are moved.


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("shift", "flip"), [(1, False), (4, False), (0, True), (4, True)])
def test_images_are_moved_as_numpy_moves_them(shift: int, flip: bool, count: int) -> None:
    images = samples(count, *IMAGE)
    draw = round_of({}, images).play.draw
    ours = Moves(shift=shift, flip=flip)(images, draw, "any")
    close(ours, torch.from_numpy(moved(images.numpy(), "any", shift, flip=flip)), atol=0)
    if count > 1:
        assert not torch.equal(ours, images)


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_all_distances_and_channels(channels: int) -> None:
    """An image that counts its own pixels tells how far it was moved, each channel alike."""
    count, shift, side = 512, 2, 9
    image = torch.arange(side * side, dtype=torch.float64).reshape(1, 1, side, side)
    images = image.expand(count, channels, side, side)
    draw = round_of({}, images).play.draw
    ours = Moves(shift=shift, flip=False)(images, draw, "any")
    assert torch.equal(ours, ours[:, :1].expand_as(ours))
    places = (ours[:, 0, 4, 4] - image[0, 0, 4, 4]).long().tolist()
    found = {place: places.count(place) for place in places}
    expected = {side * dy + dx for dy in range(-2, 3) for dx in range(-2, 3)}
    assert set(found) == expected
    # 512 images on 25 places: 20.5 each, give or take 4.4.
    assert min(found.values()) > 4
    assert max(found.values()) < 42


def test_a_movement_can_be_differentiated() -> None:
    """By the images: also twice, as the gradient penalties that share a phase want."""
    images = samples(3, *IMAGE).requires_grad_()
    draw = round_of({}, images).play.draw
    moves = Moves(shift=2, flip=True)
    assert torch.autograd.gradcheck(lambda x: moves(x, draw, "any"), images)
    assert torch.autograd.gradgradcheck(lambda x: moves(x, draw, "any").square(), images)


def test_a_movement_is_cut_with_the_batch() -> None:
    images = samples(6, *IMAGE)
    whole = Moves(shift=2, flip=True)(images, round_of({}, images).play.draw, "any")
    for where in (slice(0, 2), slice(2, 6)):
        draw = round_of({}, images, where=where).play.draw
        assert torch.equal(Moves(shift=2, flip=True)(images[where], draw, "any"), whole[where])


@pytest.mark.parametrize("term", [Consistency, BalancedConsistency])
def test_what_a_user_may_get_wrong(term: type[Regularizer]) -> None:
    with pytest.raises(UsageError, match="compares images with themselves") as told:
        term(shift=0)
    assert "flip: true" in (told.value.hint or "")
    nets = {"generator": Maker(), "discriminator": Looker()}
    with pytest.raises(UsageError, match="5x6 cannot be moved by up to 5 pixels") as told:
        term(shift=5)(round_of(nets, samples(2, *IMAGE)))
    assert "'shift: 4' or less" in (told.value.hint or "")
    with pytest.raises(UsageError, match=r"have the shape \(2, 60\)") as told:
        term()(round_of(nets, samples(2, SIZE)))
    assert "latent_consistency" in (told.value.hint or "")


# The terms.


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("shift", "flip"), [(4, False), (2, True)])
def test_consistency(shift: int, flip: bool, count: int) -> None:
    real, judge = samples(count, *IMAGE), Looker()
    round = round_of({"generator": Maker(), "discriminator": judge}, real)
    value = Consistency(shift=shift, flip=flip)(round)
    other = moved(real.numpy(), "consistency", shift, flip=flip)
    check(value, judge.w, *compared(judge.w.detach().numpy(), real.numpy(), other))


@pytest.mark.parametrize("count", [1, 64])
def test_balanced_consistency(count: int) -> None:
    real, judge, maker = samples(count, *IMAGE), Looker(), Maker()
    round = round_of({"generator": maker, "discriminator": judge}, real)
    value = BalancedConsistency(real=3.0, fake=0.7, shift=2)(round)
    fake = np.tanh(latents(count) @ maker.a.detach().numpy()).reshape(count, *IMAGE)
    w = judge.w.detach().numpy()
    at_real = compared(w, real.numpy(), moved(real.numpy(), "balanced_consistency/real", 2))
    at_fake = compared(w, fake, moved(fake, "balanced_consistency/fake", 2))
    total = [3.0 * a + 0.7 * b for a, b in zip(at_real, at_fake, strict=True)]
    check(value, judge.w, *total)
    assert maker.a.grad is None


@pytest.mark.parametrize("count", [1, 64])
def test_latent_consistency_of_the_discriminator(count: int) -> None:
    real, judge, maker = samples(count, *IMAGE), Looker(), Maker()
    round = round_of({"generator": maker, "discriminator": judge}, real)
    value = LatentConsistency(sigma=0.4, discriminator=3.0)(round)
    z, a = latents(count), maker.a.detach().numpy()
    near = z + 0.4 * numbers("normal", "latent_consistency", count, DIM)
    apart, slope = compared(judge.w.detach().numpy(), np.tanh(z @ a), np.tanh(near @ a))
    check(value, judge.w, 3.0 * apart, 3.0 * slope)
    assert torch.autograd.grad(value.mean(), [maker.a], allow_unused=True) == (None,)


@pytest.mark.parametrize("count", [1, 64])
def test_latent_consistency_of_the_generator(count: int) -> None:
    """-||G(z) - G(z')||^2: the gradient by A is -2 z^T ((t - t') (1 - t^2)) + ... of z'."""
    judge, maker = Looker(), Maker()
    nets = {"generator": maker, "discriminator": judge}
    round = round_of(nets, samples(count, *IMAGE), phase="generator")
    value = LatentConsistency(sigma=0.4, generator=0.25)(round)
    z, a = latents(count, "generator"), maker.a.detach().numpy()
    near = z + 0.4 * numbers("normal", "latent_consistency", count, DIM, phase="generator")
    t, u = np.tanh(z @ a), np.tanh(near @ a)
    slope = z.T @ ((t - u) * (1 - t**2)) - near.T @ ((t - u) * (1 - u**2))
    expected = -0.25 * ((t - u) ** 2).sum(1)
    check(value, maker.a, expected, -0.25 * 2 * slope / count)


def test_codes_are_no_noise() -> None:
    """A one-hot code stays one; only the latent's own noise is moved."""
    round = round_of({}, samples(4, 2), latent=Latent(2, categorical=(3,), continuous=1))
    near = LatentConsistency(sigma=1.0).near(round)
    assert torch.equal(near[:, 2:], round.latent[:, 2:])
    assert (near[:, :2] != round.latent[:, :2]).all()


TERMS: dict[str, Regularizer] = {
    "balanced": BalancedConsistency(shift=2, flip=True),
    "latent": LatentConsistency(sigma=0.4),
    "plain": Consistency(shift=2, flip=True),
}


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
@pytest.mark.parametrize("name", sorted(TERMS))
def test_micro_batches_meet_the_same_numbers(name: str, phase: str) -> None:
    nets = {"generator": Maker(), "discriminator": Looker()}
    real = samples(6, *IMAGE)
    whole = TERMS[name](round_of(nets, real, phase=phase))
    for where in (slice(0, 2), slice(2, 6)):
        part = TERMS[name](round_of(nets, real, phase=phase, where=where))
        close(part.detach(), whole[where].detach())


def test_the_same_in_every_play_that_has_its_numbers() -> None:
    """Nothing is remembered between calls, and torch's global generator has no part in it."""
    nets = {"generator": Maker(), "discriminator": Looker()}
    real = samples(6, *IMAGE)
    for term in TERMS.values():
        torch.manual_seed(1)
        first = term(round_of(nets, real))
        torch.manual_seed(2)
        assert torch.equal(first, term(round_of(nets, real)))


def test_what_a_silent_recipe_gets() -> None:
    """The papers' lambdas: as the weight where there is one, as options where there are two."""
    assert (Consistency.default_weight, Consistency.phase) == (10.0, "discriminator")
    balanced, latent = BalancedConsistency(), LatentConsistency()
    assert (balanced.default_weight, balanced.real, balanced.fake) == (1.0, 10.0, 10.0)
    assert balanced.phase == "discriminator"
    assert (latent.default_weight, latent.discriminator, latent.generator) == (1.0, 5.0, 0.5)
    assert latent.sigma == 0.03
    assert latent.phase == ("discriminator", "generator")
    for term in (Consistency(), balanced):
        assert (term.moves.shift, term.moves.flip) == (4, False)
