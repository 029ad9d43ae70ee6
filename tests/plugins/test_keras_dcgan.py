"""The Keras DCGAN: Keras's own layer counts and defaults, and a second forward pass."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_keras_dcgan.models import KerasDCGANDiscriminator, KerasDCGANGenerator


def generator(side: int = 12, image_channels: int = 1) -> KerasDCGANGenerator:
    return KerasDCGANGenerator(image_shape=(image_channels, side, side), latent_dim=10)


def discriminator(side: int = 12, image_channels: int = 1) -> KerasDCGANDiscriminator:
    return KerasDCGANDiscriminator(image_shape=(image_channels, side, side))


@pytest.fixture(scope="module")
def of_the_source() -> tuple[KerasDCGANGenerator, KerasDCGANDiscriminator]:
    """The networks at the sizes of the source, freshly initialised; not to be changed."""
    torch.manual_seed(0)
    shape = (1, 28, 28)
    return (
        KerasDCGANGenerator(image_shape=shape, latent_dim=100),
        KerasDCGANDiscriminator(image_shape=shape),
    )


def layer_counts(network: nn.Module) -> list[int]:
    """The trainable numbers of each layer that has any, in order."""
    layers = [layer for layer in network.modules() if list(layer.parameters(recurse=False))]
    return [sum(parameter.numel() for parameter in layer.parameters()) for layer in layers]


def layers_of(network: nn.Module) -> list[type[nn.Module]]:
    return [type(layer) for layer in network.modules() if not list(layer.children())]


# Registration


def test_the_hook_module_is_torch_free_and_names_both_networks() -> None:
    code = (
        "import sys, ganforge_keras_dcgan as p\n"
        "add = lambda name, target, summary='': print(name, target, bool(summary))\n"
        "p.register_generators(add); p.register_discriminators(add)\n"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert shown[:3] == [
        "keras_dcgan ganforge_keras_dcgan.models:KerasDCGANGenerator True",
        "keras_dcgan ganforge_keras_dcgan.models:KerasDCGANDiscriminator True",
        "False",
    ]
    module = importlib.import_module("ganforge_keras_dcgan.models")
    assert issubclass(module.KerasDCGANGenerator, nn.Module)
    assert issubclass(module.KerasDCGANDiscriminator, nn.Module)


def test_there_are_no_options() -> None:
    assert list(inspect.signature(KerasDCGANGenerator).parameters) == ["image_shape", "latent_dim"]
    assert list(inspect.signature(KerasDCGANDiscriminator).parameters) == ["image_shape"]


# Layers and their parameters, as Keras's summary lists them


def test_generator_layers(
    of_the_source: tuple[KerasDCGANGenerator, KerasDCGANDiscriminator],
) -> None:
    network, _ = of_the_source
    counts = layer_counts(network)
    assert counts == [
        100 * 1024 + 1024,
        1024 * 6272 + 6272,  # 6272 = 128 * 7 * 7
        2 * 6272,  # gamma and beta of every unit
        5 * 5 * 128 * 64 + 64,
        5 * 5 * 64 * 1 + 1,
    ]
    assert counts == [103_424, 6_428_800, 12_544, 204_864, 1_601]
    assert layers_of(network) == [
        nn.Linear,
        nn.Tanh,
        nn.Linear,
        nn.BatchNorm1d,
        nn.Tanh,
        nn.Unflatten,
        nn.Upsample,
        nn.Conv2d,
        nn.Tanh,
        nn.Upsample,
        nn.Conv2d,
        nn.Tanh,
    ]


def test_discriminator_layers(
    of_the_source: tuple[KerasDCGANGenerator, KerasDCGANDiscriminator],
) -> None:
    _, network = of_the_source
    counts = layer_counts(network)
    assert counts == [
        5 * 5 * 1 * 64 + 64,
        5 * 5 * 64 * 128 + 128,
        3200 * 1024 + 1024,  # 3200 = 128 * 5 * 5
        1024 * 1 + 1,
    ]
    assert counts == [1_664, 204_928, 3_277_824, 1_025]


# Sizes


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("side", [12, 28, 32, 64])
def test_shapes_and_ranges(side: int, image_channels: int) -> None:
    with torch.device("meta"):  # the widest have 30 million weights; shapes need none of them
        images = generator(side, image_channels)(torch.empty(3, 10))
        logits = discriminator(side, image_channels)(images)
    assert images.shape == (3, image_channels, side, side)
    assert logits.shape == (3,)


def test_images_lie_in_the_range_of_tanh() -> None:
    images = generator()(torch.randn(8, 10) * 10)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert images.min() < 0 < images.max()


def test_one_sample_gives_one_logit_and_not_a_scalar() -> None:
    assert discriminator()(torch.zeros(1, 1, 12, 12)).shape == (1,)


@pytest.mark.parametrize(
    ("height", "width", "features"),
    [(12, 12, 1), (14, 14, 1), (15, 15, 1), (16, 16, 4), (17, 19, 4), (28, 40, 5 * 8)],
)
def test_the_discriminator_takes_any_size_that_its_poolings_leave_something_of(
    height: int, width: int, features: int
) -> None:
    with torch.device("meta"):
        network = KerasDCGANDiscriminator(image_shape=(3, height, width))
        assert network(torch.empty(2, 3, height, width)).shape == (2,)
    assert layer_counts(network)[2] == 128 * features * 1024 + 1024


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((1, 30, 30), "32x32"),
        ((1, 28, 32), "32x32"),
        ((1, 14, 14), "16x16"),
        ((3, 6, 6), "12x12"),
        ((3, 0, 0), "12x12"),
        ((3, 65, 65), "64x64"),
    ],
)
def test_a_generator_of_an_impossible_size_says_which_work(
    shape: tuple[int, int, int], wanted: str
) -> None:
    with pytest.raises(UsageError) as error:
        KerasDCGANGenerator(image_shape=shape, latent_dim=10)
    assert error.value.message == (
        f"The generator keras_dcgan cannot make {shape[1]}x{shape[2]} images: it makes square "
        "images whose side is a multiple of 4, such as 12, 16, 28, 32 or 64."
    )
    hint = f"Resize or pad the images to {wanted}, or choose another generator."
    assert error.value.hint == hint


@pytest.mark.parametrize("shape", [(1, 11, 11), (1, 28, 8), (1, 4, 28)])
def test_a_discriminator_of_too_small_images_says_which_work(shape: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError) as error:
        KerasDCGANDiscriminator(image_shape=shape)
    assert error.value.message == (
        f"The discriminator keras_dcgan cannot judge {shape[1]}x{shape[2]} images: it needs "
        "12x12 or larger."
    )
    assert error.value.hint == (
        "Resize or pad the images to at least 12x12, or choose another discriminator."
    )


# Keras's defaults


def test_weights_are_glorot_uniform_and_biases_zero(
    of_the_source: tuple[KerasDCGANGenerator, KerasDCGANDiscriminator],
) -> None:
    fans = [
        (100, 1024),
        (1024, 6272),
        (25 * 128, 25 * 64),
        (25 * 64, 25 * 1),
        (25 * 1, 25 * 64),
        (25 * 64, 25 * 128),
        (3200, 1024),
        (1024, 1),
    ]
    layers = [
        layer
        for network in of_the_source
        for layer in network.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    for layer, (fan_in, fan_out) in zip(layers, fans, strict=True):
        bound = (6 / (fan_in + fan_out)) ** 0.5
        weight = layer.weight.detach()
        assert 0.98 * bound < weight.abs().max() <= bound
        # Five standard errors of a uniform's mean, and of its deviation (kurtosis 9/5).
        std, numbers = bound / 3**0.5, weight.numel()
        assert weight.mean().item() == pytest.approx(0, abs=5 * std / numbers**0.5)
        assert weight.std().item() == pytest.approx(std, abs=5 * std * (0.2 / numbers) ** 0.5)
        assert layer.bias is not None
        assert not layer.bias.any()


def test_batch_norm_starts_and_moves_as_in_keras() -> None:
    torch.manual_seed(1)
    network = generator()
    (norm,) = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d)]
    assert norm.eps == 1e-3
    assert torch.equal(norm.weight, torch.ones(128 * 3 * 3))
    assert not norm.bias.any()
    seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    network(torch.randn(6, 10))
    (dense,) = seen
    assert norm.running_mean is not None
    assert norm.running_var is not None
    # moving = 0.99 * moving + 0.01 * batch, from 0 and 1, with the unbiased variance.
    variance = (dense - dense.mean(0)).square().sum(0) / (6 - 1)
    torch.testing.assert_close(norm.running_mean, 0.01 * dense.mean(0))
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * variance)


def test_the_same_seed_gives_the_same_weights() -> None:
    for build in (generator, discriminator):
        torch.manual_seed(2)
        first = build().state_dict()
        torch.manual_seed(2)
        again = build().state_dict()
        other = build().state_dict()
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert not all(torch.equal(first[key], other[key]) for key in first)


# The forward pass, a second time


def randomized(network: nn.Module) -> list[Tensor]:
    """The network's parameters in order, small and random: a bias of 0 would hide its absence."""
    parameters = [parameter.detach() for parameter in network.parameters()]
    for parameter in parameters:
        parameter.normal_(0, 0.1)
    return parameters


