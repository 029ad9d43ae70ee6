"""Recipes that come with ganforge or with a plugin, found by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ganforge
from ganforge.errors import UsageError, choices_text
from ganforge.registry import Registry


@dataclass(frozen=True)
class Shipped:
    """A recipe that is installed.

    Args:
        path: Its file.
        origin: The package and version that it comes with.
    """

    path: Path
    origin: str


def folder() -> Path:
    """Where ganforge's own recipes are: in the installed package, or beside it in a checkout."""
    package = Path(ganforge.__file__).parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def shipped(registry: Registry) -> dict[str, Shipped]:
    """Installed recipes by name, sorted.

    Bare names belong to ganforge's own recipes first, as they do for components; ``plugin:name``
    finds what else has such a name.
    """
    origin = f"ganforge {ganforge.__version__}"
    found = {path.stem: Shipped(path, origin) for path in folder().glob("*.yaml")}
    offered: dict[str, list[tuple[str, Shipped]]] = {}
    for plugin in registry.plugins:
        for name, path in plugin.recipes.items():
            recipe = Shipped(path, plugin.origin)
            offered.setdefault(name, []).append((plugin.name, recipe))
    for name, candidates in offered.items():
        alone = len(candidates) == 1 and name not in found
        for plugin_name, recipe in candidates:
            found[name if alone else f"{plugin_name}:{name}"] = recipe
    return dict(sorted(found.items()))


def locate(name: str, registry: Registry) -> Path:
    """The file that a user means by a path or by a recipe's name.

    Raises:
        UsageError: There is neither.
    """
    path = Path(name)
    recipes = shipped(registry)
    if path.is_file() or (path.is_dir() and name not in recipes):
        return path
    if name in recipes:
        return recipes[name].path
    plugin_name, _, bare = name.rpartition(":")
    for plugin in registry.plugins:
        if plugin.name == plugin_name and bare in plugin.recipes:
            return plugin.recipes[bare]
    # 'recipes/mnist_dcgan.yaml' works from any folder, as the documentation writes it.
    if path.parent == Path("recipes") and path.suffix == ".yaml" and path.stem in recipes:
        return recipes[path.stem].path
    raise UsageError(
        f"there is no recipe '{name}': no such file, and none of that name is installed",
        hint=choices_text(path.stem, recipes),
    )
