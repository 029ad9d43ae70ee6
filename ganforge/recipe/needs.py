"""What a recipe needs beside ganforge: packages, and plugin files beside it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from shlex import quote

from packaging.requirements import InvalidRequirement, Requirement

from ganforge.errors import PluginError, UsageError
from ganforge.plugins import add_named
from ganforge.recipe.schema import Head
from ganforge.recipe.source import Document, Problem
from ganforge.registry import Registry


def missing_packages(head: Head, document: Document) -> list[Problem]:
    """A problem for each requirement that is not met, with the line that installs it."""
    problems = []
    for index, text in enumerate(head.requires):
        position = document.position(("requires", index))
        found = _unmet(text)
        if found is not None:
            problems.append(Problem(found[0], position, found[1]))
    return problems


def _unmet(text: str) -> tuple[str, str] | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        return (
            f"'{text}' is no requirement: {reason}",
            "Write a package and its versions, such as ganforge-acme>=1.2.",
        )
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    install = f"Install it: pip install {quote(text)}"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"the recipe requires {text}, which is not installed", install
    if not requirement.specifier.contains(installed, prereleases=True):
        return f"the recipe requires {text}; installed is {requirement.name} {installed}", install
    return None


def load_plugins(head: Head, document: Document, registry: Registry) -> list[Problem]:
    """Add the plugins that a recipe names; a problem for each one that is not there.

    Raises:
        PluginError: One of them is broken: its author wants to see where.
    """
    problems = []
    for index, text in enumerate(head.plugins):
        position = document.position(("plugins", index))
        try:
            add_named(registry, text, folder=document.folder)
        except UsageError as error:
            problems.append(Problem(error.message, position, error.hint))
        except PluginError as error:
            error.message = f"{position}: {error.message}" if position else error.message
            raise
    return problems
