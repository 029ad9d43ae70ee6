"""ADA's transformations against numpy, given the same random numbers; and who adjusts p when."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ganforge.api import AdversarialRound, Batch, Draw, Latent, Play, UsageError
from ganforge.engine.streams import Streams
from ganforge_augmentations.ada import AdaptiveAugmentation
from ganforge_augmentations.pipeline import GROUPS, TRANSFORMS, Strength

COUNTERS = (3, "discriminator", 0)
STREAM = "augmentation/0/real"

Array = NDArray[Any]
CPU = torch.device("cpu")


def images(count: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *shape, generator=generator, dtype=dtype)


def draws(total: int, where: slice | None = None, counters: tuple[Any, ...] = COUNTERS) -> Draw:
    return Draw(Streams(0), counters, total, where or slice(0, total), CPU)


def numbers(name: str, total: int, columns: int) -> Array:
    generator = Streams(0).generator(f"{STREAM}/{name}", *COUNTERS)
    make = torch.randn if name == "normal" else torch.rand
    return np.asarray(make(total, columns, generator=generator).double())


# The transformations, an image at a time, by the matrices of the paper's appendix B.


def turn(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def move(x: float, y: float) -> Array:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def stretch(x: float, y: float) -> Array:
    return np.diag([x, y, 1.0])


def drawn(n: int, total: int, p: float, names: Sequence[str]) -> dict[str, Any]:
    """What is done to the n-th image: the value of each transformation, if it is done."""
    chance = numbers("chance", total, 13)[n]
    u, z = numbers("uniform", total, 8)[n], numbers("normal", total, 7)[n]
    values = {
        "x_flip": math.floor(2 * u[0]),
        "rotate_90": math.floor(4 * u[1]),
        "integer_translation": (2 * u[2:4] - 1) * 0.125,
        "isotropic_scale": 2 ** (0.2 * z[0]),
        "rotation": (2 * u[4] - 1) * math.pi,
        "anisotropic_scale": 2 ** (0.2 * z[1]),
        "fractional_translation": 0.125 * z[2:4],
        "brightness": 0.2 * z[4],
        "contrast": 2 ** (0.5 * z[5]),
        "luma_flip": math.floor(2 * u[6]),
        "hue": (2 * u[7] - 1) * math.pi,
        "saturation": 2 ** z[6],
    }
    once = 1 - math.sqrt(1 - p)
    done = {
        name: value
        for number, (name, value) in enumerate(values.items())
        if name in names and chance[number] < (once if name == "rotation" else p)
    }
    if "rotation" in names and chance[12] < once:
        done["second_rotation"] = (2 * u[5] - 1) * math.pi
    return done


def geometry(done: dict[str, Any], height: int, width: int) -> Array:
    """From a place in the result to a place in the image: the product of the inverses."""
    inverse = np.eye(3)
    if done.get("x_flip"):
        inverse = inverse @ stretch(-1, 1)
    inverse = inverse @ turn(math.pi / 2 * done.get("rotate_90", 0))
    x, y = done.get("integer_translation", (0, 0))
    inverse = inverse @ move(-np.round(x * width), -np.round(y * height))
    s = done.get("isotropic_scale", 1)
    inverse = inverse @ np.linalg.inv(stretch(s, s))
    inverse = inverse @ turn(done.get("rotation", 0))
    s = done.get("anisotropic_scale", 1)
    inverse = inverse @ np.linalg.inv(stretch(s, 1 / s))
    inverse = inverse @ turn(done.get("second_rotation", 0))
    x, y = done.get("fractional_translation", (0, 0))
    return inverse @ np.linalg.inv(move(x * width, y * height))


def looked_up(image: Array, inverse: Array) -> Array:
    """Bilinear, in an image that numpy has mirrored far beyond its borders."""
    channels, height, width = image.shape
    far = 120
    padded = np.pad(image, [(0, 0), (far, far), (far, far)], mode="reflect")
    out = np.empty_like(image)
    for i, j in itertools.product(range(height), range(width)):
        x, y, _ = inverse @ [j - (width - 1) / 2, i - (height - 1) / 2, 1]
        x, y = x + (width - 1) / 2 + far, y + (height - 1) / 2 + far
        left, top = math.floor(x), math.floor(y)
        a, b = x - left, y - top
        part = padded[:, top : top + 2, left : left + 2]
        weights = np.outer([1 - b, b], [1 - a, a])
        out[:, i, j] = (part * weights).sum((1, 2))
    assert channels == len(out)
    return out


def colored(image: Array, done: dict[str, Any]) -> Array:
    """By homogeneous 4 x 4 matrices; a grey image is taken for three equal channels."""
    v = np.array([1, 1, 1, 0]) / math.sqrt(3)
    along = np.outer(v, v)
    matrix = np.eye(4)
    matrix[:3, 3] = done.get("brightness", 0)
    c = done.get("contrast", 1)
    matrix = np.diag([c, c, c, 1]) @ matrix
    matrix = (np.eye(4) - 2 * along * done.get("luma_flip", 0)) @ matrix
    if len(image) == 3:
        angle = done.get("hue", 0)
        cross = np.zeros((4, 4))
        cross[:3, :3] = np.cross(v[:3], np.eye(3)).T  # columns: v x e
        matrix = (
            np.eye(4) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
        ) @ matrix
        matrix = (along + (np.eye(4) - along) * done.get("saturation", 1)) @ matrix
    three = np.concatenate([np.broadcast_to(image, (3, *image.shape[1:])), np.ones_like(image[:1])])
    out = np.einsum("ij,jhw->ihw", matrix, three)[:3]
    return out if len(image) == 3 else out.mean(0, keepdims=True)


def reference(given: Tensor, p: float, names: Sequence[str]) -> Tensor:
    out = []
    for n, image in enumerate(given.numpy()):
        done = drawn(n, len(given), p, names)
        out.append(colored(looked_up(image, geometry(done, *image.shape[1:])), done))
    return torch.from_numpy(np.stack(out))


def ada(*names: str, p: float = 1.0, **options: Any) -> AdaptiveAugmentation:
    return AdaptiveAugmentation(transforms=names or tuple(GROUPS), p=p, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5)])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_transformation_alone(name: str, shape: tuple[int, ...]) -> None:
    given = images(12, *shape)
    ours = ada(name)(given, draws(12), STREAM)
    torch.testing.assert_close(ours, reference(given, 1.0, [name]), rtol=0, atol=1e-10)
    one_color = shape[0] == 1 and name in ("hue", "saturation")
    assert torch.equal(ours, given) == one_color


@pytest.mark.parametrize("p", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (3, 5, 6), (1, 1, 4)])
def test_all_together(shape: tuple[int, ...], p: float) -> None:
    """Done or not by the numbers drawn for it, in the paper's order; p is kept in float32."""
    given = images(24, *shape)
    ours = ada(p=p)(given, draws(24), STREAM)
    expected = reference(given, float(np.float32(p)), TRANSFORMS)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_is_its_transformations(group: str) -> None:
    given = images(12, 3, 6, 6)
    ours = ada(group)(given, draws(12), STREAM)
    assert torch.equal(ours, ada(*GROUPS[group])(given, draws(12), STREAM))
    torch.testing.assert_close(ours, reference(given, 1.0, GROUPS[group]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [3, 40])
def test_strength_is_what_it_says(count: int) -> None:
    """No strength is no change; and a scale of a known size, against torch's own resampling."""
    none = Strength(**dict.fromkeys(Strength.model_fields, 0.0))
    given = images(count, 3, 6, 6)
    names = [n for n in TRANSFORMS if n not in ("x_flip", "rotate_90", "luma_flip")]
    same = ada(*names, strength=none)(given, draws(count), STREAM)
    torch.testing.assert_close(same, given, rtol=0, atol=1e-12)

    wide = ada("isotropic_scale", strength=Strength(isotropic_scale=0.7))
    ours = wide(given, draws(count), STREAM)
    factor = torch.from_numpy(2 ** (0.7 * numbers("normal", count, 7)[:, 0]))
    theta = torch.zeros(count, 2, 3, dtype=torch.float64)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / factor
    grid = functional.affine_grid(theta, list(given.shape), align_corners=True)
    expected = functional.grid_sample(given, grid, padding_mode="reflection", align_corners=True)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


# What is exact.


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 7, 10), (1, 1, 1), (3, 1, 6)])
def test_p_0_is_the_identity_bit_for_bit(shape: tuple[int, ...]) -> None:
    given = images(16, *shape, dtype=torch.float32)
    ours = ada(p=0.0)(given, draws(16), STREAM)
    assert ours.numpy().tobytes() == given.numpy().tobytes()
    assert torch.equal(AdaptiveAugmentation()(given, draws(16), STREAM), given)  # it starts at 0


