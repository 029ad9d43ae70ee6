"""Finds plugins by their entry points and lets each register its components, isolated."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from ganforge import hookspecs, pluginfiles
from ganforge.discovery import Found, installed
from ganforge.errors import PluginError, UsageError, choices_text, in_one_line
from ganforge.hookspecs import KINDS, NAMESPACE, Hooks, hook_name
from ganforge.registry import FIRST_PARTY, Component, Plugin, Registry
from ganforge.selection import LOAD, STRICT, Selection

if TYPE_CHECKING:
    from ganforge.registry import AddCommands

SLOW_SECONDS = 0.5
"""An import that takes longer is noted: every command pays for it."""


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
    _check_names(selection, found)
    registry = Registry([])
    for entry in found:
        taken = {plugin.name for plugin in registry.plugins}
        name = entry.name if entry.name not in taken else f"{entry.package}.{entry.name}"
        plugin = Plugin(name, entry.package, entry.version, entry.value.partition(":")[0])
        registry.plugins.append(plugin)
        plugin.blocked = _blocked(plugin, selection)
        if plugin.blocked is None:
            _load(plugin, entry.load)
            if plugin.error and selection.strict:
                raise _failed(plugin, f"{STRICT} is set: unset it to go on without this plugin.")
    for text in selection.named:
        add_named(registry, text)
    for module in extra:
        name = module.__name__.rpartition(".")[2]
        version = getattr(module, "__version__", "unversioned")
        plugin = Plugin(name, package=name, version=version, module=module.__name__)
        registry.plugins.append(plugin)
        _load(plugin, lambda module=module: module)  # type: ignore[misc]
    return registry


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
            return known
        if known.name == named.name:
            other = "" if known.named else f", or leave the other out: -p no:{known.name}"
            raise UsageError(
                f"'{text}' has the name of another plugin: {known}", hint=f"Rename the file{other}."
            )
    plugin = Plugin(named.name, named.name, "unversioned", named.module, True, named.path)
    _load(plugin, named.load)
    if plugin.error:
        raise _failed(plugin)
    if not (plugin.components or plugin.recipes or plugin.add_commands):
        raise UsageError(
            f"{plugin} provides nothing: no hook in it registers anything",
            hint="Mark a function such as register_generators(register) with @ganforge.hookimpl.",
        )
    registry.plugins.append(plugin)
    return plugin


def _failed(plugin: Plugin, hint: str | None = None) -> PluginError:
    error = PluginError(f"{plugin} was not loaded: {plugin.error}", hint=hint)
    error.__cause__ = plugin.cause
    return error


def _check_names(selection: Selection, found: list[Found]) -> None:
    """A misspelt name in the user's selection would silently do nothing."""
    names = {entry.name for entry in found}
    packages = {entry.package for entry in found}
    for name in selection.blocked:
        if name not in names:
            raise UsageError(f"-p no:{name}: no such plugin", hint=choices_text(name, names))
    for name in selection.only or ():
        if name not in names | packages:
            hint = choices_text(name, names)
            raise UsageError(f"{LOAD} names '{name}': no such plugin", hint=hint)


def _blocked(plugin: Plugin, selection: Selection) -> str | None:
    """Why the user wants this plugin left out, if so."""
    if plugin.name in selection.blocked:
        return f"blocked by -p no:{plugin.name}"
    if selection.only is None or plugin.package == FIRST_PARTY:
        return None
    wanted = plugin.name in selection.only or plugin.package in selection.only
    return None if wanted else f"not in {LOAD}"


def _load(plugin: Plugin, load: Callable[[], Any]) -> None:
    """Import one plugin and call its hooks; whatever it does wrong becomes its ``error``."""
    had_torch = "torch" in sys.modules
    start = time.perf_counter()
    try:
        module = load()
        if plugin.path is None:  # a file may hold networks; an installed hook module may not
            _note_slowness(plugin, time.perf_counter() - start, had_torch=had_torch)
        _check_version(module)
        hooks = _hooks(plugin, module)
        for kind in KINDS:
            if hook := hooks.get(hook_name(kind)):
                _call(hook, _component_register(plugin, kind))
        if hook := hooks.get("register_recipes"):
            _call(hook, _recipe_register(plugin, module))
        if hook := hooks.get("register_commands"):
            plugin.add_commands = cast("AddCommands", hook.function)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
        plugin.error = in_one_line(error)
        plugin.cause = error
        plugin.components.clear()
        plugin.recipes.clear()


