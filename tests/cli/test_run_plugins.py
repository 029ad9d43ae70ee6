"""Plugin files in a run: ``-p``, the recipe's ``plugins``, and the copies that a run keeps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from commandline import Ganforge

ARCHITECTURE = """
from math import prod
from torch import nn
from ganforge import hookimpl


@hookimpl
def register_generators(register):
    register("tiny", "my_arch{part}:Tiny", summary="one layer")
"""
NETWORK = '''
from math import prod
from torch import nn


class Tiny(nn.Module):
    """One layer."""

    def __init__(self, *, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, prod(image_shape)), nn.Tanh(), nn.Unflatten(1, image_shape)
        )

    def forward(self, latents):
        return self.layers(latents)
'''
TINY = ["generator.use=tiny", "train.steps=2", "-q"]


def write_file(folder: Path) -> Path:
    path = folder / "my_arch.py"
    path.write_text(ARCHITECTURE.replace("{part}", "") + NETWORK)
    return path


def write_package(folder: Path) -> Path:
    path = folder / "my_arch"
    path.mkdir()
    (path / "__init__.py").write_text(ARCHITECTURE.replace("{part}", ".networks"))
    (path / "networks.py").write_text(NETWORK)
    return path


def recipe_with(plugin: str) -> str:
    text = (Path(__file__).parents[2] / "recipes" / "smoke.yaml").read_text()
    return text.replace("name: smoke\n", f"name: smoke\nplugins: [{plugin}]\n").replace(
        "generator:     {use: dcgan, channels: 8}", "generator:     {use: tiny}"
    )


@pytest.mark.parametrize("kind", ["file", "package"])
def test_a_run_is_whole_without_the_original(
    in_process: Ganforge, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "lab").mkdir()
    path = write_file(tmp_path / "lab") if kind == "file" else write_package(tmp_path / "lab")
    (tmp_path / "lab" / "r.yaml").write_text(recipe_with(f"./{path.name}"))
    done = in_process("run", "lab/r.yaml", "train.steps=2", "-q")
    assert done.code == 0, done.err
    run = tmp_path / "runs" / "smoke" / "00001"
    kept = run / "plugins" / path.name
    files = [kept] if kind == "file" else sorted(kept.glob("*"))
    originals = [path] if kind == "file" else sorted(path.glob("*.py"))
    assert [file.read_text() for file in files] == [file.read_text() for file in originals]
    assert yaml.safe_load((run / "recipe.yaml").read_text())["plugins"] == [f"plugins/{path.name}"]

    shutil.rmtree(tmp_path / "lab")
    assert in_process("resume", str(run), "train.steps=3", "-q").code == 0
    assert yaml.safe_load((run / "recipe.yaml").read_text())["plugins"] == [f"plugins/{path.name}"]
    assert in_process("generate", str(run), "-n", "4", "--out", "whole.png").code == 0

    shutil.copy(run / "generator.safetensors", tmp_path / "alone.safetensors")
    alone = in_process("generate", "alone.safetensors", "-n", "4", "--out", "alone.png")
    assert alone.code == 1
    assert f"needs generator 'my_arch:tiny' of the file {path.name}" in alone.err
    assert f"Load it with -p {path.name}" in alone.err
    again = ["generate", "alone.safetensors", "-n", "4", "--out", "alone.png"]
    assert in_process(*again, "-p", str(kept)).code == 0
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


@pytest.mark.parametrize("before", [True, False], ids=["before", "behind"])
def test_a_plugin_named_on_the_command_line_is_kept_too(
    in_process: Ganforge, tmp_path: Path, before: bool
) -> None:
    write_file(tmp_path)
    option = ["-p", "my_arch.py"]
    words = [*option, "run", "smoke", *TINY] if before else ["run", "smoke", *TINY, *option]
    done = in_process(*words)
    assert done.code == 0, done.err
    run = tmp_path / "runs" / "smoke" / "00001"
    assert (run / "plugins" / "my_arch.py").is_file()
    # The original, named again, is the same plugin; another of that name is not.
    assert in_process("generate", str(run), "-n", "1", *option).code == 0
    (tmp_path / "my_arch.py").write_text(ARCHITECTURE.replace("{part}", "") + NETWORK + "\n# new\n")
    other = in_process("resume", str(run), "train.steps=3", *option)
    assert other.code == 2
    assert "has the name of another plugin" in other.err
    (tmp_path / "my_arch.py").unlink()
    assert in_process("resume", str(run), "train.steps=3", "-q").code == 0


def test_a_package_named_on_the_command_line_is_kept_too(
    in_process: Ganforge, tmp_path: Path
) -> None:
    path = write_package(tmp_path)
    done = in_process("run", "smoke", *TINY, "-p", "./my_arch")
    assert done.code == 0, done.err
    shutil.rmtree(path)
    run = tmp_path / "runs" / "smoke" / "00001"
    assert yaml.safe_load((run / "recipe.yaml").read_text())["plugins"] == ["plugins/my_arch"]
    assert in_process("resume", str(run), "train.steps=3", "-q").code == 0
    assert in_process("generate", str(run), "-n", "1").code == 0
    # A run of a run's recipe keeps a copy of its own.
    again = in_process("run", str(run / "recipe.yaml"), "train.steps=2", "-q")
    assert again.code == 0, again.err
    shutil.rmtree(run)
    assert in_process("generate", "runs/smoke/00002", "-n", "1").code == 0


@pytest.mark.parametrize("kind", ["file", "package"])
def test_the_advice_for_an_exported_file_can_be_followed(
    in_process: Ganforge, tmp_path: Path, kind: str
) -> None:
    write_file(tmp_path) if kind == "file" else write_package(tmp_path)
    done = in_process("run", "smoke", *TINY, "-p", "./my_arch.py" if kind == "file" else "my_arch/")
    assert done.code == 0, done.err
    shutil.copy(tmp_path / "runs/smoke/00001/generator.safetensors", tmp_path / "g.safetensors")
    # What lies beside it may be anything.
    (tmp_path / "recipe.yaml").write_text("version: [\n")
    alone = in_process("generate", "g.safetensors", "-n", "1")
    assert alone.code == 1
    advice = alone.err.splitlines()[-1]
    assert advice.startswith("Load it with -p ")
    followed = in_process("generate", "g.safetensors", "-n", "1", "-p", advice.split()[-1])
    assert followed.code == 0, followed.err


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        ("./nowhere.py", "there is no plugin file"),
        ("no_such_module", "there is no plugin module 'no_such_module'"),
        ("./empty", "is no package"),
        ("./mnist.py", "has the name of another plugin: plugin 'mnist'"),
    ],
)
def test_a_recipes_plugin_that_is_not_there_is_shown_in_the_recipe(
    in_process: Ganforge, tmp_path: Path, plugin: str, told: str
) -> None:
    (tmp_path / "lab" / "empty").mkdir(parents=True)
    (tmp_path / "lab" / "mnist.py").write_text(ARCHITECTURE.replace("{part}", "") + NETWORK)
    text = recipe_with(plugin).replace("{use: tiny}", "{use: dcgan, channels: 8}")
    (tmp_path / "lab" / "r.yaml").write_text(text)
    done = in_process("run", "lab/r.yaml", "-q")
    assert (done.code, done.out) == (2, "")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if each.startswith("plugins:"))
    assert f"lab/r.yaml:{line}:11: " in done.err
    assert told in done.err
    assert not (tmp_path / "runs").exists()


def test_an_unknown_component_names_what_was_left_out(in_process: Ganforge) -> None:
    done = in_process("run", "smoke", "-p", "no:mnist", "--dry-run")
    assert done.code == 2
    assert "unknown dataset 'mnist'" in done.err
    assert "plugin 'mnist'" in done.err
    assert "was not loaded: blocked by -p no:mnist" in done.err


def test_a_broken_file_shows_its_traceback_and_the_recipes_line(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    (tmp_path / "my_arch.py").write_text("import torch\n\ntorch.nothing_of_that_name\n")
    (tmp_path / "r.yaml").write_text(recipe_with("./my_arch.py"))
    done = ganforge("run", "r.yaml", traceback=True)
    assert done.code == 1
    assert 'my_arch.py", line 3' in done.err
    lines = (tmp_path / "r.yaml").read_text().splitlines()
    line = lines.index("plugins: [./my_arch.py]") + 1
    assert f"\nError: r.yaml:{line}:11: plugin 'my_arch' (" in done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("write", [write_file, write_package])
def test_the_plugin_may_be_named_where_the_run_has_a_copy(
    write: Callable[[Path], Path], tmp_path: Path, in_process: Ganforge
) -> None:
    plugin = write(tmp_path)
    done = in_process("run", "smoke", *TINY, "-p", str(plugin.name if plugin.is_file() else plugin))
    assert done.code == 0, done.err
    run = done.out.strip()
    line = ["generate", run, "-n", "1", "-p"]
    assert in_process(*line, str(plugin)).code == 0
    changed = plugin if plugin.is_file() else plugin / "networks.py"
    changed.write_text(changed.read_text() + "\n# changed since\n")
    done = in_process(*line, str(plugin))
    assert done.code == 2
    assert "has the name of another plugin" in done.err
