"""The user's say in which plugins are loaded, and plugins that are named by file or module."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganforge import pluginfiles
from ganforge.errors import PluginError, UsageError
from ganforge.plugins import add_named, load_registry
from ganforge.registry import Registry
from ganforge.selection import Selection, select

HOOK = "from ganforge import hookimpl\n\n@hookimpl\n"
LOSS = HOOK + "def register_losses(register): register('{0}', '{1}:{2}')\n\nclass {2}: ...\n"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """``install(name)``: the distribution ``Acme_NAME`` with the loss ``NAME``."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))

    def install(name: str, source: str | None = None) -> None:
        module = f"selected_{name}"
        sys.modules.pop(module, None)
        (place / f"{module}.py").write_text(source or LOSS.format(name, module, "Loss"))
        info = place / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Acme_{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = {module}\n")

    return install


def test_options_and_variables_make_a_selection() -> None:
    options = ["my.py", "no:mnist", "acme.plugin", "my.py"]
    found = select(options, {"GANFORGE_LOAD_PLUGINS": " a, b ,", "GANFORGE_STRICT_PLUGINS": "1"})
    assert found == Selection(("my.py", "acme.plugin"), ("mnist",), ("a", "b"), strict=True)
    assert select([], {}) == Selection()
    assert select([], {"GANFORGE_LOAD_PLUGINS": ""}).only == ()


@pytest.mark.parametrize(
    ("text", "strict"),
    [("", False), ("0", False), ("No", False), ("false", False), ("1", True), ("yes", True)],
)
def test_strictness_is_switched_by_a_word(text: str, strict: bool) -> None:
    assert select([], {"GANFORGE_STRICT_PLUGINS": text}).strict == strict


def losses(registry: Registry) -> set[str]:
    return set(registry.names("loss")) & {"one", "two", "own"}


def test_a_blocked_plugin_is_listed_and_not_searched(install: Install) -> None:
    install("one")
    install("two")
    registry = load_registry(selection=Selection(blocked=("one", "losses")))
    assert losses(registry) == {"two"}
    assert {p.name: p.blocked for p in registry.plugins if p.blocked} == {
        "one": "blocked by -p no:one",
        "losses": "blocked by -p no:losses",
    }
    with pytest.raises(UsageError) as caught:
        registry.find("loss", "hinge")
    assert "was not loaded: blocked by -p no:losses" in str(caught.value.hint)
    with pytest.raises(UsageError, match="-p no:on: no such plugin") as caught:
        load_registry(selection=Selection(blocked=("on",)))
    assert "Did you mean 'one'?" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ((), set()),
        (("one",), {"one"}),
        (("acme-two",), {"two"}),
        (("ACME.two", "one"), {"one", "two"}),
    ],
)
def test_only_some_beside_ganforges_own(
    install: Install, only: tuple[str, ...], found: set[str]
) -> None:
    install("one")
    install("two")
    registry = load_registry(selection=Selection(only=only))
    assert losses(registry) == found
    assert registry.find("generator", "dcgan")
    with pytest.raises(UsageError, match="GANFORGE_LOAD_PLUGINS names 'three': no such plugin"):
        load_registry(selection=Selection(only=("three",)))


def test_strictly_a_broken_plugin_stops_everything(install: Install) -> None:
    install("one", "1 / 0\n")
    assert load_registry().find("loss", "hinge")
    with pytest.raises(PluginError, match=r"plugin 'one' .* ZeroDivisionError") as caught:
        load_registry(selection=Selection(strict=True))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "unset it" in str(caught.value.hint)
    blocked = Selection(blocked=("one",), strict=True)
    assert load_registry(selection=blocked).find("loss", "hinge")


def test_a_file_names_its_own_classes_by_text_or_directly(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(LOSS.format("own", "own", "Loss"))
    (tmp_path / "direct.py").write_text(
        LOSS.format("two", "own", "Loss").replace("'own:Loss'", "Loss")
    )
    named = (str(tmp_path / "own.py"), str(tmp_path / "direct.py"))
    registry = load_registry(selection=Selection(named=named))
    one, two = registry.find("loss", "own"), registry.find("loss", "two")
    assert one.load().__name__ == "Loss"
    assert two.load() is not one.load()
    assert str(one) == f"loss 'own' of plugin 'own' ({tmp_path / 'own.py'})"
    assert "own" not in sys.modules  # it hides no module of that name


def test_a_folder_is_a_package_with_parts_of_its_own(tmp_path: Path) -> None:
    package = tmp_path / "parts"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from .inner import NUMBER\n" + LOSS.format("own", "parts.inner", "Loss")
    )
    (package / "inner.py").write_text("NUMBER = 3\n\nclass Inner: ...\n\nLoss = Inner\n")
    for text in (str(package), str(package / "__init__.py")):
        registry = load_registry(selection=Selection(named=(text,)))
        assert registry.find("loss", "own").load().__name__ == "Inner"