def _note_slowness(plugin: Plugin, seconds: float, *, had_torch: bool) -> None:
    advice = "name targets by text, 'package.module:Name', and import nothing heavy beside them"
    if "torch" in sys.modules and not had_torch:
        plugin.notes.append(f"its hook module imports torch, which slows every command: {advice}")
    elif seconds > SLOW_SECONDS:
        plugin.notes.append(f"its hook module takes {seconds:.1f} s to import: {advice}")


def _check_version(module: Any) -> None:
    """A plugin may say which version of the hooks it needs at least."""
    needed = getattr(module, "GANFORGE_HOOKS", 1)
    if needed > hookspecs.VERSION:
        raise UsageError(
            f"it needs version {needed} of the hooks, and this ganforge has "
            f"version {hookspecs.VERSION}: pip install -U ganforge"
        )


class _Manager(pluggy.PluginManager):
    """Passes over what is no function of a module; pluggy's own look takes much longer."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        if isinstance(plugin, ModuleType) and not callable(vars(plugin).get(name)):
            return None
        return super().parse_hookimpl_opts(plugin, name)


@cache
def _manager() -> pluggy.PluginManager:
    """Checks implementations against the specifications; it holds one plugin at a time."""
    manager = _Manager(NAMESPACE)
    manager.add_hookspecs(Hooks)
    return manager


def _hooks(plugin: Plugin, module: Any) -> dict[str, pluggy.HookImpl]:
    """The hooks that a module implements, by name.

    Raises:
        UsageError: One is misspelt, not marked, or a wrapper.
        pluggy.PluginValidationError: One takes an argument that there is not.
    """
    manager = _manager()
    known = [name for name in vars(Hooks) if name.startswith("register_")]
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        if options is None:
            if name in known and callable(getattr(module, name)):
                raise UsageError(f"'{name}' is not marked with @ganforge.hookimpl")
        elif options["wrapper"] or options["hookwrapper"]:
            raise UsageError(f"hook '{name}' is a wrapper, and each plugin's hooks stand alone")
        elif (options["specname"] or name) not in known and not options["optionalhook"]:
            raise UsageError(f"unknown hook '{name}'. {choices_text(name, known)}")
    with warnings.catch_warnings(record=True) as caught:  # a hook that will be removed warns
        warnings.simplefilter("always")
        manager.register(module, name=plugin.name)
    try:
        plugin.notes += [" ".join(str(warning.message).split()) for warning in caught]
        found = {
            caller.name: implementation
            for caller in manager.get_hookcallers(module) or ()
            for implementation in caller.get_hookimpls()
        }
    finally:
        manager.unregister(module)
    if not found:
        plugin.notes.append(f"it implements no hook; there are {', '.join(known)}")
    return found


def _call(hook: pluggy.HookImpl, register: Callable[..., None]) -> None:
    """Call one hook; it may take fewer arguments than its specification."""
    given = {"register": register}
    hook.function(**{name: given[name] for name in hook.argnames})


def _component_register(plugin: Plugin, kind: str) -> Callable[..., None]:
    def register(name: str, target: str | Any, *, summary: str = "") -> None:
        _check_name(kind, name, [c.name for c in plugin.components if c.kind == kind])
        if not (callable(target) or (isinstance(target, str) and ":" in target)):
            raise TypeError(
                f"{kind} '{name}': the target must be 'package.module:Name' or a class, "
                f"not {target!r}"
            )
        if isinstance(target, str) and plugin.path is not None:
            target = _inside(plugin, target)
        plugin.components.append(Component(kind, name, plugin, target, summary))

    return register


def _inside(plugin: Plugin, target: str) -> str:
    """A plugin file calls its own module by the file's name; it was imported under another."""
    module, _, attribute = target.partition(":")
    head, dot, rest = module.partition(".")
    return f"{plugin.module}{dot}{rest}:{attribute}" if head == plugin.name else target


def _recipe_register(plugin: Plugin, module: Any) -> Callable[..., None]:
    def register(name: str, path: str | Path) -> None:
        _check_name("recipe", name, plugin.recipes)
        file = Path(getattr(module, "__file__", None) or "").parent / path
        if not file.is_file():
            raise FileNotFoundError(f"recipe '{name}': there is no file '{file}'")
        plugin.recipes[name] = file

    return register


def _check_name(kind: str, name: Any, taken: Iterable[str]) -> None:
    if not isinstance(name, str) or not name or set(name) & set(":/ \t\n"):
        raise ValueError(f"{kind} {name!r}: a name is text without spaces, ':' and '/'")
    if name in taken:
        raise ValueError(f"{kind} '{name}' is registered twice")
