"""Everything that a user can type has its place in the documentation."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from docpages import DOCS, ROOT, pages

from ganforge.cli import cli
from ganforge.explain import facts
from ganforge.hookspecs import KINDS, Hooks, hook_name
from ganforge.plugins import load_registry
from ganforge.recipe.check import BLOCKS, HEAD, PLACES
from ganforge.recipe.shipped import shipped
from ganforge.registry import Component, Registry
from ganforge.selection import Selection

pytest.importorskip("mkdocs")
import generate  # it imports mkdocs

HOOKS = [name for name in vars(Hooks) if name.startswith("register_")]
COMPONENTS = list(load_registry(selection=Selection(only=())).components())
VARIABLE = re.compile(r"\b_?GANFORGE_[A-Z_]+\b")


def text_of(page: str) -> str:
    """A page with its generated parts in place."""
    text: str = generate.filled((DOCS / page).read_text(encoding="utf-8"))
    return text


def section_of(page: str, anchor: str) -> str:
    """What stands below the heading with this anchor, up to the next heading."""
    heading = re.escape(f"{{ #{anchor} }}")
    found = re.search(
        rf"^#+ .*{heading}$\n(.*?)(?=^#+ |\Z)", text_of(page), re.MULTILINE | re.DOTALL
    )
    assert found, f"docs/{page} has no section '{anchor}'"
    return found[1]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook: str) -> None:
    section = section_of("reference/hooks.md", hook)
    assert f"def {hook}(" in section
    first_line = (getattr(Hooks, hook).__doc__ or "").splitlines()[0]
    assert first_line.replace("``", "`") in section
    assert section.count("@hookimpl") == 1


def test_the_examples_of_the_hooks_are_a_plugin(tmp_path: Path) -> None:
    shutil.copy(DOCS / "hooks" / "hook_examples.py", tmp_path / "examples.py")
    (tmp_path / "recipes").mkdir()
    shutil.copy(ROOT / "recipes" / "smoke.yaml", tmp_path / "recipes" / "acme.yaml")
    selection = Selection(named=(str(tmp_path / "examples.py"),))
    plugin = load_registry(selection=selection).plugins[-1]
    assert plugin.error is None
    assert not plugin.notes
    assert {component.kind for component in plugin.components} == set(KINDS)
    assert list(plugin.recipes) == ["acme"]
    group = click.Group("ganforge")
    assert plugin.add_commands is not None
    plugin.add_commands(group)
    assert list(group.commands) == ["hello"]


@pytest.mark.parametrize("command", [name for part in cli.sections.values() for name in part])
def test_every_command_is_documented(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganforge", command, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    section = section_of("reference/commands.md", command)
    assert "".join(done.stdout.split()) in "".join(section.split())  # lines may break elsewhere


@pytest.mark.parametrize("key", [*HEAD, *BLOCKS, *PLACES])
def test_every_key_of_a_recipe_is_documented(key: str) -> None:
    rows = re.findall(r"^\| \[?`(\w+)`", text_of("reference/recipes.md"), flags=re.MULTILINE)
    assert key in rows


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page(kind: str) -> None:
    page = hook_name(kind).removeprefix("register_")
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    assert text.count(f"\n<!-- generated: components {kind} -->\n") == 1


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: f"{c.kind}-{c.name}")
def test_every_component_is_documented_with_its_options(component: Component) -> None:
    page = hook_name(component.kind).removeprefix("register_")
    section = section_of(f"reference/{page}.md", component.name)
    for option in facts(component)["options"]:
        assert f"| `{option['name']}` |" in section
        assert " ".join(option["description"].split()).replace("``", "`")[:20] in section


def test_every_variable_is_documented() -> None:
    code = [path.read_text() for path in (ROOT / "ganforge").rglob("*.py")]
    read = {name for text in code for name in VARIABLE.findall(text)} - {"GANFORGE_HOOKS"}
    assert {"GANFORGE_LOAD_PLUGINS", "GANFORGE_STRICT_PLUGINS"} <= read
    told = set(VARIABLE.findall(text_of("reference/environment.md")))
    assert read <= told
    assert told - {"_GANFORGE_COMPLETE"} <= read


def test_every_generated_part_is_on_a_page() -> None:
    asked = {
        name
        for page in pages()
        for name in re.findall(r"^<!-- generated: (.+) -->$", (DOCS / page).read_text(), flags=re.M)
    }
    assert asked == set(generate.PARTS)


METHODS = ("loss", "regularizer", "augmentation", "game", "optimizer", "schedule")


@pytest.mark.parametrize("kind", METHODS)
def test_the_page_of_methods_names_each(kind: str) -> None:
    text = (ROOT / "docs" / "methods.md").read_text()
    named = {name for name in load_registry().names(kind) if f"`{name}`" not in text}
    in_code = {name for name in named if f"use: {name}" in text}
    assert named - in_code == set()


def test_the_page_of_methods_names_each_recipe_and_no_other() -> None:
    text = (ROOT / "docs" / "methods.md").read_text()
    there = set(shipped(Registry([])))
    said = set(re.findall(r"`((?:mnist|ring|grid|spiral|stacked)_\w+)`", text))
    assert said - there == set()
    assert {name for name in there if name != "smoke"} - said == {"mnist_dcgan_2019"}
