"""What the documentation takes from the code: what is installed is what is described.

In a page, a line ``<!-- generated: NAME -->`` is replaced by the part of that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import command_reference
import component_reference
import hook_reference
import recipe_reference
import variable_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from ganforge.hookspecs import KINDS

_MARKER = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)

PARTS: dict[str, Callable[[], str]] = {
    "commands": command_reference.every_command,
    "hooks": hook_reference.every_hook,
    "shipped recipes": recipe_reference.shipped_table,
    "recipe smoke": partial(recipe_reference.shipped_recipe, "smoke"),
    "recipe head": recipe_reference.head_table,
    "recipe parts": recipe_reference.part_table,
    **{
        f"block {name}": partial(recipe_reference.block_table, name)
        for name in recipe_reference.BLOCK_MODELS
    },
    **{f"components {kind}": partial(component_reference.components, kind) for kind in KINDS},
    "variables": variable_reference.every_variable,
    "completion": variable_reference.completion,
}


def filled(markdown: str) -> str:
    """A page with its generated parts in place.

    Raises:
        PluginError: It asks for a part that there is not.
    """

    def fill(marker: re.Match[str]) -> str:
        if marker[1] not in PARTS:
            raise PluginError(f"nothing generates '{marker[1]}'; there are {', '.join(PARTS)}")
        return PARTS[marker[1]]()

    return _MARKER.sub(fill, markdown)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Called by mkdocs for each page."""
    return filled(markdown)
