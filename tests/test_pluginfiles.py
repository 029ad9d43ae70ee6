"""Plugins that are not installed: what a text means, and how a file is imported."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganforge import pluginfiles
from ganforge.errors import UsageError


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    """No test finds what another has imported."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith((pluginfiles.PREFIX, "tiny_")):
            del sys.modules[name]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file, a package and a project."""
    (tmp_path / "tiny_file.py").write_text("VALUE = 1\n")
    (tmp_path / "tiny_package").mkdir()
    (tmp_path / "tiny_package" / "__init__.py").write_text("from .part import VALUE\n")
    (tmp_path / "tiny_package" / "part.py").write_text("VALUE = 2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("tiny_file.py", "tiny_file", "tiny_file.py"),
        ("./tiny_file.py", "tiny_file", "tiny_file.py"),
        ("tiny_package/../tiny_file.py", "tiny_file", "tiny_file.py"),
        ("./tiny_package", "tiny_package", "tiny_package"),
        ("tiny_package/", "tiny_package", "tiny_package"),
        ("tiny_package/__init__.py", "tiny_package", "tiny_package"),
        ("~/tiny_file.py", "tiny_file", "tiny_file.py"),
    ],
)
def test_a_path_names_a_file_or_a_package(
    here: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str, path: str
) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    found = pluginfiles.find(text)
    assert found == pluginfiles.Named(text, name, here.resolve() / path)
    assert found.module == f"ganforge_plugin_{name}"
    assert vars(found.load())["VALUE"] == (1 if name == "tiny_file" else 2)


def test_the_package_that_one_stands_in_is_a_dot(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here / "tiny_package")
    assert pluginfiles.find(".").path == here.resolve() / "tiny_package"


def test_a_relative_path_starts_at_the_given_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    found = pluginfiles.find("./tiny_file.py", folder=here)
    assert found.path == here.resolve() / "tiny_file.py"
    assert pluginfiles.find(str(here / "tiny_file.py"), folder=here / "tiny_package") == (
        pluginfiles.Named(str(here / "tiny_file.py"), "tiny_file", found.path)
    )
    with pytest.raises(UsageError) as caught:
        pluginfiles.find("./nowhere.py", folder=here)
    assert str(here / "nowhere.py") in caught.value.message
    assert "the recipe's folder" in str(caught.value.hint)


def test_a_link_has_its_own_name(here: Path) -> None:
    (here / "links").mkdir()
    (here / "links" / "tiny_link.py").symlink_to(here / "tiny_file.py")
    found = pluginfiles.find("links/tiny_link.py")
    assert (found.name, found.path) == ("tiny_link", here.resolve() / "links" / "tiny_link.py")
    assert found.load().VALUE == 1


@pytest.mark.parametrize("text", ["", "a..b", ".hidden", "json.nothing", "no such", "é☃"])
def test_what_is_neither_a_path_nor_a_module_is_told(here: Path, text: str) -> None:
    with pytest.raises(UsageError, match="there is no plugin module") as caught:
        pluginfiles.find(text)
    assert "must be installed" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["my-arch.py", "2fast.py", "a.b.py", "a b.py"])
def test_a_plugins_name_is_an_identifier(here: Path, name: str) -> None:
    (here / name).touch()
    with pytest.raises(UsageError, match="cannot be a plugin's name"):
        pluginfiles.find(f"./{name}")


def test_a_module_is_found_without_being_imported(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(here))
    (here / "tiny_broken.py").write_text("raise SystemExit(3)\n")
    found = pluginfiles.find("tiny_broken")
    assert (found.name, found.path, found.module) == ("tiny_broken", None, "tiny_broken")
    assert "tiny_broken" not in sys.modules
    with pytest.raises(SystemExit):
        found.load()
    part = pluginfiles.find("tiny_package.part")
    assert (part.name, part.module, part.load().VALUE) == ("part", "tiny_package.part", 2)


@pytest.mark.parametrize("fault", ["raise SystemExit(3)", "1 / 0", "import nothing_of_that_name"])
def test_a_module_in_a_broken_package_is_there_and_fails(
    here: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.syspath_prepend(str(here))
    (here / "tiny_package" / "__init__.py").write_text(f"{fault}\n")
    found = pluginfiles.find("tiny_package.part")
    with pytest.raises((SystemExit, ZeroDivisionError, ModuleNotFoundError)):
        found.load()


def test_a_file_hides_no_module_of_its_name(here: Path) -> None:
    (here / "random.py").write_text("VALUE = 4\n")
    module = pluginfiles.find("./random.py").load()
    assert (module.VALUE, module.__name__) == (4, "ganforge_plugin_random")
    assert sys.modules["random"] is random


def test_a_file_can_do_what_a_module_can(here: Path) -> None:
    (here / "tiny_file.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n"
    )
    point = pluginfiles.find("tiny_file.py").load().Point(3)
    assert pickle.loads(pickle.dumps(point)) == point


def test_a_file_leaves_no_byte_code_and_no_path(here: Path) -> None:
    path = list(sys.path)
    pluginfiles.find("tiny_file.py").load()
    assert not (here / "__pycache__").exists()
    assert sys.path == path


def test_each_load_is_a_new_one_with_its_parts(here: Path) -> None:
    package = pluginfiles.find("./tiny_package")
    first = package.load()
    (here / "tiny_package" / "part.py").write_text("VALUE = 'longer than it was'\n")
    second = package.load()
    assert (first.VALUE, second.VALUE) == (2, "longer than it was")
    assert sys.modules["ganforge_plugin_tiny_package"] is second
    (here / "tiny_package_2.py").write_text("VALUE = 5\n")  # its name begins with another's
    other = pluginfiles.find("tiny_package_2.py").load()
    package.load()
    assert sys.modules["ganforge_plugin_tiny_package_2"] is other


@pytest.mark.parametrize("fault", ["1 / 0\n", "def (:\n", "raise SystemExit(3)\n", "\0\n"])
def test_a_file_that_fails_is_not_half_imported(here: Path, fault: str) -> None:
    package = pluginfiles.find("./tiny_package")
    package.load()
    (here / "tiny_package" / "__init__.py").write_text(f"from .part import VALUE\n{fault}")
    with pytest.raises((ZeroDivisionError, SyntaxError, SystemExit, ValueError)):
        package.load()
    assert "ganforge_plugin_tiny_package" not in sys.modules
    (here / "tiny_package" / "__init__.py").write_text("from .part import VALUE\n")
    assert package.load().VALUE == 2


def test_a_traceback_shows_the_files_line(here: Path) -> None:
    (here / "tiny_file.py").write_text("\n\n1 / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        pluginfiles.find("tiny_file.py").load()
    last = caught.traceback[-1]
    assert (Path(str(last.path)), last.lineno + 1) == (here.resolve() / "tiny_file.py", 3)
