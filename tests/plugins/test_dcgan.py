"""DCGAN: sizes, parameter counts, initialisation and a forward pass written a second time."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_dcgan.models import DCGANDiscriminator, DCGANGenerator, factorize

VALID_SIDES = {8: (4, 1), 14: (7, 1), 16: (4, 2), 28: (7, 2), 32: (4, 3), 56: (7, 3), 64: (4, 4)}
WRONG_SHAPES = [(1, 30, 30), (1, 28, 32), (3, 4, 4), (1, 7, 7), (1, 20, 20), (1, 1, 1), (1, 21, 21)]


def generator(side: int = 28, image_channels: int = 1, channels: int = 4) -> DCGANGenerator:
    shape = (image_channels, side, side)
    return DCGANGenerator(image_shape=shape, latent_dim=10, channels=channels)


def discriminator(
    side: int = 28, image_channels: int = 1, channels: int = 4, norm: str = "batch"
) -> DCGANDiscriminator:
    shape = (image_channels, side, side)
    return DCGANDiscriminator(image_shape=shape, channels=channels, norm=norm)  # type: ignore[arg-type]


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def randomized(network: nn.Module) -> list[Tensor]:
    """The network's parameters in order, small and random: a bias of 0 would hide its absence."""
    parameters = [parameter.detach() for parameter in network.parameters()]
    for parameter in parameters:
        parameter.normal_(0, 0.3)
    return parameters


def batch_norm(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Batch norm over (N, H, W) by its definition, with the batch's own biased variance."""
    mean = maps.mean(dim=(0, 2, 3), keepdim=True)
    variance = (maps - mean).square().mean(dim=(0, 2, 3), keepdim=True)
    normal = (maps - mean) / torch.sqrt(variance + 1e-5)
    return normal * scale[:, None, None] + shift[:, None, None]


# Registration


def test_the_hook_module_is_torch_free_and_names_its_networks() -> None:
    code = (
        "import sys, ganforge_dcgan as p\n"
        "add = lambda name, target, summary='': print(name, target, bool(summary))\n"
        "p.register_generators(add); p.register_discriminators(add)\n"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert shown[:7] == [
        "dcgan ganforge_dcgan.models:DCGANGenerator True",
        "dcgan_fast ganforge_dcgan.fast:FastGenerator True",
        "pacgan_images ganforge_dcgan.pacgan:PacGANImageGenerator True",
        "dcgan ganforge_dcgan.models:DCGANDiscriminator True",
        "dcgan_fast ganforge_dcgan.fast:FastDiscriminator True",
        "pacgan_images ganforge_dcgan.pacgan:PacGANImageDiscriminator True",
        "False",
    ]
    module = importlib.import_module("ganforge_dcgan.models")
    assert issubclass(module.DCGANGenerator, nn.Module)
    assert issubclass(module.DCGANDiscriminator, nn.Module)


@pytest.mark.parametrize("network", [DCGANGenerator, DCGANDiscriminator])
def test_options_are_keywords_that_pydantic_can_check(network: type[nn.Module]) -> None:
    parameters = list(inspect.signature(network).parameters.values())
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}
    channels = TypeAdapter(get_type_hints(network.__init__, include_extras=True)["channels"])
    assert channels.validate_python(1, strict=True) == 1
    for wrong in (0, "64", 1.5):
        with pytest.raises(ValidationError):
            channels.validate_python(wrong, strict=True)


# Sizes


@pytest.mark.parametrize(("side", "expected"), VALID_SIDES.items())
def test_a_side_is_a_base_doubled(side: int, expected: tuple[int, int]) -> None:
    assert factorize((1, side, side)) == expected


def test_every_other_side_up_to_300_is_refused() -> None:
    valid = {8, 16, 32, 64, 128, 256, 14, 28, 56, 112, 224}
    for side in range(301):
        if side in valid:
            factorize((3, side, side))
        else:
            with pytest.raises(UsageError):
                factorize((3, side, side))


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("side", VALID_SIDES)
def test_shapes_and_ranges(side: int, image_channels: int) -> None:
    images = generator(side, image_channels)(torch.randn(3, 10))
    assert images.shape == (3, image_channels, side, side)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert images.min() < 0 < images.max()
    assert discriminator(side, image_channels)(images).shape == (3,)


def test_one_sample_gives_one_logit_and_not_a_scalar() -> None:
    assert discriminator(norm="none")(torch.zeros(1, 1, 28, 28)).shape == (1,)


@pytest.mark.parametrize("shape", WRONG_SHAPES)
def test_an_impossible_size_says_which_sizes_work(shape: tuple[int, int, int]) -> None:
    message = (
        f"dcgan cannot work with {shape[1]}x{shape[2]} images: it needs square images whose side "
        "is 4*2^k or 7*2^k with k >= 1, such as 8, 14, 16, 28, 32, 56, 64, 112 or 128."
    )
    with pytest.raises(UsageError) as of_generator:
        DCGANGenerator(image_shape=shape, latent_dim=10)
    with pytest.raises(UsageError) as of_discriminator:
        DCGANDiscriminator(image_shape=shape)
    assert of_generator.value.message == of_discriminator.value.message == message


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((1, 30, 30), "28x28 or 32x32"),
        ((1, 28, 31), "28x28 or 32x32"),
        ((1, 100, 100), "64x64 or 112x112"),
        ((1, 1000, 1000), "896x896 or 1024x1024"),
        ((1, 28, 32), "32x32 or 56x56"),
        ((1, 4, 4), "8x8"),
        ((1, 1, 1), "8x8"),
    ],
)
def test_the_hint_names_the_nearest_sizes(shape: tuple[int, int, int], sizes: str) -> None:
    with pytest.raises(UsageError) as error:
        factorize(shape)
    hint = f"Resize or pad the images to {sizes}, or choose another architecture."
    assert error.value.hint == hint


