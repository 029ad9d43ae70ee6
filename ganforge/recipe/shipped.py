"""Recipes that come with ganforge, found by name."""

from __future__ import annotations

from pathlib import Path

import ganforge
from ganforge.errors import UsageError, choices_text


def folder() -> Path:
    """Where the shipped recipes are: in the installed package, or beside it in a checkout."""
    package = Path(ganforge.__file__).parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped() -> dict[str, Path]:
    """Shipped recipes by name, sorted."""
    return {path.stem: path for path in sorted(folder().glob("*.yaml"))}


def locate(name: str) -> Path:
    """The file that a user means by a path or by a shipped recipe's name.

    Raises:
        UsageError: There is neither.
    """
    path = Path(name)
    if path.is_file() or (path.is_dir() and name not in shipped()):
        return path
    recipes = shipped()
    if name in recipes:
        return recipes[name]
    # 'recipes/mnist_dcgan.yaml' works from any folder, as the documentation writes it.
    if path.parent == Path("recipes") and path.suffix == ".yaml" and path.stem in recipes:
        return recipes[path.stem]
    raise UsageError(
        f"there is no recipe '{name}': no such file, and none of that name is shipped",
        hint=choices_text(path.stem, recipes),
    )


def summary(path: Path) -> str:
    """The first comment of a recipe that is not the line that runs it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#"):
            break
        if text and not text.startswith(("ganforge ", "yaml-language-server")):
            return text
    return ""
