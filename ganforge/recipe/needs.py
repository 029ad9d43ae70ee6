"""What a recipe needs beside ganforge: packages, and plugin files beside it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from shlex import quote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from ganforge.errors import PluginError, UsageError
from ganforge.plugins import add_named
from ganforge.recipe.schema import Head
from ganforge.recipe.source import Document, Problem, shown
from ganforge.registry import Registry


def provide(head: Head, document: Document, registry: Registry) -> list[Problem]:
    """Add the plugins that a recipe names; what is missing of them and of the packages it requires.

    Raises:
        PluginError: One of its plugins is broken, and no missing package explains why.
    """
    missing = _missing_packages(head, document)
    try:
        return missing + _load_plugins(head, document, registry)
    except PluginError:
        if missing:  # the likely reason, and the user can do something about it
            return missing
        raise


def _missing_packages(head: Head, document: Document) -> list[Problem]:
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
    except InvalidRequirement:
        # What packaging says of it is about its grammar, and differs between its versions.
        hint = "Write a package and its versions, such as ganforge-acme>=1.2."
        return f"'{shown(text)}' does not name a package and its versions", hint
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    install = f"Install it: pip install {quote(text)}"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return f"the recipe requires {text}, which is not installed", install
    if requirement.specifier and not _fits(requirement, installed):
        return f"the recipe requires {text}; installed is {requirement.name} {installed}", install
    return None


def _fits(requirement: Requirement, installed: str | None) -> bool:
    """Whether a version is one of those wanted; what is no version at all is not."""
    try:
        return requirement.specifier.contains(Version(installed or ""), prereleases=True)
    except InvalidVersion:
        return False


def _load_plugins(head: Head, document: Document, registry: Registry) -> list[Problem]:
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
