"""Progressive growing: layers against numpy, levels in closed form, and runs cut in a fade."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganforge import build, export
from ganforge.api import Callback, Dataset, Run, Term, UsageError, Values
from ganforge.engine import checkpoint
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge.options import read_signature
from ganforge.plugins import add_named, load_registry
from ganforge.recipe.load import load
from ganforge.registry import Registry
from ganforge.testing import examine
from ganforge_dcgan.models import DCGANDiscriminator, DCGANGenerator
from ganforge_losses.losses import Wasserstein
from ganforge_progressive.discriminator import ProgressiveDiscriminator
from ganforge_progressive.drift import Drift
from ganforge_progressive.game import Progressive
from ganforge_progressive.generator import ProgressiveGenerator
from ganforge_progressive.growing import Growing, place, seen_at
from ganforge_progressive.layers import EqualizedConv2d, EqualizedLinear, MinibatchStd, PixelNorm
from ganforge_regularizers.gradients import GradientPenalty

Array = NDArray[np.float64]
CPU = torch.device("cpu")
SHAPES = [(1, 28, 28), (3, 32, 32)]
PLUGINS = Path(__file__).parents[2] / "plugins"


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generator(shape: tuple[int, ...] = (1, 28, 28), output: str = "tanh") -> ProgressiveGenerator:
    torch.manual_seed(1)
    made = ProgressiveGenerator(
        image_shape=shape,  # type: ignore[arg-type]
        latent_dim=5,
        channels=3,
        max_channels=8,
        output=output,  # type: ignore[arg-type]
    )
    return made.double()


def discriminator(shape: tuple[int, ...] = (1, 28, 28), group: int = 4) -> ProgressiveDiscriminator:
    torch.manual_seed(2)
    made = ProgressiveDiscriminator(
        image_shape=shape,  # type: ignore[arg-type]
        channels=3,
        max_channels=8,
        group=group,
    )
    return made.double()


def doubled(images: Array) -> Array:
    return images.repeat(2, axis=2).repeat(2, axis=3)


def halved(images: Array) -> Array:
    return (
        images[:, :, ::2, ::2]
        + images[:, :, 1::2, ::2]
        + images[:, :, ::2, 1::2]
        + images[:, :, 1::2, 1::2]
    ) / 4


# Layers.


@pytest.mark.parametrize("gain", [1.0, math.sqrt(2.0)])
def test_weights_are_scaled_as_they_are_used(gain: float) -> None:
    """He's constant gain / sqrt(fan-in), and starting weights from N(0, 1)."""
    torch.manual_seed(0)
    linear = EqualizedLinear(300, 200, gain=gain).double()
    inputs = noise(4, 300)
    expected = inputs.numpy() @ (linear.weight.detach().numpy().T * gain / math.sqrt(300))
    np.testing.assert_allclose(linear(inputs).detach().numpy(), expected, rtol=1e-12)
    assert linear.weight.std().item() == pytest.approx(1.0, abs=0.02)
    assert not linear.bias.any()

    convolution = EqualizedConv2d(50, 40, 3, padding=1, gain=gain).double()
    maps = noise(2, 50, 5, 5)
    found = convolution(maps).detach().numpy()
    weight = convolution.weight.detach().numpy() * gain / math.sqrt(50 * 9)
    middle = np.einsum("ncij,ocij->no", maps.numpy()[:, :, 1:4, 1:4], weight)
    np.testing.assert_allclose(found[:, :, 2, 2], middle, rtol=1e-10)
    assert convolution.weight.std().item() == pytest.approx(1.0, abs=0.02)


def test_adam_moves_every_layer_at_one_relative_speed() -> None:
    """Section 4.1: one step changes each stored weight by lr, whatever its layer's scale."""
    torch.manual_seed(0)
    for layer in (EqualizedLinear(4, 3), EqualizedLinear(400, 3)):
        before = layer.weight.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01, eps=1e-20)
        layer(torch.randn(2, layer.weight.shape[1])).square().sum().backward()
        optimizer.step()
        assert torch.allclose((layer.weight - before).abs(), torch.tensor(0.01), rtol=1e-3)


@pytest.mark.parametrize("shape", [(3, 6), (2, 6, 4, 5)], ids=str)
def test_pixel_norm_by_hand(shape: tuple[int, ...]) -> None:
    values = noise(*shape)
    a = values.numpy()
    expected = a / np.sqrt((a**2).sum(axis=1, keepdims=True) / 6 + 1e-8)
    np.testing.assert_allclose(PixelNorm()(values).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("count", "group", "sizes"), [(8, 4, 4), (4, 4, 4), (6, 4, 6), (6, 3, 3)])