@pytest.mark.parametrize("size", [8, 9, 28])
def test_mirrors_and_quarter_turns_are_exact(size: int) -> None:
    given = images(40, 3, size, size, dtype=torch.float32)
    u = numbers("uniform", 40, 8)
    flipped = ada("x_flip")(given, draws(40), STREAM)
    turned = ada("rotate_90")(given, draws(40), STREAM)
    for n in range(40):
        expected = given[n].flip(-1) if u[n, 0] >= 0.5 else given[n]
        assert torch.equal(flipped[n], expected)
        assert torch.equal(turned[n], given[n].rot90(int(4 * u[n, 1]), (1, 2)))
    assert {int(4 * each) for each in u[:, 1]} == {0, 1, 2, 3}


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 16)])
def test_whole_pixel_moves_are_exact(shape: tuple[int, ...]) -> None:
    """With the image mirrored at its outermost pixels."""
    given = images(40, *shape, dtype=torch.float32)
    height, width = shape[1:]
    ours = ada("integer_translation")(given, draws(40), STREAM)
    shares = numbers("uniform", 40, 8)[:, 2:4] * 2 - 1
    padded = functional.pad(given, (4, 4, 4, 4), mode="reflect")
    for n, (x, y) in enumerate(np.round(shares * 0.125 * [width, height]).astype(int)):
        expected = padded[n, :, 4 - y : 4 - y + height, 4 - x : 4 - x + width]
        assert torch.equal(ours[n], expected)


