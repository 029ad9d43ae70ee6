"""``ganforge generate``: the exported file alone is enough, and a seed is a picture."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from commandline import Ganforge
from PIL import Image

from ganforge.engine.streams import Streams
from ganforge_dcgan.models import DCGANDiscriminator, DCGANGenerator


def test_the_file_alone_gives_the_same_picture_byte_for_byte(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    shutil.copy(short_run / "generator.safetensors", tmp_path / "alone.safetensors")
    assert ganforge("generate", "alone.safetensors", "--seed", "7", "--out", "a.png").code == 0
    assert ganforge("generate", str(short_run), "--seed", "7", "--out", "b.png").code == 0
    assert ganforge("generate", "alone.safetensors", "--seed", "8", "--out", "c.png").code == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b
    assert a != c


def generator_of(run: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    network = DCGANGenerator(image_shape=(1, 28, 28), latent_dim=16, channels=8).eval()
    network.load_state_dict(safetensors.torch.load_file(run / "generator.safetensors"))
    return network.requires_grad_(False)


def pixels(sample: torch.Tensor) -> list[list[int]]:
    """What a sample ``(1, H, W)`` in [-1, 1] looks like as grey levels."""
    levels: list[list[int]] = ((sample[0] + 1) * 127.5).round().clamp(0, 255).int().tolist()
    return levels


def images(folder: Path) -> list[list[list[int]]]:
    return [np.asarray(Image.open(path)).tolist() for path in sorted(folder.iterdir())]


def test_the_picture_is_what_the_network_makes(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    done = ganforge("generate", str(short_run), "-n", "3", "--seed", "5", "--out-dir", "digits")
    assert done.out == "digits\n"
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == [
        "0000.png",
        "0001.png",
        "0002.png",
    ]
    latents = torch.randn(3, 16, generator=Streams(5).generator("generate"))
    expected = [pixels(sample) for sample in generator_of(short_run)(latents)]
    assert images(tmp_path / "digits") == expected


def test_best_of_keeps_what_the_discriminator_likes_best(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    arguments = ("-n", "4", "--best-of", "10", "--out-dir", "best")
    assert ganforge("generate", str(short_run), *arguments).code == 0
    latents = torch.randn(40, 16, generator=Streams(0).generator("generate"))
    samples = generator_of(short_run)(latents)
    judge = DCGANDiscriminator(image_shape=(1, 28, 28), channels=8).eval()
    judge.load_state_dict(safetensors.torch.load_file(short_run / "discriminator.safetensors"))
    with torch.no_grad():
        best = judge(samples).argsort(descending=True)[:4]
    assert images(tmp_path / "best") == [pixels(samples[int(index)]) for index in best]


def test_best_of_without_a_discriminator_says_what_is_missing(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    shutil.copy(short_run / "generator.safetensors", tmp_path / "alone.safetensors")
    done = ganforge("generate", "alone.safetensors", "--best-of", "5")
    assert done.code == 2
    assert "needs the discriminator" in done.err
    both = ganforge("generate", "alone.safetensors", "--out", "a.png", "--out-dir", "b")
    assert both.code == 2
    assert "exclude each other" in both.err