def test_the_minibatch_standard_deviation_against_numpy(count: int, group: int, sizes: int) -> None:
    """One more map: std over the group, then the mean over everything else."""
    maps = noise(count, 3, 2, 2)
    found = MinibatchStd(group)(maps).numpy()
    assert found.shape == (count, 4, 2, 2)
    np.testing.assert_array_equal(found[:, :3], maps.numpy())
    groups = count // sizes
    for number in range(count):
        members = maps.numpy()[number % groups :: groups]
        assert len(members) == sizes
        expected = np.sqrt(members.var(axis=0) + 1e-8).mean()
        np.testing.assert_allclose(found[number, 3], expected, rtol=1e-12)


def test_the_minibatch_standard_deviation_has_a_gradient_where_samples_are_equal() -> None:
    maps = torch.ones(4, 2, 1, 1, requires_grad=True)
    MinibatchStd(4)(maps).sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


# Networks.


@pytest.mark.parametrize("output", ["linear", "tanh"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_fade_begins_with_the_stage_before_and_ends_with_the_new_one(
    shape: tuple[int, ...], output: str
) -> None:
    """Before tanh, alpha = 1/4 is 3/4 of the stage before, doubled, and 1/4 of the new one."""
    network, latents = generator(shape, output), noise(3, 5)
    bound = np.tanh if output == "tanh" else np.asarray
    for stage in range(1, network.stages):
        images = {}
        for level in (stage - 1, stage - 0.75, stage):
            network.grow(level)
            images[level] = network(latents).detach().numpy()
            assert images[level].shape == (3, *shape)
        before, new = images[stage - 1], images[stage]
        if output == "tanh":
            before, new = np.arctanh(before), np.arctanh(new)
        mixed = bound(0.75 * before + 0.25 * new)
        np.testing.assert_allclose(images[stage - 0.75], mixed, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_a_stage_have_no_finer_pixels_than_it(shape: tuple[int, ...]) -> None:
    network = generator(shape)
    for stage in range(network.stages):
        network.grow(stage)
        images = network(noise(2, 5)).detach().numpy()
        factor = 1 << (network.stages - 1 - stage)
        small = images[:, :, ::factor, ::factor]
        again = small
        while again.shape != images.shape:
            again = doubled(again)
        np.testing.assert_array_equal(again, images)
        if stage:  # and they use what it has
            coarse = doubled(halved(small))
            assert np.abs(coarse - small).max() > 1e-6


def spoilt(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(7.0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_whole_stage_has_no_trace_of_other_paths(shape: tuple[int, ...]) -> None:
    """Neither of the one that it replaces nor of those that come later; a fade has of both."""
    for level in (0.0, 1.0, 1.5, 2.0):
        made, judge = generator(shape), discriminator(shape)
        made.grow(level)
        judge.grow(level)
        latents = noise(4, 5)
        images = made(latents).detach()
        scores = judge(images).detach()
        upper = math.ceil(level)
        used = {upper} if level == upper else {upper - 1, upper}
        for number in range(made.stages):
            if number not in used:
                spoilt(made.to_colours[number])
                spoilt(judge.from_colours[number])
            if number > upper:
                spoilt(made.blocks[number - 1])
                spoilt(judge.blocks[number - 1])
        assert torch.equal(made(latents), images)
        assert torch.equal(judge(images), scores)
        for number in used:
            spoilt(made.to_colours[number])
            spoilt(judge.from_colours[number])
            changed = made(latents)
            assert not torch.equal(changed, images)
            assert not torch.equal(judge(images), scores)
            images, scores = changed.detach(), judge(changed).detach()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_discriminator_sees_means_of_pixels(shape: tuple[int, ...]) -> None:
    network = discriminator(shape)
    images = noise(4, *shape)
    for stage in range(network.stages):
        network.grow(stage)
        small = images.numpy()
        for _ in range(network.stages - 1 - stage):
            small = halved(small)
        again = small
        while again.shape != tuple(images.shape):
            again = doubled(again)
        scores = network(images).detach().numpy()
        np.testing.assert_allclose(network(torch.tensor(again)).detach().numpy(), scores, rtol=1e-9)
        if stage < network.stages - 1:
            assert np.abs(again - images.numpy()).max() > 0.1


def test_a_fading_discriminator_is_written_again() -> None:
    """Both paths by hand, from the layers of the network, at alpha = 0.25."""
    network, images = discriminator(group=0), noise(4, 1, 28, 28)
    network.grow(1.25)
    new = network.blocks[1](network.from_colours[2](images))
    old = network.from_colours[1](torch.tensor(halved(images.numpy())))
    maps = network.blocks[0](0.75 * old + 0.25 * new)
    expected = network.end(maps).flatten()
    assert torch.allclose(network(images), expected, rtol=1e-10, atol=1e-12)


def test_sizes_and_widths() -> None:
    """Table 2 in small: widths double as the side halves, up to the most."""
    made = ProgressiveGenerator(image_shape=(3, 64, 64), latent_dim=5, channels=4, max_channels=16)
    assert made.stages == 5
    assert [layer.weight.shape[1] for layer in made.to_colours] == [16, 16, 16, 8, 4]  # type: ignore[union-attr]
    assert generator((1, 28, 28)).stages == 3
    assert generator((3, 32, 32)).stages == 4


@pytest.mark.parametrize("shape", [(1, 28, 32), (1, 4, 4), (1, 30, 30), (2,)], ids=str)
def test_other_sizes_are_refused(shape: tuple[int, ...]) -> None:
    for make in (generator, discriminator):
        with pytest.raises(UsageError, match="progressive cannot work with"):
            make(shape)


@pytest.mark.parametrize("level", [-0.1, 2.1])
def test_other_levels_are_refused(level: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 2"):
        generator().grow(level)


def test_a_level_is_one_whole_number_in_a_buffer() -> None:
    network = generator()
    assert network.state_dict()["level"] == 2 * 65536
    network.grow(1.25)
    level = network.state_dict()["level"]
    assert (level.dtype, level.shape, int(level)) == (torch.int64, (), 81920)
    assert network.place() == (2, 0.25)
    assert place(0) == (0, 1.0)
    assert place(65536) == (1, 1.0)
    assert isinstance(network, Growing)
    assert not isinstance(nn.Linear(1, 1), Growing)


# Levels.


def by_hand(step: int, stable: int, fade: int, stages: int) -> Fraction:
    """Steps counted off one by one."""
    plan = [Fraction(0)] * stable
    for stage in range(1, stages):
        plan += [stage - 1 + Fraction(number, fade) for number in range(fade)]
        plan += [Fraction(stage)] * stable
    return plan[step] if step < len(plan) else Fraction(stages - 1)


@pytest.mark.parametrize(
    ("stable", "fade", "stages"), [(1, 0, 3), (1, 1, 4), (3, 4, 3), (5, 2, 2), (7, 64, 3)]
)
def test_levels_are_those_of_a_plan(stable: int, fade: int, stages: int) -> None:
    game = Progressive(loss=Wasserstein(), regularizers=(), stable_steps=stable, fade_steps=fade)
    for step in range(3 * (stable + fade) * stages):
        wanted = by_hand(step, stable, fade, stages)
        found = Fraction(game.level(step, stages))
        assert abs(found - wanted) < Fraction(1, 65536)
        assert 65536 % found.denominator == 0
        if 65536 % (fade or 1) == 0:
            assert found == wanted


@pytest.mark.parametrize("level", [0.0, 0.25, 1.0, 1.5, 2.0])
def test_real_images_are_faded_alike(level: float) -> None:
    images = noise(2, 1, 28, 28)
    sizes = [images.numpy()]
    for _ in range(2):
        sizes.append(halved(sizes[-1]))
    full = [sizes[0], doubled(sizes[1]), doubled(doubled(sizes[2]))][::-1]
    low, high = math.floor(level), math.ceil(level)
    expected = full[low] + (level - low) * (full[high] - full[low])
    np.testing.assert_allclose(seen_at(images, level, 3).numpy(), expected, rtol=1e-12, atol=1e-14)


# The game.


def trainer(
    made: nn.Module, judge: nn.Module, game: Progressive, shape: tuple[int, ...]
) -> Trainer:
    streams = Streams(0)
    samples = noise(16, *shape, seed=3).float()
    networks = {"generator": made, "discriminator": judge}
    return Trainer(
        game=game,
        networks=networks,
        optimizers={
            name: torch.optim.Adam(network.parameters(), lr=1e-3)
            for name, network in networks.items()
        },
        feed=ResidentFeed(Dataset(samples=samples), batch_size=8, streams=streams, device=CPU),
        latent=Latent(5),
        streams=streams,
        settings=Settings(total_steps=100, batch_size=8),
        device=CPU,
    )


def test_a_run_grows_and_tells() -> None:
    terms = [Term("gp", GradientPenalty(), 10.0), Term("drift", Drift(), 0.001)]
    game = Progressive(
        loss=Wasserstein(), regularizers=terms, stable_steps=2, fade_steps=2, d_steps=2
    )
    made, judge = generator().float(), discriminator().float()
    playing = trainer(made, judge, game, (1, 28, 28))
    seen = []
    for _ in range(12):
        values = playing.step()
        seen.append((values["discriminator/stage"].item(), values["discriminator/alpha"].item()))
        assert made.level == judge.level
        assert "generator/stage" not in values
    whole = [(0, 1), (0, 1), (0, 1), (1, 0.5), (1, 1), (1, 1), (1, 1), (2, 0.5)]
    assert seen == [*whole, *[(2, 1)] * 4]


def test_what_has_not_come_yet_does_not_learn() -> None:
    game = Progressive(loss=Wasserstein(), regularizers=(), stable_steps=2, fade_steps=0)
    made, judge = generator().float(), discriminator().float()
    playing = trainer(made, judge, game, (1, 28, 28))
    before = [p.detach().clone() for p in [*made.blocks.parameters(), *judge.blocks.parameters()]]
    playing.step()
    playing.step()
    after = [*made.blocks.parameters(), *judge.blocks.parameters()]
    assert all(map(torch.equal, before, after))
    playing.step()
    assert not torch.equal(before[0], after[0])


def test_a_play_that_fails_leaves_the_level() -> None:
    def fails(round: Any) -> Tensor:
        raise RuntimeError("broken")

    game = Progressive(
        loss=Wasserstein(), regularizers=[Term("bad", fails)], stable_steps=1, fade_steps=0
    )
    made, judge = generator().float(), discriminator().float()
    playing = trainer(made, judge, game, (1, 28, 28))
    with pytest.raises(RuntimeError, match="broken"):
        playing.step()
    assert made.level == judge.level == 2 * 65536


def test_networks_that_cannot_grow_are_refused() -> None:
    game = Progressive(loss=Wasserstein(), regularizers=())
    stiff = DCGANGenerator(image_shape=(1, 28, 28), latent_dim=5, channels=2)
    with pytest.raises(UsageError, match="generator that can grow, and DCGANGenerator") as caught:
        trainer(stiff, discriminator().float(), game, (1, 28, 28)).step()
    assert "generator: {use: progressive}" in str(caught.value.hint)
    judge = DCGANDiscriminator(image_shape=(1, 28, 28), channels=2)
    with pytest.raises(UsageError, match="discriminator that can grow, and DCGANDiscriminator"):
        trainer(generator().float(), judge, game, (1, 28, 28)).step()


def test_networks_of_different_sizes_are_refused() -> None:
    game = Progressive(loss=Wasserstein(), regularizers=())
    judge = discriminator((1, 56, 56)).float()
    with pytest.raises(UsageError, match="the generator at 3 and the discriminator at 4"):
        trainer(generator().float(), judge, game, (1, 28, 28)).step()


def test_drift_is_the_squared_score() -> None:
    class Fixed:
        def scores(self, side: str) -> Tensor:
            return {"real": torch.tensor([1.0, -2.0]), "fake": torch.tensor([5.0, 5.0])}[side]

    assert Drift()(Fixed()).tolist() == [1.0, 4.0]  # type: ignore[arg-type]
    assert Drift.default_weight == 0.001


def test_bad_options_are_refused() -> None:
    signature = read_signature(Progressive, "game")
    for options in ({"stable_steps": 0}, {"fade_steps": -1}, {"d_steps": 0}):
        assert len(signature.check(options)[1]) == 1
    signature = read_signature(ProgressiveDiscriminator, "discriminator")
    assert signature.injected == {"image_shape"}
    assert len(signature.check({"group": -1})[1]) == 1


# Whole runs.

TOTAL = 12
DATA = """
import torch
from ganforge import hookimpl
from ganforge.api import Dataset

class Tiles(Dataset):
    def __init__(self):
        generator = torch.Generator().manual_seed(3)
        tiles = torch.randint(0, 256, (37, 1, 16, 16), generator=generator, dtype=torch.uint8)
        super().__init__(samples=tiles)

@hookimpl
def register_datasets(register):
    register("tiles", Tiles, summary="noise")
"""
RECIPE = """
version: 1
name: exact
plugins: [acme_tiles.py]
dataset: {use: tiles}
latent: {dim: 6}
game: {use: progressive, stable_steps: 2, fade_steps: 3, d_steps: 2}
generator: {use: progressive, channels: 2, max_channels: 4}
discriminator: {use: progressive, channels: 2, max_channels: 4}
loss: {use: wasserstein}
regularizers: [{use: gradient_penalty}, {use: drift}]
optimizer:
  generator: {use: adam, lr: 1e-3, betas: [0.0, 0.99]}
  discriminator: {use: adam, lr: 1e-3, betas: [0.0, 0.99]}
ema: {decay: 0.9}
train: {steps: 12, batch_size: 8}
callbacks:
  - {use: sample_grid, enabled: false}
  - {use: loss_plot, enabled: false}
  - {use: checkpoint, every: 1000 steps}
"""


class StopAt(Callback):
    """Stops as a signal would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == self.step:
            run.request_stop("max_time")


def registry() -> Registry:
    found = load_registry()
    if not any(plugin.name == "progressive" for plugin in found.plugins):
        add_named(found, "ganforge_progressive", folder=PLUGINS)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Callable[[Path], Run]:
    """``start(folder)``: a run, all made anew as a new process makes it."""
    (tmp_path / "acme_tiles.py").write_text(DATA)
    path = tmp_path / "exact.yaml"
    path.write_text(RECIPE)

    def make(folder: Path) -> Run:
        recipe, _ = load(path, registry())
        folder.mkdir(exist_ok=True)
        prepared = build.prepare(recipe, device=CPU)
        return build.start(prepared, folder, tell=pytest.fail, quiet=True)

    return make


def leaves(value: Any, where: str = "") -> dict[str, Any]:
    """Every leaf of a state by its place; tensors as their type, shape and bytes."""
    if isinstance(value, Tensor):
        return {where: (value.dtype, value.shape, value.contiguous().numpy().tobytes())}
    if isinstance(value, dict):
        return {k: v for key in value for k, v in leaves(value[key], f"{where}.{key}").items()}
    if isinstance(value, list | tuple):
        pairs = enumerate(value)
        return {k: v for i, item in pairs for k, v in leaves(item, f"{where}.{i}").items()}
    return {where: value}


@pytest.mark.parametrize("stop", [1, 3, 4, 6, 9])
def test_a_run_cut_in_a_fade_ends_as_the_uninterrupted_one(
    start: Callable[[Path], Run], tmp_path: Path, stop: int
) -> None:
    straight = start(tmp_path / "straight")
    assert straight.play() == "finished"
    wanted = leaves(straight.trainer.state_dict())

    folder = tmp_path / "stopped"
    first = start(folder)
    first.callbacks = {**first.callbacks, "stop": StopAt(stop)}
    assert first.play() == "stopped"
    second = start(folder)
    found = checkpoint.load_newest(folder / "checkpoints", device=CPU, tell=pytest.fail)
    second.load_state_dict(found.state)
    assert second.play() == "finished"
    reached = leaves(second.trainer.state_dict())
    assert reached.keys() == wanted.keys()
    assert [key for key in wanted if reached[key] != wanted[key]] == []


def test_a_generator_exported_in_a_fade_makes_its_images(
    start: Callable[[Path], Run], tmp_path: Path
) -> None:
    run = start(tmp_path / "run")
    run.callbacks = {**run.callbacks, "stop": StopAt(4)}  # step 4 has seen level 1/3
    assert run.play() == "stopped"
    file = tmp_path / "run" / "generator.safetensors"
    exported = export.read(file, registry(), device=CPU)
    assert int(exported.network.get_buffer("level")) == 65536 // 3
    latents = noise(4, 6).float()
    images = exported(latents)
    assert torch.equal(images, run.sample(latents))
    assert torch.equal(images[:, :, ::2, ::2], images[:, :, 1::2, 1::2])  # 8x8 of 16x16
    judge = export.read(file.with_name("discriminator.safetensors"), registry(), device=CPU)
    assert int(judge.network.get_buffer("level")) == 65536 // 3


def test_the_plugin_keeps_its_contract() -> None:
    """But for a step of the game, should the stand-ins of the checks not be able to grow."""
    failed = [each for each in examine("ganforge_progressive") if each.failed]
    known = ("game progressive", "step")
    assert [str(f) for f in failed if (f.component, f.check) != known] == []
