"""From a recipe's file to a recipe that has been checked."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ganforge.recipe.check import check
from ganforge.recipe.migrate import migrate
from ganforge.recipe.overrides import apply_overrides
from ganforge.recipe.reader import read_file
from ganforge.recipe.schema import Recipe
from ganforge.registry import Registry


def load(
    path: pathlib.Path, registry: Registry, overrides: Sequence[str] = ()
) -> tuple[Recipe, list[str]]:
    """Read a recipe, bring it up to date, change it as the user wishes, and check it.

    The plugins that it names are added to the registry.

    Returns:
        The recipe, and what a migration or an override replaced, in words for the user.

    Raises:
        UsageError: There is no such file, or it is no text.
        RecipeError: Everything that is wrong with it.
        PluginError: A plugin file that it names is broken.
    """
    document = read_file(path)
    notes = [*migrate(document), *apply_overrides(document, overrides)]
    return check(document, registry), notes
