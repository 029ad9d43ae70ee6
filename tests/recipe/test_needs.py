"""What a recipe requires: packages by pip's rules, plugins by file or module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import packaging
import pytest

from ganforge.errors import PluginError
from ganforge.plugins import load_registry
from ganforge.recipe.needs import provide
from ganforge.recipe.reader import read_file
from ganforge.recipe.schema import Head
from ganforge.recipe.source import Problem
from ganforge.registry import Registry
from ganforge.selection import Selection

HOOK = "from ganforge import hookimpl\n@hookimpl\ndef register_losses(register):\n"
LOSS = HOOK + "    register('mine', 'my_loss:Mine')\nclass Mine:\n    pass\n"

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts the metadata of a distribution on the path, as pip leaves it."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))

    def install(name: str, version: str) -> None:
        info = place / f"{name.replace('-', '_')}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    return install


def missing(folder: Path, *lines: str, registry: Registry | None = None) -> list[Problem]:
    """The problems of a recipe in ``folder`` whose third line on is ``lines``."""
    path = folder / "r.yaml"
    path.write_text("\n".join(["version: 1", "name: r", *lines]) + "\n")
    document = read_file(path)
    facts = {key: document.value.get(key, []) for key in ("requires", "plugins")}
    head = Head(version=1, name="r", **facts)
    return provide(head, document, registry or load_registry())


@pytest.mark.parametrize(
    "requirement",
    [
        "acme-gan",
        "Acme_GAN",
        "acme-gan>=1.2",
        "acme-gan~=1.2,!=1.2.1",
        "acme-gan[fast]>=1",
        "acme-gan>=9; python_version < '3'",
        "not-there-at-all; sys_platform == 'amiga'",
        "acme-gan @ https://example.org/acme_gan-1.2.3-py3-none-any.whl",
    ],
)
def test_a_requirement_that_is_met_is_no_problem(
    tmp_path: Path, install: Install, requirement: str
) -> None:
    install("acme-gan", "1.2.3")
    assert missing(tmp_path, "requires:", f'  - "{requirement}"') == []


def test_a_prerelease_that_somebody_installed_counts(tmp_path: Path, install: Install) -> None:
    install("acme-gan", "2.0rc1")
    assert missing(tmp_path, "requires: [acme-gan>=1.2]") == []
    (problem,) = missing(tmp_path, "requires: [acme-gan>=2.0]")
    assert problem.message.endswith("installed is acme-gan 2.0rc1")


@pytest.mark.parametrize(
    ("requirement", "message", "hint"),
    [
        (
            "acme-gan>=1.3",
            "the recipe requires acme-gan>=1.3; installed is acme-gan 1.2.3",
            "Install it: pip install 'acme-gan>=1.3'",
        ),
        ("acme-gan==1.0", "the recipe requires acme-gan==1.0; installed is acme-gan 1.2.3", None),
        (
            "not-there-at-all",
            "the recipe requires not-there-at-all, which is not installed",
            "Install it: pip install not-there-at-all",
        ),
        (
            "not-there-at-all @ https://example.org/x.whl",
            "the recipe requires not-there-at-all @ https://example.org/x.whl, which is not",
            "Install it: pip install 'not-there-at-all @ https://example.org/x.whl'",
        ),
        (
            "not-there-at-all; python_version >= '3'",
            "the recipe requires not-there-at-all; python_version >= '3', which is not installed",
            None,
        ),
        (
            "acme-gan >> 1",
            "'acme-gan >> 1' does not name a package and its versions",
            "Write a package and its versions, such as ganforge-acme>=1.2.",
        ),
        ("../acme", "'../acme' does not name a package and its versions", None),
    ],
)
def test_a_requirement_that_is_not_met_says_what_to_install(
    tmp_path: Path, install: Install, requirement: str, message: str, hint: str | None
) -> None:
    install("acme-gan", "1.2.3")
    (problem,) = missing(tmp_path, "requires:", "  - packaging", f'  - "{requirement}"')
    assert problem.message.startswith(message)
    assert hint is None or problem.hint == hint
    assert str(problem.position) == f"{tmp_path / 'r.yaml'}:5:5"


def test_the_real_packages_are_looked_at(tmp_path: Path) -> None:
    newer = f"packaging>{packaging.__version__}"
    (problem,) = missing(tmp_path, f"requires: [torch, '{newer}', numpy>=1.26]")
    assert problem.message.endswith(f"installed is packaging {packaging.__version__}")


@pytest.mark.parametrize("version", ["2004d", "1.0-custom-build-of-mine"])
def test_an_installed_version_that_is_none_is_told_and_no_crash(
    tmp_path: Path, install: Install, version: str
) -> None:
    install("acme-gan", version)
    (problem,) = missing(tmp_path, "requires: [acme-gan>=1.2]")
    assert version in problem.message


def test_damaged_metadata_is_told_and_no_crash(tmp_path: Path, install: Install) -> None:
    install("acme-gan", "1.2")
    (tmp_path / "site" / "acme_gan-1.dist-info" / "METADATA").unlink()
    (problem,) = missing(tmp_path, "requires: [acme-gan>=1.2]")
    assert problem.message.startswith("the recipe requires acme-gan>=1.2")


def test_plugins_are_found_from_the_recipes_folder(tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "my_loss.py").write_text(LOSS)
    registry = load_registry()
    assert missing(folder, "plugins: [./my_loss.py]", registry=registry) == []
    component = registry.find("loss", "mine")
    assert component.plugin.path == folder.resolve() / "my_loss.py"
    assert component.load().__name__ == "Mine"


def test_a_plugin_that_is_not_there_has_its_place(tmp_path: Path) -> None:
    (tmp_path / "my_loss.py").write_text(LOSS)
    found = missing(tmp_path, "plugins:", "  - ./my_loss.py", "  - ./gone.py", "  - acme_gone")
    assert [str(p.position) for p in found] == [f"{tmp_path / 'r.yaml'}:{n}:5" for n in (5, 6)]
    assert "gone.py' is" not in found[0].message
    assert found[0].message == f"there is no plugin file '{tmp_path / 'gone.py'}'"
    assert found[1].message == "there is no plugin module 'acme_gone'"
    assert found[1].hint == "A file is written ./acme_gone.py; a module must be installed."


def test_a_plugin_that_the_user_blocks_is_not_silently_there(tmp_path: Path) -> None:
    registry = load_registry(selection=Selection(blocked=("losses",)))
    with pytest.raises(Exception, match="unknown loss 'hinge'"):
        registry.find("loss", "hinge")
    assert missing(tmp_path, "plugins: [ganforge_losses]", registry=registry) == []
    assert registry.find("loss", "hinge").name == "hinge"


def test_a_missing_package_is_told_before_the_plugin_that_fails_without_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "my_loss.py").write_text("import not_there_at_all\n" + LOSS)
    lines = ["requires: [not-there-at-all>=2]", "plugins: [./my_loss.py]"]
    (problem,) = missing(tmp_path, *lines)
    assert problem.message == "the recipe requires not-there-at-all>=2, which is not installed"
    assert str(problem.position) == f"{tmp_path / 'r.yaml'}:3:12"


def test_a_broken_plugin_that_no_missing_package_explains_is_its_own_fault(
    tmp_path: Path,
) -> None:
    (tmp_path / "my_loss.py").write_text("1 / 0\n")
    with pytest.raises(PluginError) as caught:
        missing(tmp_path, "requires: [packaging]", "plugins: [./my_loss.py]")
    assert caught.value.message.startswith(f"{tmp_path / 'r.yaml'}:4:11: plugin 'my_loss'")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
