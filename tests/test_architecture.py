"""The layers of docs/architecture.md, read off the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "ganforge"
PLUGINS = sorted(path for path in (ROOT / "plugins").iterdir() if path.is_dir())

LAYERS = {
    "cli": 6,
    "report": 5,
    "testing": 5,
    "build": 4,
    "construct": 4,
    "networks": 4,
    "rehearsal": 4,
    "export": 3,
    "runfolder": 3.5,
    "runlock": 3.5,
    "resuming": 3.5,
    "environment": 3,
    "scaffold": 2,
    "recipe": 2,
    "plugins": 2,
    "pluginload": 2,
    "faults": 2,
    "device": 2,
    "pictures": 2,
    "explain": 2,
    "options": 1.5,
    "optionproblems": 1.5,
    "registry": 1.5,
    "durations": 1.5,
    "measuring": 4,
    "comparing": 3.6,
    "comparison": 3.7,
    "evaluation": 1.2,
    "engine": 1,
    "nested": 0.5,
    "pluginfiles": 0.5,
    "selection": 0.5,
    "discovery": 0.5,
    "hookspecs": 0.5,
    "errors": 0,
    "printable": 0,
}
"""A module imports only from its own layer's number or below."""


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(module: str) -> str | None:
    """``ganforge.engine.run`` belongs to ``engine``; None for what is no part of a layer."""
    pieces = module.split(".")
    return (
        pieces[1] if pieces[0] == "ganforge" and len(pieces) > 1 and pieces[1] in LAYERS else None
    )


def core_files() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


@pytest.mark.parametrize("path", core_files(), ids=lambda p: str(p.relative_to(CORE)))
def test_imports_run_downward(path: Path) -> None:
    own = part("ganforge." + path.relative_to(CORE).with_suffix("").parts[0])
    if own is None:  # __init__, __main__ and api stand outside the layers
        return
    for module in imports(path):
        other = part(module)
        assert other is None or LAYERS[other] <= LAYERS[own], f"{path} imports {module}"


@pytest.mark.parametrize("path", sorted((CORE / "engine").glob("*.py")), ids=lambda p: p.name)
def test_the_engine_knows_torch_and_errors_only(path: Path) -> None:
    foreign = {
        name.split(".")[0]
        for name in imports(path)
        # numpy's global random numbers are seeded for data sets that draw from them
        if name.split(".")[0] not in sys.stdlib_module_names | {"ganforge", "torch", "numpy"}
    }
    assert not foreign
    ours = {part(name) for name in imports(path)} - {None}
    assert ours <= {"engine", "errors"}


def test_the_core_imports_no_plugin() -> None:
    names = {path.name for path in PLUGINS}
    for path in core_files():
        assert not names & {name.split(".")[0] for name in imports(path)}, path


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_plugins_import_public_names_only(plugin: Path) -> None:
    for path in plugin.rglob("*.py"):
        for name in imports(path):
            if name.split(".")[0] == "ganforge":
                allowed = name == "ganforge" or name.startswith("ganforge.api")
                public = name in (
                    "ganforge.hookimpl",
                    "ganforge.Register",
                    "ganforge.RegisterRecipe",
                )
                assert allowed or public, f"{path} imports {name}"


def test_no_method_is_named_in_the_engine() -> None:
    words = ("wgan", "hinge", "minimax", "non_saturating", "dcgan", "mnist", "cyclegan", "infogan")
    for path in core_files():
        if path.parent.name == "engine":
            text = path.read_text().lower()
            assert not [word for word in words if word in text], path


@pytest.mark.parametrize("arguments", [["--help"], ["list-plugins"], ["list-recipes"]])
def test_looking_around_imports_no_torch(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ganforge", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ganforge.cli" in imported
    heavy = {"torch", "numpy", "matplotlib", "pydantic", "PIL"}
    assert not heavy & {name.split(".")[0] for name in imported}