def test_one_of_two_rotations_is_as_likely_as_p() -> None:
    turns = ada("rotation", p=0.5)(images(4000, 1, 3, 3), draws(4000), STREAM)
    changed = (turns != images(4000, 1, 3, 3)).flatten(1).any(1)
    assert float(changed.double().mean()) == pytest.approx(0.5, abs=0.025)


def test_grey_images_stay_what_they_are_in_color() -> None:
    """A grey image of three channels is treated as one of one channel is."""
    given = images(12, 1, 6, 6)
    grey = ada("color")(given, draws(12), STREAM)
    color = ada("color")(given.expand(-1, 3, -1, -1), draws(12), STREAM)
    torch.testing.assert_close(color, grey.expand(-1, 3, -1, -1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_gradients(group: str, channels: int) -> None:
    """Once and twice, against differences."""
    augment = ada(group)
    given = images(2, channels, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, draws(2), STREAM), [given])
    assert torch.autograd.gradgradcheck(lambda x: augment(x, draws(2), STREAM).sin(), [given])


@pytest.mark.parametrize("cuts", [(0, 3, 7), (0, 1, 2, 7)])
def test_micro_batches_give_the_same_images(cuts: tuple[int, ...]) -> None:
    given, augment = images(7, 3, 8, 8, dtype=torch.float32), ada(p=0.6)
    whole = augment(given, draws(7), STREAM)
    parts = [
        augment(given[start:stop], draws(7, slice(start, stop)), STREAM)
        for start, stop in itertools.pairwise(cuts)
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(augment(given[:2], draws(7), STREAM), whole[:2])
    assert not torch.equal(augment(given, draws(7), "augmentation/1/real"), whole)


def test_precision_stays() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert ada()(images(2, 3, 8, 8).to(dtype), draws(2), STREAM).dtype == dtype


def test_samples_and_options_that_it_cannot_take() -> None:
    with pytest.raises(UsageError, match="needs images"):
        ada()(images(4, 2), draws(4), STREAM)
    with pytest.raises(UsageError, match="1 or 3 channels, not 4"):
        ada()(images(4, 4, 5, 5), draws(4), STREAM)
    assert ada("blit", "geometry")(images(4, 4, 5, 5), draws(4), STREAM).shape == (4, 4, 5, 5)
    with pytest.raises(UsageError, match="transforms is empty"):
        AdaptiveAugmentation(transforms=())


# The controller.


def judged(augment: AdaptiveAugmentation, play: int, logits: Tensor, parts: int = 1) -> float:
    """One play of D: what it says of real images, in micro-batches; returns the p it saw."""
    total, seen = len(logits), []
    for part in range(parts):
        where = slice(total * part // parts, total * (part + 1) // parts)
        draw = draws(total, where, (play, "discriminator", 0))
        given = images(where.stop - where.start, 1, 2, 2)
        round = AdversarialRound(
            Play("discriminator", {}, frozenset(), frozenset(), Batch(given), Latent(1), draw)
        )
        for side in ("real", "fake"):  # p may not change between them
            augment(given, draw, f"augmentation/0/{side}")
            seen.append(float(augment.observe()["augmentation_p"]))
            said = logits[where] if side == "real" else torch.full_like(logits[where], -9.0)
            augment.judged(side, said, round)  # type: ignore[arg-type]
    assert len(set(seen)) == 1
    return seen[0]


def simulated(plays: Sequence[Array], interval: int, speed: float, target: float) -> list[float]:
    """The p that each play sees: section 3 of the paper, by hand."""
    p, seen = np.float32(0), []
    for first in range(0, len(plays), interval):
        some = plays[first : first + interval]
        seen += [float(p)] * len(some)
        r = np.mean(np.sign(np.concatenate(some)))
        count = sum(map(len, some))
        p = np.clip(p + np.float32(np.sign(r - target) * count / speed), 0, 1)
    return seen


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(
    ("interval", "speed", "target"), [(4, 100, 0.6), (1, 50, 0.0), (3, 20, -0.5)]
)
def test_the_controller(interval: int, speed: int, target: float, parts: int) -> None:
    """p rises, saturates, falls and stays at 0, as logits wander."""
    generator = torch.Generator().manual_seed(4)
    drift = [3 * math.sin(play / 9 + 1) for play in range(80)]
    plays = [torch.randn(8, generator=generator) + each for each in drift]
    augment = AdaptiveAugmentation(interval=interval, speed=speed, target=target)
    seen = []
    for number, each in enumerate(plays):
        seen.append(judged(augment, number, each, parts))
        share = each[len(each) * (parts - 1) // parts :]  # the last micro-batch's
        assert float(augment.observe()["r_t"]) == pytest.approx(float(share.sign().mean()))
    expected = simulated([each.numpy() for each in plays], interval, speed, target)
    np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-6)
    assert min(seen) == 0
    assert max(seen) > 0.5
    assert any(a > b for a, b in itertools.pairwise(seen))


def test_p_stays_in_0_to_1() -> None:
    augment = AdaptiveAugmentation(interval=1, speed=20)
    seen = [judged(augment, play, torch.ones(8)) for play in range(5)]
    np.testing.assert_allclose(seen, [0, 0.4, 0.8, 1, 1], atol=1e-6)
    seen = [judged(augment, play, -torch.ones(8)) for play in range(5, 10)]
    np.testing.assert_allclose(seen, [1, 0.6, 0.2, 0, 0], atol=1e-6)


def test_a_play_without_an_answer_about_real_images_counts_for_nothing() -> None:
    augment = AdaptiveAugmentation(interval=1, speed=8)
    for play in range(3):
        augment(images(8, 1, 2, 2), draws(8, counters=(play, "generator", 0)), STREAM)
    assert float(augment.observe()["augmentation_p"]) == 0
    assert augment.state_dict()["plays"] == 0


def test_maps_of_logits_are_counted_score_by_score() -> None:
    augment = AdaptiveAugmentation(interval=1, speed=8, target=0.4)
    logits = torch.ones(8, 1, 2, 2)
    logits[:, :, 0, 0] = -1  # the mean sign is 0.5
    judged(augment, 0, logits)
    assert judged(augment, 1, logits) == 1


def test_a_fixed_p_is_kept() -> None:
    augment = AdaptiveAugmentation(interval=1, speed=1, p=0.25)
    assert [judged(augment, play, torch.ones(4)) for play in range(3)] == [0.25] * 3
    assert float(augment.observe()["r_t"]) == 1
    assert augment.state_dict() == {}
    adaptive = AdaptiveAugmentation(interval=1, speed=8)
    judged(adaptive, 0, torch.ones(8))
    augment.load_state_dict(adaptive.state_dict())
    assert float(augment.observe()["augmentation_p"]) == 0.25


def test_it_goes_on_from_its_state() -> None:
    """Bit for bit, from between two adjustments; what was handed out changes no more."""
    generator = torch.Generator().manual_seed(4)
    plays = [torch.randn(6, generator=generator) + 1 for _ in range(12)]
    augment = AdaptiveAugmentation(speed=100)
    for number in range(7):
        judged(augment, number, plays[number])
    state = augment.state_dict()
    kept = {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}
    again = AdaptiveAugmentation(speed=100)
    again.load_state_dict(state)
    assert again.state_dict() == state
    assert again.observe() == augment.observe()
    for number in range(7, 12):
        assert judged(augment, number, plays[number]) == judged(again, number, plays[number])
    first, second = augment.state_dict(), again.state_dict()
    assert first == second
    assert state == kept
    assert first["p"] > 0
