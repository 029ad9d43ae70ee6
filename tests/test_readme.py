"""What the README shows is true: its plugin trains, its recipe is the shipped one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.reader import read_file, read_text
from ganforge.recipe.shipped import folder

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_plugin_of_the_readme_trains(tmp_path: Path) -> None:
    package = tmp_path / "acme_gan"
    package.mkdir()
    hooks, models = blocks("python")
    (package / "__init__.py").write_text(hooks)
    (package / "models.py").write_text(models)
    (entry_points,) = blocks("toml")
    info = tmp_path / "acme_gan-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gan\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        entry_points.replace("[project.entry-points.ganforge]", "[ganforge]").replace('"', "")
    )
    done = subprocess.run(
        [sys.executable, "-m", "ganforge", "run", "smoke", "generator.use=tiny", "train.steps=2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "tiny: 205,840 parameters" in done.stderr  # 16*256 + 256 + 256*784 + 784
    recipe = yaml.safe_load((tmp_path / "runs/smoke/00001/recipe.yaml").read_text())
    assert recipe["generator"] == {"use": "tiny", "units": 256}


def test_the_recipe_of_the_readme_is_the_shipped_one() -> None:
    (text,) = blocks("yaml")
    registry = load_registry()
    shown = check(read_text(text, name="README.md"), registry).plain()
    real = check(read_file(folder() / "mnist_dcgan.yaml"), registry).plain()
    for recipe in (shown, real):
        del recipe["callbacks"]
        recipe.pop("description", None)
    assert shown == real


@pytest.mark.parametrize("name", sorted(path.stem for path in folder().glob("*.yaml")))
def test_every_shipped_recipe_is_valid_and_starts_with_the_line_that_runs_it(name: str) -> None:
    path = folder() / f"{name}.yaml"
    assert path.read_text().startswith(f"# ganforge run recipes/{name}.yaml\n")
    assert check(read_file(path), load_registry()).head.name == name


def test_the_experiment_of_2019_is_as_it_was_written() -> None:
    recipe = check(read_file(folder() / "mnist_dcgan_2019.yaml"), load_registry()).plain()
    assert recipe["latent"] == {"dim": 100, "distribution": "uniform"}
    assert recipe["train"]["epochs"] == 150
    assert recipe["train"]["batch_size"] == 128
    assert recipe["game"]["discriminator_batch"] == "joint"
    for network in ("generator", "discriminator"):
        assert recipe[network] == {"use": "keras_dcgan"}
        optimizer = recipe["optimizer"][network]
        assert {"use": "sgd", "lr": 5e-4, "momentum": 0.9, "nesterov": True}.items() <= (
            optimizer.items()
        )
    (grid,) = (c for c in recipe["callbacks"] if c["use"] == "sample_grid")
    assert grid["every"] == "100 steps"
    assert grid["at_epochs"] == [1, 10, 30, 150]
