"""Networks beside the usual two: refused before a run has a folder, and exported after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge import export
from ganforge.plugins import load_registry

Ganforge = Callable[..., Any]
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("recipe", "network", "other"),
    [
        ("mnist_cyclegan", "to_source", "dcgan"),
        ("mnist_cyclegan", "to_target", "dcgan"),
        ("mnist_bigan", "encoder", "infogan"),
    ],
)
def test_a_network_that_does_not_fit_its_game_leaves_no_folder(
    ganforge: Ganforge, tmp_path: Path, recipe: str, network: str, other: str
) -> None:
    for also in ([], ["--dry-run"]):
        done = ganforge("run", recipe, f"{network}={{use: {other}}}", "train.steps=1", *also)
        assert done.code == 2, done.err
        assert "Traceback" not in done.err
        assert other in done.err
    assert not list(tmp_path.iterdir())


def test_every_network_that_is_of_use_afterwards_is_written(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    def files(recipe: str) -> dict[str, export.Exported]:
        done = ganforge("run", recipe, "train={steps: 1, batch_size: 4}", "-q")
        assert done.code == 0, done.err
        found = sorted((tmp_path / done.out.strip()).glob("*.safetensors"))
        return {path.stem: export.read(path, load_registry(), device=CPU) for path in found}

    bigan = files("mnist_bigan")
    assert sorted(bigan) == ["encoder", "generator"]
    codes = bigan["encoder"](torch.zeros(3, 1, 28, 28))
    assert codes.shape == (3, bigan["generator"].latent.size)
    cycle = files("mnist_cyclegan")
    assert {name: one.facts["sampler"] for name, one in cycle.items()} == {
        "to_source": False,
        "to_target": True,
    }


def test_each_direction_of_a_translation_knows_its_own_domains(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    """The sampler is chosen where only the folder is named; any other generator by its file."""
    done = ganforge("run", "mnist_cyclegan", "train={steps: 1, batch_size: 4}", "-q")
    run = tmp_path / done.out.strip()
    Image.new("L", (28, 28)).save(tmp_path / "black.png")
    black = torch.full((1, 1, 28, 28), -1.0)
    for name, stem in (("", "to_target"), ("to_source.safetensors", "to_source")):
        out = tmp_path / f"{stem}.npy"
        done = ganforge("generate", str(run / name), "--source", "black.png", "--out", str(out))
        assert done.code == 0, done.err
        network = export.read(run / f"{stem}.safetensors", load_registry(), device=CPU)
        assert np.allclose(np.load(out), network(black).numpy(), atol=1e-6)
