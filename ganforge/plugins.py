"""Which plugins there are: what is installed, and what the user or a recipe names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ganforge import pluginfiles
from ganforge.discovery import Found, installed
from ganforge.errors import PluginError, UsageError, choices_text
from ganforge.pluginload import load_into
from ganforge.registry import FIRST_PARTY, Plugin, Registry
from ganforge.selection import LOAD, STRICT, Selection


def load_registry(
    extra: Iterable[ModuleType] = (), *, selection: Selection | None = None
) -> Registry:
    """Load every installed plugin, those that the user names, and the given modules.

    An installed plugin that fails is kept with its ``error`` and never stops another.

    Raises:
        UsageError: No plugin is installed at all, or the selection names one that is not there.
        PluginError: A plugin that the selection names fails; any does, and the selection is strict.
    """
    selection = selection or Selection()
    found = installed()
    if not found:
        raise UsageError(
            "no plugin is installed, not even ganforge's own: the package is not installed",
            hint="Run 'pip install -c constraints.txt .' in ganforge's folder.",
        )
    named = _named(found)
    _check_names(selection, named)
    registry = Registry([])
    for name, entry in named.items():
        plugin = Plugin(name, entry.package, entry.version, entry.value.partition(":")[0].strip())
        registry.plugins.append(plugin)
        plugin.blocked = _blocked(plugin, selection)
        if plugin.blocked is None:
            load_into(plugin, entry.load)
            if plugin.error and selection.strict:
                raise _failed(plugin, f"{STRICT} is set: unset it to go on without this plugin.")
    for text in selection.named:
        add_named(registry, text)
    for module in extra:
        name = module.__name__.rpartition(".")[2]
        version = getattr(module, "__version__", "unversioned")
        plugin = Plugin(name, package=name, version=version, module=module.__name__)
        registry.plugins.append(plugin)
        load_into(plugin, lambda module=module: module)  # type: ignore[misc]
    return registry


def _named(found: list[Found]) -> dict[str, Found]:
    """Installed plugins by name; of two that are called the same, ganforge's own keeps the name."""
    named: dict[str, Found] = {}
    for entry in sorted(found, key=lambda entry: entry.package != FIRST_PARTY):
        name = entry.name if entry.name not in named else f"{entry.package}.{entry.name}"
        named[name] = entry
    return named


def add_named(registry: Registry, text: str, *, folder: Path | None = None) -> Plugin:
    """Load a plugin that is named by its file, folder or module.

    One that has been loaded already is left as it is.

    Raises:
        UsageError: There is no such file or module, it provides nothing, or another plugin has its
            name.
        PluginError: It fails; the cause is chained.
    """
    named = pluginfiles.find(text, folder=folder)
    for known in registry.plugins:
        if known.blocked:
            continue
        if known.path == named.path if named.path else known.module == named.module:
            if known.error:
                raise _failed(known)
            return known
        if known.name == named.name:
            if _same_text(known.path, named.path):  # a run keeps a copy of a plugin file
                return known
            out = f"-p {known.path} out" if known.named else f"the other out: -p no:{known.name}"
            raise UsageError(
                f"'{text}' has the name of another plugin: {known}",
                hint=f"Rename the file, or leave {out}.",
            )
    plugin = Plugin(named.name, named.name, "unversioned", named.module, True, named.path)
    load_into(plugin, named.load)
    if plugin.error:
        raise _failed(plugin)
    if not (plugin.components or plugin.recipes or plugin.add_commands):
        raise UsageError(
            f"{plugin} provides nothing: no hook in it registers anything",
            hint="Mark a function such as register_generators(register) with @ganforge.hookimpl.",
        )
    registry.plugins.append(plugin)
    return plugin


def _same_text(one: Path | None, other: Path | None) -> bool:
    """Whether two plugin files, or all Python files of two folders, are the same."""
    if one is None or other is None:
        return False
    first, second = _texts(one), _texts(other)
    return bool(first) and first == second


def _texts(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    home = path.parent if path.is_file() else path
    return {str(file.relative_to(home)): file.read_bytes() for file in files}


def _failed(plugin: Plugin, hint: str | None = None) -> PluginError:
    error = PluginError(f"{plugin} was not loaded: {plugin.error}", hint=hint)
    error.__cause__ = plugin.cause
    return error


def _check_names(selection: Selection, named: dict[str, Found]) -> None:
    """A misspelt name in the user's selection would silently do nothing."""
    names = set(named)
    packages = {_normal(entry.package) for entry in named.values()}
    for name in selection.blocked:
        if name not in names:
            raise UsageError(f"-p no:{name}: no such plugin", hint=choices_text(name, names))
    for name in selection.only or ():
        if name not in names and _normal(name) not in packages:
            hint = choices_text(name, names)
            raise UsageError(f"{LOAD} names '{name}': no such plugin", hint=hint)


def _blocked(plugin: Plugin, selection: Selection) -> str | None:
    """Why the user wants this plugin left out, if so."""
    if plugin.name in selection.blocked:
        return f"blocked by -p no:{plugin.name}"
    if selection.only is None or plugin.package == FIRST_PARTY:
        return None
    packages = map(_normal, selection.only)
    wanted = plugin.name in selection.only or _normal(plugin.package) in packages
    return None if wanted else f"not in {LOAD}"


def _normal(package: str) -> str:
    """A distribution's name as pip compares it: ``Acme_GAN`` is ``acme-gan``."""
    return re.sub(r"[-_.]+", "-", package).lower()