# Parameter counts, by hand. 16 is the area of a 4x4 kernel; batch norm has 2 numbers a map.


def test_parameters_for_mnist() -> None:
    network = DCGANGenerator(image_shape=(1, 28, 28), latent_dim=100, channels=64)
    project = 100 * (128 * 7 * 7) + 2 * 128
    assert count(network) == project + (128 * 64 * 16 + 2 * 64) + (64 * 1 * 16 + 1) == 759_681

    judge = DCGANDiscriminator(image_shape=(1, 28, 28), channels=64)
    expected = (1 * 64 * 16 + 64) + (64 * 128 * 16 + 2 * 128) + (128 * 7 * 7 + 1)
    assert count(judge) == expected == 138_689


def test_parameters_at_the_width_of_the_paper() -> None:
    with torch.device("meta"):
        network = DCGANGenerator(image_shape=(3, 64, 64), latent_dim=100, channels=128)
        judge = DCGANDiscriminator(image_shape=(3, 64, 64), channels=128)
    assert count(network) == (
        (100 * (1024 * 4 * 4) + 2 * 1024)
        + (1024 * 512 * 16 + 2 * 512)
        + (512 * 256 * 16 + 2 * 256)
        + (256 * 128 * 16 + 2 * 128)
        + (128 * 3 * 16 + 3)
    )
    assert count(judge) == (
        (3 * 128 * 16 + 128)
        + (128 * 256 * 16 + 2 * 256)
        + (256 * 512 * 16 + 2 * 512)
        + (512 * 1024 * 16 + 2 * 1024)
        + (1024 * 4 * 4 + 1)
    )


def test_without_norm_the_convolutions_get_their_biases_back() -> None:
    network = DCGANDiscriminator(image_shape=(1, 28, 28), channels=64, norm="none")
    expected = (1 * 64 * 16 + 64) + (64 * 128 * 16 + 128) + (128 * 7 * 7 + 1)
    assert count(network) == expected
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


# Initialisation


@pytest.mark.parametrize(
    "network",
    [
        lambda: generator(32, 3, channels=32),
        lambda: discriminator(32, 3, channels=32),
        lambda: discriminator(32, 3, channels=32, norm="none"),
    ],
)
def test_initial_weights(network) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    for name, parameter in network().named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
            continue
        # A vector is a batch norm's scale; everything else is a kernel or a matrix.
        mean, numbers = (1.0 if parameter.dim() == 1 else 0.0), parameter.numel()
        # Five standard errors, of a mean (s / sqrt n) and of a deviation (s / sqrt 2n).
        assert parameter.mean().item() == pytest.approx(mean, abs=5 * 0.02 / numbers**0.5), name
        assert parameter.std().item() == pytest.approx(0.02, abs=5 * 0.02 / (2 * numbers) ** 0.5)


