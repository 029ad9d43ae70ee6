"""PacGAN's networks for images, and the recipes for Stacked MNIST."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from benchmarks import stacked
from ganforge.api import UsageError
from ganforge_dcgan.pacgan import PacGANImageDiscriminator, PacGANImageGenerator, sizes

RECIPES = Path(__file__).parents[2] / "recipes"
STACKED = (3, 28, 28)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sides_are_halved_and_rounded_up() -> None:
    assert sizes(STACKED) == [(28, 28), (14, 14), (7, 7), (4, 4), (2, 2)]
    assert sizes((1, 33, 16)) == [(33, 16), (17, 8), (9, 4), (5, 2), (3, 1)]


def test_parameters_are_those_of_the_authors_code_without_biases_under_batch_norm() -> None:
    kernels = 25 * (512 * 256 + 256 * 128 + 128 * 64)
    norms = 2 * (512 + 256 + 128 + 64)
    generator = PacGANImageGenerator(image_shape=STACKED, latent_dim=100)
    assert count(generator) == 100 * 2048 + kernels + 25 * 64 * 3 + 3 + norms
    discriminator = PacGANImageDiscriminator(image_shape=STACKED)
    norms = 2 * (512 + 256 + 128)
    assert count(discriminator) == kernels + 25 * 64 * 3 + 64 + norms + 2048 + 1


@pytest.mark.parametrize("shape", [STACKED, (1, 33, 16), (2, 5, 9), (1, 1, 1)])
def test_images_of_any_size(shape: tuple[int, int, int]) -> None:
    generator = PacGANImageGenerator(image_shape=shape, latent_dim=5, channels=2)
    discriminator = PacGANImageDiscriminator(image_shape=shape, channels=2)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)


def test_the_generator_undoes_the_strides_of_the_discriminator() -> None:
    """With the same kernels, each layer of one is the adjoint of the other's: (Kx)·y = x·(K'y)."""
    torch.manual_seed(0)
    generator = PacGANImageGenerator(image_shape=STACKED, latent_dim=5, channels=2).double()
    discriminator = PacGANImageDiscriminator(image_shape=STACKED, channels=2).double()
    up = [layer for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)]
    down = [layer for layer in discriminator.layers if isinstance(layer, nn.Conv2d)]
    for side, transposed, conv in zip((28, 14, 7, 4), reversed(up), down, strict=True):
        x = torch.randn(2, conv.in_channels, side, side, dtype=torch.double)
        with torch.no_grad():
            transposed.weight.copy_(conv.weight)
            for layer in (transposed, conv):
                if layer.bias is not None:
                    layer.bias.zero_()
            y = torch.randn_like(conv(x))
            torch.testing.assert_close((conv(x) * y).sum(), (x * transposed(y)).sum())


def normalized(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Batch norm over (N, H, W) by its definition."""
    mean = maps.mean(dim=(0, 2, 3), keepdim=True)
    variance = (maps - mean).square().mean(dim=(0, 2, 3), keepdim=True)
    return (maps - mean) / torch.sqrt(variance + 1e-5) * scale[:, None, None] + shift[:, None, None]


def convolved(maps: Tensor, kernel: Tensor) -> Tensor:
    """A 5x5 convolution of stride 2 by products of patches, with two zeros on every side."""
    height, width = maps.shape[2:]
    patches = F.unfold(maps, 5, padding=2, stride=2)
    return (kernel.flatten(1) @ patches).unflatten(2, ((height + 1) // 2, (width + 1) // 2))


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_discriminator_written_a_second_time(norm: Any) -> None:
    torch.manual_seed(0)
    network = PacGANImageDiscriminator(image_shape=STACKED, channels=2, norm=norm).double()
    weights = [parameter.detach().normal_(0, 0.3) for parameter in network.parameters()]
    images = torch.randn(4, *STACKED, dtype=torch.double)
    rest = iter(weights)
    maps = convolved(images, next(rest)) + next(rest)[:, None, None]
    for _ in range(3):
        maps = torch.where(maps > 0, maps, 0.2 * maps)
        maps = convolved(maps, next(rest))
        if norm == "batch":
            maps = normalized(maps, next(rest), next(rest))
        else:
            maps = maps + next(rest)[:, None, None]
    maps = torch.where(maps > 0, maps, 0.2 * maps)
    wanted = (maps.flatten(1) * next(rest)).sum(dim=1) + next(rest)
    torch.testing.assert_close(network(images), wanted)
    assert next(rest, None) is None


def test_vectors_are_refused() -> None:
    with pytest.raises(UsageError, match=r"pacgan_images makes and judges images"):
        PacGANImageGenerator(image_shape=(2,), latent_dim=2)
    with pytest.raises(UsageError, match=r"pacgan_images makes and judges images"):
        PacGANImageDiscriminator(image_shape=(2,))


@pytest.mark.parametrize("name", sorted(stacked.PUBLISHED))
def test_recipes_follow_the_papers_protocol(name: str) -> None:
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    pack = 2 if name == "stacked_pacgan" else 1
    assert recipe["dataset"] == {"use": "stacked_mnist"}
    assert recipe["generator"]["use"] == recipe["discriminator"]["use"] == "pacgan_images"
    assert recipe["train"] == {"steps": stacked.PUBLISHED_STEPS, "batch_size": 64 * pack}
    if name == "stacked_r3gan":
        assert recipe["discriminator"]["norm"] == "none"
        return
    assert recipe["latent"] == {"dim": 100, "distribution": "uniform"}
    assert recipe["game"].get("pack", 1) == pack
    assert recipe["game"]["g_steps"] == 2
    for network in ("discriminator", "generator"):
        adam = recipe["optimizer"][network]
        assert (float(adam["lr"]), adam["betas"]) == (2e-4, [0.5, 0.999])


def test_the_table_says_what_part_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked, "SAMPLES", 2000)
    output = tmp_path / "stacked.md"
    asked = ["--steps", "1", "--channels", "1", "--seeds", "1", "--only", "stacked_pacgan"]
    stacked.main([*asked, "--device", "cpu", "--output", str(output)])
    note, _, head, _, made, real = output.read_text(encoding="utf-8").splitlines()
    assert note.startswith("1 steps a run (1e-05 of the published), networks of 1 channels (0.0156")
    assert head.split("|")[1].strip() == "recipe"
    assert [cell.strip() for cell in made.split("|")[1:-2]][3:] == ["1000.0", "0.06"]
    name, modes, kl = (cell.strip() for cell in real.split("|")[1:4])
    assert name == "real test digits"
    # Of 2,000 right samples 1,000 (1 - 1/1000)^2000 classes are missed, and as each is there k
    # times, k Poisson with a mean of 2, KL is E[k log(k / 2)] / 2.
    assert int(modes) == pytest.approx(1000 * (1 - 0.135), rel=0.03)
    terms = (k * math.log(k / 2) * math.exp(-2) * 2**k / math.factorial(k) for k in range(1, 30))
    assert float(kl) == pytest.approx(sum(terms) / 2, abs=0.05)