def same(maps: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """A 'same' 5x5 convolution: two zeros on every side."""
    return F.conv2d(F.pad(maps, (2, 2, 2, 2)), kernel, bias)


def halved(maps: Tensor) -> Tensor:
    """The largest of every 2x2 block."""
    n, c, h, w = maps.shape
    return maps.reshape(n, c, h // 2, 2, w // 2, 2).amax(dim=(3, 5))


def test_generator_forward() -> None:
    torch.manual_seed(3)
    network = generator(12, 3).double()
    w1, b1, w2, b2, gamma, beta, k1, c1, k2, c2 = randomized(network)
    latents = torch.rand(5, 10, dtype=torch.float64) * 2 - 1
    units = torch.tanh(latents @ w1.T + b1) @ w2.T + b2
    variance = (units - units.mean(0)).square().mean(0)
    units = (units - units.mean(0)) / torch.sqrt(variance + 1e-3) * gamma + beta
    maps = torch.tanh(units).reshape(5, 128, 3, 3)
    for kernel, bias in ((k1, c1), (k2, c2)):
        doubled = maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        maps = torch.tanh(same(doubled, kernel, bias))
    torch.testing.assert_close(network(latents), maps)


def test_discriminator_forward() -> None:
    torch.manual_seed(4)
    network = discriminator(16, 3).double()
    k1, c1, k2, c2, w1, b1, w2, b2 = randomized(network)
    images = torch.rand(5, 3, 16, 16, dtype=torch.float64) * 2 - 1
    maps = halved(torch.tanh(same(images, k1, c1)))
    maps = halved(torch.tanh(F.conv2d(maps, k2, c2)))
    hidden = torch.tanh(maps.reshape(5, 512) @ w1.T + b1)
    expected = (hidden * w2).sum(1) + b2
    torch.testing.assert_close(network(images), expected)


# Gradients and state


def test_gradients_reach_every_parameter_but_the_bias_that_batch_norm_cancels() -> None:
    torch.manual_seed(5)
    maker, judge = generator().double(), discriminator().double()
    judge(maker(torch.randn(4, 10, dtype=torch.float64))).square().sum().backward()
    for name, parameter in [*maker.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        size = parameter.grad.abs().max()
        assert size < 1e-12 if name == "dense.2.bias" else size > 1e-9, name


def test_double_backward_agrees_with_finite_differences() -> None:
    torch.manual_seed(6)
    network = discriminator().double()
    images = torch.randn(3, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    kernel = next(network.parameters())
    direction = torch.randn_like(kernel)

    def penalty() -> Tensor:
        (slope,) = torch.autograd.grad(network(images).sum(), images, create_graph=True)
        return slope.square().sum()

    (gradient,) = torch.autograd.grad(penalty(), kernel)
    step = 1e-6
    with torch.no_grad():
        kernel.add_(direction, alpha=step)
    above = penalty().item()
    with torch.no_grad():
        kernel.sub_(direction, alpha=2 * step)
    below = penalty().item()
    expected = (above - below) / (2 * step)
    assert expected != 0
    assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-4)


def test_state_dict_round_trip() -> None:
    latents = torch.randn(4, 10)
    maker, judge = generator(), discriminator()
    images = maker(latents)  # moves the running statistics, which must travel too
    other_maker, other_judge = generator(), discriminator()
    other_maker.load_state_dict(maker.state_dict())
    other_judge.load_state_dict(judge.state_dict())
    for network in (maker, judge, other_maker, other_judge):
        network.eval()
    assert torch.equal(maker(latents), other_maker(latents))
    assert torch.equal(judge(images), other_judge(images))
