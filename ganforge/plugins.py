"""Finds plugins by their entry points and lets each register its components, isolated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from ganforge.discovery import installed
from ganforge.errors import UsageError, choices_text
from ganforge.hookspecs import KINDS, NAMESPACE, Hooks, hook_name
from ganforge.registry import Component, Plugin, Registry

if TYPE_CHECKING:
    from ganforge.registry import AddCommands


def load_registry(extra: Iterable[ModuleType] = ()) -> Registry:
    """Load every installed plugin, and the given modules as plugins of their own name.

    A plugin that fails is kept with its ``error`` and never stops another.

    Raises:
        UsageError: No plugin is installed at all.
    """
    manager = pluggy.PluginManager(NAMESPACE)
    manager.add_hookspecs(Hooks)
    found = installed()
    if not found:
        raise UsageError(
            "no plugin is installed, not even ganforge's own: the package is not installed",
            hint="Run 'pip install -c constraints.txt .' in ganforge's folder.",
        )
    plugins: list[Plugin] = []
    for entry in found:
        taken = {plugin.name for plugin in plugins}
        name = entry.name if entry.name not in taken else f"{entry.package}.{entry.name}"
        plugin = Plugin(name, entry.package, entry.version)
        plugins.append(plugin)
        _load(plugin, manager, entry.load)
    for module in extra:
        name = module.__name__.rpartition(".")[2]
        plugin = Plugin(name, package=name, version=getattr(module, "__version__", "unversioned"))
        plugins.append(plugin)
        _load(plugin, manager, lambda module=module: module)  # type: ignore[misc]
    return Registry(plugins)


def _load(plugin: Plugin, manager: pluggy.PluginManager, load: Callable[[], Any]) -> None:
    """Import one plugin and call its hooks; whatever it does wrong becomes its ``error``."""
    try:
        module = load()
        _check_hooks(module, manager)
        manager.register(module, name=plugin.name)
        for kind in KINDS:
            _call(plugin, manager, kind)
        for implementation in manager.hook.register_commands.get_hookimpls():
            if implementation.plugin_name == plugin.name:
                plugin.add_commands = cast("AddCommands", implementation.function)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
        text = " ".join(str(error).split())
        plugin.error = f"{type(error).__name__}: {text}" if text else type(error).__name__
        plugin.components.clear()


def _check_hooks(module: Any, manager: pluggy.PluginManager) -> None:
    """A misspelt hook would never be called: better to say so."""
    hooks = [name for name in vars(Hooks) if name.startswith("register_")]
    for name in dir(module):
        if manager.parse_hookimpl_opts(module, name) is not None and name not in hooks:
            raise UsageError(f"unknown hook '{name}'. {choices_text(name, hooks)}")


def _call(plugin: Plugin, manager: pluggy.PluginManager, kind: str) -> None:
    """Call one plugin's hook of a kind, if it has one.

    pluggy's own call runs all plugins and stops at the first that raises; here each plugin stands
    alone.
    """

    def register(name: str, target: str | Any, *, summary: str = "") -> None:
        if any(c.kind == kind and c.name == name for c in plugin.components):
            raise ValueError(f"{kind} '{name}' is registered twice")
        if not (callable(target) or (isinstance(target, str) and ":" in target)):
            raise TypeError(
                f"{kind} '{name}': the target must be 'package.module:Name' or a class, "
                f"not {target!r}"
            )
        plugin.components.append(Component(kind, name, plugin, target, summary))

    for implementation in getattr(manager.hook, hook_name(kind)).get_hookimpls():
        if implementation.plugin_name == plugin.name:
            given: dict[str, Any] = {"register": register}
            implementation.function(**{name: given[name] for name in implementation.argnames})