def test_the_same_seed_gives_the_same_weights() -> None:
    for build in (generator, discriminator):
        torch.manual_seed(1)
        first = build().state_dict()
        torch.manual_seed(1)
        again = build().state_dict()
        other = build().state_dict()
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert not all(torch.equal(first[key], other[key]) for key in first)


# The forward pass, a second time


def test_generator_forward() -> None:
    torch.manual_seed(2)
    network = generator(28, 3).double()
    latents = torch.randn(5, 10, dtype=torch.float64)
    dense, s1, b1, up1, s2, b2, up2, bias = randomized(network)
    maps = (latents @ dense.T).reshape(5, 8, 7, 7)
    maps = batch_norm(maps, s1, b1).clamp(min=0)
    maps = batch_norm(F.conv_transpose2d(maps, up1, stride=2, padding=1), s2, b2).clamp(min=0)
    expected = torch.tanh(F.conv_transpose2d(maps, up2, bias, stride=2, padding=1))
    torch.testing.assert_close(network(latents), expected)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_discriminator_forward(norm: str) -> None:
    torch.manual_seed(3)
    network = discriminator(32, 3, norm=norm).double()
    weights = randomized(network)
    images = torch.rand(5, 3, 32, 32, dtype=torch.float64) * 2 - 1
    maps = F.conv2d(images, weights[0], weights[1], stride=2, padding=1)
    maps = torch.where(maps > 0, maps, 0.2 * maps)
    rest = weights[2:]
    for _ in range(2):  # 16 -> 8 -> 4
        if norm == "batch":
            kernel, scale, shift, *rest = rest
            maps = batch_norm(F.conv2d(maps, kernel, stride=2, padding=1), scale, shift)
        else:
            kernel, bias, *rest = rest
            maps = F.conv2d(maps, kernel, bias, stride=2, padding=1)
        maps = torch.where(maps > 0, maps, 0.2 * maps)
    kernel, bias = rest
    expected = (maps.flatten(1) * kernel.flatten()).sum(1) + bias
    torch.testing.assert_close(network(images), expected)


def test_without_norm_samples_do_not_see_each_other() -> None:
    images = torch.randn(4, 1, 28, 28)
    changed = torch.cat([images[:1], images[1:] * 3])
    alone, batched = discriminator(norm="none"), discriminator(norm="batch")
    torch.testing.assert_close(alone(images)[0], alone(changed)[0])
    assert (batched(images)[0] - batched(changed)[0]).abs() > 1e-4


# Gradients and state


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gradients_reach_every_parameter(norm: str) -> None:
    torch.manual_seed(4)
    maker, judge = generator(16), discriminator(16, norm=norm)
    judge(maker(torch.randn(4, 10))).square().sum().backward()
    for name, parameter in [*maker.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_double_backward_agrees_with_finite_differences(norm: str) -> None:
    torch.manual_seed(5)
    network = discriminator(16, norm=norm).double()
    images = torch.randn(3, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    kernel = next(network.parameters())
    direction = torch.randn_like(kernel)

    def penalty() -> Tensor:
        (slope,) = torch.autograd.grad(network(images).sum(), images, create_graph=True)
        return (slope.square() * torch.linspace(1, 2, 16, dtype=torch.float64)).sum()

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
    maker, judge = generator(14), discriminator(14)
    images = maker(latents)  # moves the running statistics, which must travel too
    judge(images)
    other_maker, other_judge = generator(14), discriminator(14)
    other_maker.load_state_dict(maker.state_dict())
    other_judge.load_state_dict(judge.state_dict())
    for network in (maker, judge, other_maker, other_judge):
        network.eval()
    assert torch.equal(maker(latents), other_maker(latents))
    assert torch.equal(judge(images), other_judge(images))
