"""Components by kind and name, and which plugin each came from."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganforge.errors import PluginError, UsageError, choices_text, in_one_line
from ganforge.hookspecs import KINDS

if TYPE_CHECKING:
    import click

    AddCommands = Callable[[click.Group], None]

FIRST_PARTY = "ganforge"
"""The distribution whose components own their bare names."""


@dataclass
class Plugin:
    """A plugin that was found, and what became of it.

    Args:
        name: Its entry point's name; ``name:component`` always finds its components.
        package: The distribution that ships it.
        version: That distribution's version.
        module: The module that holds its hooks.
        named: Whether the user or a recipe named it, by its file or module; it is not installed.
        path: Its file or folder, if that was named.
        components: What it provides.
        recipes: The recipes that it ships, by name.
        add_commands: Its hook for commands of its own, if it has one.
        error: Why it could not be used, in one line; None if all is well.
        cause: The exception behind ``error``.
        blocked: Why it was left out: the user's word.
        notes: What its author should know, a line each.
    """

    name: str
    package: str
    version: str
    module: str = ""
    named: bool = False
    path: Path | None = None
    components: list[Component] = field(default_factory=list)
    recipes: dict[str, Path] = field(default_factory=dict)
    add_commands: AddCommands | None = None
    error: str | None = None
    cause: BaseException | None = None
    blocked: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def first_party(self) -> bool:
        return self.package == FIRST_PARTY

    @property
    def origin(self) -> str:
        """Its package and version, or its file."""
        return str(self.path) if self.path else f"{self.package} {self.version}"

    def __str__(self) -> str:
        return f"plugin '{self.name}' ({self.origin})"


@dataclass(frozen=True)
class Component:
    """Something a plugin registers: a kind, a name, and where its class is.

    Args:
        kind: One of :data:`ganforge.hookspecs.KINDS`.
        name: Its name in recipes.
        plugin: Who registered it.
        target: ``"package.module:Name"``, or the class itself.
        summary: One line for listings.
    """

    kind: str
    name: str
    plugin: Plugin
    target: str | Any
    summary: str = ""

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}' of {self.plugin}"

    def load(self) -> Any:
        """Import the class or function that makes this component.

        Raises:
            PluginError: It is not where its plugin says it is, or cannot be imported.
        """
        if not isinstance(self.target, str):
            return self.target
        module_name, _, attribute = self.target.partition(":")
        try:
            with redirect_stdout(sys.stderr):  # standard output is for a command's results
                module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            reason = in_one_line(error)
            raise PluginError(f"{self}: cannot import {module_name}: {reason}") from error
        try:
            loaded = getattr(module, attribute)
        except AttributeError as error:
            raise PluginError(
                f"{self}: {module_name} has no '{attribute}'",
                hint=choices_text(attribute, _public(module)),
            ) from error
        if not callable(loaded):
            raise PluginError(f"{self}: {self.target} is not a class or function")
        return loaded


def _public(module: ModuleType) -> list[str]:
    """The classes and functions that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]


class Registry:
    """All components of all plugins.

    Bare names belong to the first-party plugins first; ``plugin:name`` always works; any other
    clash is an error when the name is used.
    """

    def __init__(self, plugins: list[Plugin]) -> None:
        self.plugins = plugins

    def components(self, kind: str | None = None) -> Iterator[Component]:
        """Every component, or every one of a kind."""
        for plugin in self.plugins:
            for component in plugin.components:
                if kind is None or component.kind == kind:
                    yield component

    def names(self, kind: str) -> list[str]:
        """Valid names of a kind, sorted; a name that needs its plugin's is given with it."""
        by_name: dict[str, list[Component]] = {}
        for component in self.components(kind):
            by_name.setdefault(component.name, []).append(component)
        names = []
        for name, candidates in by_name.items():
            owner = _owner(candidates)
            if owner is not None:
                names.append(name)
            names += [f"{c.plugin.name}:{name}" for c in candidates if c is not owner]
        return sorted(names)

    def find(self, kind: str, name: str) -> Component:
        """The component of this kind and name.

        Raises:
            UsageError: No plugin provides it, or several do and none has precedence.
        """
        if kind not in KINDS:
            raise UsageError(f"unknown kind '{kind}'", hint=choices_text(kind, KINDS))
        plugin_name, _, bare = name.rpartition(":")
        candidates = [
            c
            for c in self.components(kind)
            if c.name == bare and plugin_name in ("", c.plugin.name)
        ]
        if not candidates:
            raise UsageError(f"unknown {kind} '{name}'", hint=self._unknown_hint(kind, name))
        owner = _owner(candidates)
        if owner is None:
            qualified = ", ".join(f"{c.plugin.name}:{c.name}" for c in candidates)
            raise UsageError(
                f"several plugins provide {kind} '{name}'", hint=f"Say which: {qualified}."
            )
        return owner

    def namesakes(self, component: Component) -> list[Component]:
        """Every component of the same kind and name, itself too."""
        return [c for c in self.components(component.kind) if c.name == component.name]

    def name_of(self, component: Component) -> str:
        """The shortest name by which this component, and no other, is found."""
        if _owner(self.namesakes(component)) is component:
            return component.name
        return f"{component.plugin.name}:{component.name}"

    def _unknown_hint(self, kind: str, name: str) -> str:
        names = self.names(kind)
        lines = [choices_text(name, names) if names else f"No plugin provides a {kind}."]
        lines += [
            f"Not searched: {plugin} was not loaded: {plugin.error or plugin.blocked}"
            for plugin in self.plugins
            if plugin.error or plugin.blocked
        ]
        return "\n".join(lines)


def _owner(candidates: list[Component]) -> Component | None:
    first_party = [c for c in candidates if c.plugin.first_party]
    if len(first_party) == 1:
        return first_party[0]
    return candidates[0] if len(candidates) == 1 else None
