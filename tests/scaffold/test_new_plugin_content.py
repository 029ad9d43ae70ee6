"""What ``new-plugin`` writes loads, is valid, trains and is neat, for every kind."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scaffolded import Written

from ganforge import build
from ganforge.hookspecs import KINDS
from ganforge.plugins import add_named, load_registry
from ganforge.recipe.load import load
from ganforge.recipe.schema import Recipe
from ganforge.registry import Plugin, Registry
from ganforge.scaffold.kinds import EXAMPLES, chosen
from ganforge.scaffold.project import TEMPLATES

Write = Callable[..., Written]

CHOICES = [(), *((kind,) for kind in KINDS), KINDS]
"""The default, each kind alone, and all at once."""

LONGEST = "abcdefghij-klmnopqrst-uvwxyz-abcdefghijk"


def label(kinds: tuple[str, ...]) -> str:
    return "all" if len(kinds) > 1 else "".join(kinds) or "default"


def loaded(written: Written) -> tuple[Plugin, Registry]:
    registry = load_registry()
    return add_named(registry, str(written.package)), registry


def used(recipe: Recipe) -> dict[str, set[str]]:
    """The names that a recipe uses, by kind."""
    plain: dict[str, Any] = recipe.plain()
    single = {kind: {plain[kind]["use"]} for kind in ("dataset", "game", "loss")}
    networks = {
        kind: {plain[kind]["use"]}
        for kind in ("generator", "discriminator", "encoder")
        if kind in plain
    }
    by_network = {
        kind: {spec["use"] for spec in plain[kind].values()} for kind in ("optimizer", "schedule")
    }
    listed = {
        "regularizer": {term["use"] for term in plain["regularizers"]},
        "augmentation": {augmentation["use"] for augmentation in plain["augmentations"]},
        "callback": {callback["use"] for callback in plain["callbacks"]},
    }
    measured = [
        metric
        for callback in plain["callbacks"]
        if callback["use"] == "evaluate"
        for metric in callback["metrics"]
    ]
    listed["metric"] = {metric["use"] for metric in measured}
    listed["feature_network"] = {
        metric["features"]["use"] for metric in measured if metric["features"]
    }
    return {**single, **networks, **by_network, **listed}


@pytest.mark.parametrize("kinds", CHOICES, ids=label)
def test_a_new_plugin_provides_what_was_asked_and_trains_its_recipe(
    write: Write, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    written = write(f"new-{label(kinds)}", *kinds)
    name = written.names.plugin
    plugin, registry = loaded(written)
    expected = tuple(chosen(kinds))
    assert set(kinds) <= set(expected)
    assert [(c.kind, c.name) for c in plugin.components] == [
        (kind, name) for kind in KINDS if kind in expected
    ]
    assert list(plugin.recipes) == [name]
    assert not plugin.notes

    path = plugin.recipes[name]
    assert path.read_text().startswith(f"# ganforge run {name}\n")
    small = ["train.steps=2", "train.batch_size=4"]
    if "dataset" in expected:
        small.append("dataset.count=20")
    recipe, _ = load(path, registry, small)
    names = used(recipe)
    assert {kind for kind in names if name in names[kind]} == set(expected)

    told: list[str] = []
    folder = tmp_path / "run"
    folder.mkdir()
    prepared = build.prepare(recipe, device=torch.device("cpu"))
    run = build.start(prepared, folder, tell=told.append, quiet=True)
    assert run.play() == "finished"
    assert not told
    assert (folder / "generator.safetensors").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_it_asks_for_the_hooks_that_it_needs(write: Write, kind: str) -> None:
    text = (write(f"new-{kind}", kind).package / "__init__.py").read_text()
    versions = {"encoder": 2, "augmentation": 2, "feature_network": 3}
    found = re.findall(r"GANFORGE_HOOKS = (\d)", text)
    assert found == [str(version) for known, version in versions.items() if known == kind]


def test_an_encoder_brings_a_game_that_has_a_place_for_it(write: Write) -> None:
    plugin, registry = loaded(write("there-and-back", "encoder"))
    assert [component.kind for component in plugin.components] == ["encoder", "game"]
    recipe, _ = load(plugin.recipes["there_and_back"], registry)
    assert recipe.networks["encoder"].component.plugin is plugin
    assert recipe.networks["discriminator"].component.plugin.name == "dcgan"
    assert {*recipe.optimizers} == {"generator", "discriminator", "encoder"}


def test_the_default_recipe_is_mnist_with_both_networks(write: Write) -> None:
    plugin, registry = loaded(write("pair"))
    recipe, notes = load(plugin.recipes["pair"], registry)
    assert not notes
    assert recipe.dataset.name == "mnist"
    assert recipe.head.description == (
        "A small GAN on MNIST, with a generator and a discriminator of ganforge-pair."
    )
    assert recipe.head.expected_time


@pytest.mark.parametrize("name", ["b", LONGEST])
def test_every_file_is_neat_whatever_the_name(write: Write, name: str) -> None:
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed: it comes with the extra 'dev', not with 'test'")
    written = write(name, *KINDS)
    for arguments in (
        ["check", "--isolated", "--select", "E,F,I,B,N,UP,SIM,PT,RET", "--line-length", "100"],
        ["format", "--check", "--isolated", "--line-length", "100"],
        ["check"],  # with the settings of its own pyproject.toml
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."],
            cwd=written.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kinds", [(), KINDS], ids=label)
def test_no_file_has_an_unfilled_place_or_a_line_too_long(
    write: Write, kinds: tuple[str, ...]
) -> None:
    written = write("acme", *kinds)
    for path in written.folder.rglob("*"):
        if path.is_dir():
            continue
        text = path.read_text(encoding="utf-8")
        assert "$" not in text.replace("${{ matrix.", "").replace("$schema=recipe", ""), path
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        if path.suffix == ".py":
            compile(text, str(path), "exec")
            assert max(map(len, text.splitlines())) <= 100, path


def test_there_is_an_example_of_every_kind_that_a_recipe_has_a_place_for() -> None:
    assert tuple(EXAMPLES) == KINDS
    for folder in ("package", "tests"):
        found = {path.name.partition(".")[0] for path in (TEMPLATES / folder).glob("*.py.tmpl")}
        assert set(KINDS) == found - {"__init__", "plugin"}


def test_the_ci_names_no_host_and_runs_what_the_readme_says(write: Write) -> None:
    written = write("acme")
    ci = (written.folder / ".github/workflows/ci.yml").read_text()
    readme = (written.folder / "README.md").read_text()
    assert "://" not in ci
    for command in ('pip install -e ".[test]"', "ganforge check-plugin acme", "pytest"):
        assert f"- run: {command}\n" in ci
        assert f"\n{command}\n" in readme
