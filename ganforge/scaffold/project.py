"""The files of a new plugin package, filled in from the templates beside this module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from string import Template

import ganforge
from ganforge.hookspecs import hook_name
from ganforge.scaffold.kinds import EXAMPLES, listed
from ganforge.scaffold.names import Names

TEMPLATES = Path(__file__).parent / "templates"

NEW_IN = {"encoder": 2, "augmentation": 2, "feature_network": 3}
"""The version of the hooks that first had a kind, where that was not the first."""

_ONLY_FOR = re.compile(r"\[(?P<kinds>[a-z_, ]+)\] (?P<line>.*)")
"""A line of the recipe that is there only with, or only without, components of some kinds."""


def files(names: Names, kinds: Sequence[str]) -> dict[str, str]:
    """The text of every file, by its path in the package's folder.

    Args:
        names: What the plugin is called.
        kinds: What it provides; see :func:`ganforge.scaffold.kinds.chosen`.
    """
    words = {
        "name": names.plugin,
        "distribution": names.distribution,
        "module": names.module,
        "ganforge": ".".join(ganforge.__version__.split(".")[:2]),
        "first": kinds[0],
    }
    made = {
        "pyproject.toml": _filled("pyproject.toml", words, description=_description(kinds)),
        "README.md": _filled(
            "README.md", words, description=_description(kinds), rows="\n".join(_rows(names, kinds))
        ),
        ".gitignore": _filled("gitignore", words),
        ".github/workflows/ci.yml": _filled("ci.yml", words),
        f"{names.module}/__init__.py": _filled(
            "package/__init__.py", words, hooks="".join(_hooks(kinds, words))
        ),
        f"{names.module}/recipes/{names.plugin}.yaml": _recipe(names, kinds, words),
        f"tests/test_{names.plugin}.py": _filled("tests/plugin.py", words),
    }
    for kind in kinds:
        made[f"{names.module}/{kind}.py"] = _filled(f"package/{kind}.py", words)
        made[f"tests/test_{kind}.py"] = _filled(f"tests/{kind}.py", words)
    return made


@cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.tmpl").read_text(encoding="utf-8"))


def _filled(name: str, words: dict[str, str], **more: str) -> str:
    return _template(name).substitute(words, **more)


def _description(kinds: Sequence[str]) -> str:
    return f"A plugin for ganforge: {listed(kinds)}."


def _hooks(kinds: Sequence[str], words: dict[str, str]) -> Iterator[str]:
    """One hook for each kind; before them, which hooks are needed, if others had none of these."""
    needed = max((NEW_IN.get(kind, 1) for kind in kinds), default=1)
    if needed > 1:
        yield f"\nGANFORGE_HOOKS = {needed}\n"
        yield '"""An older ganforge has no place for all of this."""\n'
    for kind in kinds:
        target, summary, _ = EXAMPLES[kind]
        yield _filled(
            "hook.py", words, hook=hook_name(kind), kind=kind, target=target, summary=summary
        )


def _rows(names: Names, kinds: Sequence[str]) -> Iterator[str]:
    """The README's table of components."""
    for kind in kinds:
        summary = EXAMPLES[kind].summary
        yield f"| {kind} | `{names.plugin}` | {summary} | `{names.module}/{kind}.py` |"


def _recipe(names: Names, kinds: Sequence[str], words: dict[str, str]) -> str:
    """A recipe with a place for each component that is made, and ganforge's own for the rest."""
    data = "" if "dataset" in kinds else " on MNIST"
    about = f"A small GAN{data}, with {listed(kinds)} of {names.distribution}."
    lines = []
    for line in _filled("recipe.yaml", words, description=about).splitlines():
        found = _ONLY_FOR.fullmatch(line)
        if found is None:
            lines.append(line)
        elif all(_holds(condition, kinds) for condition in found["kinds"].split(", ")):
            lines.append(found["line"])
    return "\n".join(lines) + "\n"


def _holds(condition: str, kinds: Sequence[str]) -> bool:
    """Whether a kind is there, or is not: ``loss``, ``no loss``."""
    return (condition.removeprefix("no ") in kinds) != condition.startswith("no ")
