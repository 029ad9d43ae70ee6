"""Installed recipes are found by name; names are given by fixed rules."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganforge
from ganforge.errors import UsageError
from ganforge.plugins import load_registry
from ganforge.recipe.shipped import folder, locate, shipped
from ganforge.registry import Plugin, Registry


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recipe lies in the working folder unless a test puts it there."""
    monkeypatch.chdir(tmp_path)


def with_recipes(**offered: list[str]) -> Registry:
    """A registry of plugins that ship recipes of these names."""
    plugins = []
    for plugin, names in offered.items():
        recipes = {name: Path("/plugins", plugin, f"{name}.file.yaml") for name in names}
        plugins.append(Plugin(plugin, f"{plugin}-gan", "1.2", recipes=recipes))
    return Registry(plugins)


def test_ganforges_own_recipes_are_those_in_its_folder() -> None:
    found = shipped(load_registry())
    assert set(found) == {path.stem for path in folder().iterdir() if path.suffix == ".yaml"}
    assert found["smoke"].path == folder() / "smoke.yaml"
    assert found["smoke"].origin == f"ganforge {ganforge.__version__}"
    assert list(found) == sorted(found)


def test_a_plugins_recipe_has_its_bare_name_where_nobody_else_has_it() -> None:
    registry = with_recipes(acme=["fancy"])
    assert shipped(registry)["fancy"].origin == "acme-gan 1.2"
    for name in ("fancy", "acme:fancy"):
        assert locate(name, registry) == Path("/plugins/acme/fancy.file.yaml")


def test_ganforges_own_recipe_keeps_its_bare_name() -> None:
    registry = with_recipes(acme=["smoke"])
    found = shipped(registry)
    assert found["smoke"].path == folder() / "smoke.yaml"
    assert found["acme:smoke"].path == Path("/plugins/acme/smoke.file.yaml")
    assert locate("smoke", registry) == folder() / "smoke.yaml"
    assert locate("acme:smoke", registry) == Path("/plugins/acme/smoke.file.yaml")


def test_of_two_plugins_neither_has_the_bare_name() -> None:
    registry = with_recipes(acme=["fancy", "own"], zeta=["fancy"])
    names = set(shipped(registry)) - set(shipped(Registry([])))
    assert names == {"acme:fancy", "zeta:fancy", "own"}
    with pytest.raises(UsageError) as caught:
        locate("fancy", registry)
    assert "acme:fancy" in str(caught.value.hint)
    assert "zeta:fancy" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["smoke", "recipes/smoke.yaml", "./recipes/smoke.yaml"])
def test_a_recipe_can_be_written_as_the_documentation_does(name: str) -> None:
    assert locate(name, load_registry()) == folder() / "smoke.yaml"


def test_a_file_is_meant_before_an_installed_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    for file in (Path("smoke"), Path("recipes/smoke.yaml"), Path("mine.yaml")):
        file.write_text("version: 1\n")
        assert locate(str(file), load_registry()) == file


def test_a_folder_does_not_hide_an_installed_recipe() -> None:
    Path("smoke").mkdir()
    Path("mine").mkdir()
    assert locate("smoke", load_registry()) == folder() / "smoke.yaml"
    assert locate("mine", load_registry()) == Path("mine")  # reading it says what is wrong


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smok", "Did you mean 'smoke'?"),
        ("smok.yaml", "Did you mean 'smoke'?"),
        ("nowhere/smoke.yaml", "Did you mean 'smoke'?"),
        ("recipes/smoke.yml", "Did you mean 'smoke'?"),
        ("acme:smoke", "Available: "),
        ("zeta:own", "Available: "),
    ],
)
def test_what_is_not_there_is_told_with_what_is(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        locate(name, with_recipes(acme=["own"]))
    assert caught.value.message.startswith(f"there is no recipe '{name}'")
    assert hint in str(caught.value.hint)
