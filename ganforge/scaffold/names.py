"""What a new plugin is called, and whether that name is free."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass

from ganforge.errors import UsageError
from ganforge.recipe.shipped import shipped
from ganforge.registry import FIRST_PARTY, Registry

MOST = 40
"""Letters in a name; the lines of code that hold it stay short."""

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_OUR_PREFIX = re.compile(rf"{FIRST_PARTY}[-_](?=.)")


@dataclass(frozen=True)
class Names:
    """The names of one plugin.

    Args:
        plugin: Of its entry point, its components and its recipe: ``my_gan``.
    """

    plugin: str

    @property
    def distribution(self) -> str:
        """What pip calls it: ``ganforge-my-gan``."""
        return f"{FIRST_PARTY}-{self.plugin.replace('_', '-')}"

    @property
    def module(self) -> str:
        """What Python imports: ``ganforge_my_gan``."""
        return f"{FIRST_PARTY}_{self.plugin}"


def parse(text: str) -> Names:
    """The names that follow from what a user typed; ``ganforge-`` before it is taken for granted.

    Raises:
        UsageError: It cannot be the name of a plugin.
    """
    name = _OUR_PREFIX.sub("", text, count=1)
    if not _NAME.fullmatch(name):
        proposal = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        fits = _NAME.fullmatch(proposal) and len(proposal) <= MOST and proposal != FIRST_PARTY
        raise UsageError(
            f"'{text}' cannot be a plugin's name",
            hint="Use lower-case letters, digits, and '-' or '_' between them; a letter first, "
            f"such as {proposal if fits else 'acme'}.",
        )
    if len(name) > MOST:
        raise UsageError(
            f"'{text}' is too long for a plugin's name",
            hint=f"It has {len(name)} letters; take {MOST} at most.",
        )
    return Names(name.replace("-", "_"))


def check_free(names: Names, registry: Registry) -> None:
    """See that nothing has the name already.

    A plugin of ganforge's own keeps its bare name wherever another takes it too, so the new one
    would not be found by it; the names of Python's words and modules only lead astray.

    Raises:
        UsageError: Something has it.
    """
    taken = _taken(names, registry)
    if taken is not None:
        raise UsageError(
            f"'{names.plugin}' is {taken}",
            hint=f"Choose another name, such as my_{names.plugin}.",
        )


def _taken(names: Names, registry: Registry) -> str | None:
    """Whose the name is, in words, if it is somebody's."""
    name = names.plugin
    if keyword.iskeyword(name):
        return "a word of Python's"
    if name in sys.stdlib_module_names:
        return "a module of Python's"
    if name == FIRST_PARTY:
        return "ganforge's own name"
    for plugin in registry.plugins:
        if name == plugin.name or names.module == plugin.module:
            return f"the name of an installed plugin: {plugin}"
    for component in registry.components():
        if component.name == name and component.plugin.first_party:
            return f"the name of a component: {component}"
    if (recipe := shipped(registry).get(name)) is not None:
        return f"the name of an installed recipe, from {recipe.origin}"
    if importlib.util.find_spec(names.module) is not None:
        return f"taken: there is a module {names.module} already"
    return None
