"""Every recipe that ships plays, draws what it shows, saves, and can be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from ganforge import build
from ganforge.engine import checkpoint
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import folder

RECIPES = sorted(path.stem for path in folder().glob("*.yaml"))
LARGE = {"mnist_dcgan_2019"}
"""A step of these takes seconds, and other tests play them."""
STEPS = 2


def small(file: Path) -> list[str]:
    """Overrides that leave of a recipe's cost what its parts need to be played."""
    found = []
    recipe = yaml.safe_load(file.read_text(encoding="utf-8"))
    for place, callback in enumerate(recipe.get("callbacks", ())):
        if callback["use"] == "evaluate":
            found += [f"callbacks.{place}.samples=100", f"callbacks.{place}.references=100"]
    for network in ("generator", "discriminator"):
        if recipe.get(network, {}).get("use") == "pacgan_images":
            found.append(f"{network}.channels=4")
    return found


def started(name: str, home: Path, steps: int) -> build.Run:
    file = folder() / f"{name}.yaml"
    overrides = [f"train.steps={steps}", "train.epochs=null", *small(file)]
    recipe, _ = load(file, load_registry(), overrides)
    prepared = build.prepare(recipe, device=torch.device("cpu"))
    return build.start(prepared, home, tell=pytest.fail, quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in LARGE])
def test_it_plays_and_can_be_resumed(name: str, tmp_path: Path) -> None:
    run = started(name, tmp_path, STEPS)
    assert run.play() == "finished"
    pictures = sorted((tmp_path / "samples").glob("*.png"))
    assert pictures
    for file in pictures:
        with Image.open(file) as picture:
            assert min(picture.size) > 20
            assert len(picture.convert("L").getcolors() or ()) > 1  # not one grey
    assert (tmp_path / f"{run.trainer.game.sampler}.safetensors").is_file()

    again = started(name, tmp_path, STEPS + 1)
    found = checkpoint.load_newest(
        tmp_path / "checkpoints", device=torch.device("cpu"), tell=pytest.fail
    )
    again.load_state_dict(found.state)
    assert again.clock.step == STEPS
    assert again.play() == "finished"


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "smoke"])
def test_it_says_what_to_expect(name: str) -> None:
    recipe, _ = load(folder() / f"{name}.yaml", load_registry(), [])
    assert recipe.head.name == name
    assert recipe.head.description
    assert recipe.head.expected_time
    assert recipe.head.expected_time.endswith("on 2 CPU cores")
    head = (folder() / f"{name}.yaml").read_text().partition("version: 1")[0]
    # What comes of it, as seen: below the two lines that every recipe begins with.
    assert len([line for line in head.splitlines() if line.startswith("# ")]) > 2