def test_a_file_that_was_edited_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    for name in ("one", "two"):
        path.write_text(LOSS.format(name, "own", "Loss"))
        os.utime(path, (1_000_000_000, 1_000_000_000))  # nothing but the text tells them apart
        assert losses(load_registry(selection=Selection(named=(str(path),)))) == {name}
    assert not (tmp_path / "__pycache__").exists()


def test_the_same_plugin_named_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(LOSS.format("own", "own", "Loss"))
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "own.py").write_text(LOSS.format("own", "own", "Loss"))
    registry = load_registry(selection=Selection(named=(str(tmp_path / "own.py"),)))
    assert add_named(registry, "./own.py", folder=tmp_path) is registry.plugins[-1]
    assert add_named(registry, "copies/own.py", folder=tmp_path) is registry.plugins[-1]
    (tmp_path / "copies" / "own.py").write_text(LOSS.format("other", "own", "Loss"))
    with pytest.raises(UsageError, match="has the name of another plugin") as caught:
        add_named(registry, "copies/own.py", folder=tmp_path)
    assert "Rename the file" in str(caught.value.hint)


def test_a_module_that_is_not_installed_as_a_plugin(install: Install) -> None:
    install("one")
    registry = load_registry(selection=Selection(only=(), named=()))
    assert losses(registry) == set()
    with pytest.raises(UsageError, match="there is no plugin module 'no_such_module'"):
        add_named(registry, "no_such_module")
    registry = load_registry(selection=Selection(blocked=("one",), named=("selected_one",)))
    assert losses(registry) == {"one"}


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("nowhere.py", "there is no plugin file", "Check the path"),
        ("./notes.txt", "is no Python file", "ends in .py"),
        ("./project", "is no package: it has no __init__.py", "pip install -e"),
        ("./empty", "is no package: it has no __init__.py", "Name a .py file"),
        ("./my-arch.py", "'my-arch.py' cannot be a plugin's name", "letters, digits"),
        ("./nothing.py", "provides nothing", "@ganforge.hookimpl"),
        ("./mnist.py", "has the name of another plugin: plugin 'mnist'", "-p no:mnist"),
        ("my_arch", "there is no plugin module 'my_arch'", "./my_arch.py"),
        ("..", "is no package", "Name a .py file"),
    ],
)
def test_a_name_that_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str, hint: str
) -> None:
    place = tmp_path / "here"
    (place / "project").mkdir(parents=True)
    (place / "project" / "pyproject.toml").touch()
    (place / "empty").mkdir()
    for file in ("notes.txt", "my-arch.py", "nothing.py"):
        (place / file).touch()
    (place / "mnist.py").write_text(LOSS.format("own", "mnist", "Loss"))
    monkeypatch.chdir(place)
    with pytest.raises(UsageError) as caught:
        load_registry(selection=Selection(named=(text,)))
    assert told in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    "source", ["import nothing_of_that_name\n", "def (:\n", "raise SystemExit(1)\n"]
)
def test_a_named_file_that_fails_is_an_error_with_its_cause(tmp_path: Path, source: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(source)
    with pytest.raises(PluginError) as caught:
        load_registry(selection=Selection(named=(str(path),)))
    assert caught.value.message.startswith(f"plugin 'own' ({path}) was not loaded: ")
    assert caught.value.__cause__ is not None
    assert pluginfiles.PREFIX + "own" not in sys.modules


def test_a_strangers_damaged_metadata_costs_nothing(install: Install, tmp_path: Path) -> None:
    install("one")
    info = tmp_path / "site" / "damaged-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[ganforge]\nno equals sign\n")
    (info / "METADATA").write_bytes(b"\xff\xfe")
    assert losses(load_registry()) == {"one"}
