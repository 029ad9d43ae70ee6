"""Loads one plugin: imports its hook module and lets it register its components."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from ganforge import hookspecs
from ganforge.errors import UsageError, choices_text, in_one_line
from ganforge.hookspecs import KINDS, NAMESPACE, Hooks, hook_name
from ganforge.registry import Component, Plugin

if TYPE_CHECKING:
    import click

SLOW_SECONDS = 0.5
"""An import that takes longer is noted: every command pays for it."""


def load_into(plugin: Plugin, load: Callable[[], Any]) -> None:
    """Import one plugin and call its hooks; whatever it does wrong becomes its ``error``."""
    had_torch = "torch" in sys.modules
    start = time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):  # standard output is for a command's results
            module = load()
            if plugin.path is None:  # a file may hold networks; an installed hook module may not
                _note_slowness(plugin, time.perf_counter() - start, had_torch=had_torch)
            _check_version(module)
            _register(plugin, module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
        plugin.error = in_one_line(error)
        plugin.cause = error
        plugin.components.clear()
        plugin.recipes.clear()


def _register(plugin: Plugin, module: Any) -> None:
    """Let a plugin's hooks register what it provides."""
    hooks = _hooks(plugin, module)
    for kind in KINDS:
        if hook := hooks.get(hook_name(kind)):
            _call(hook, register=_component_register(plugin, kind))
    if hook := hooks.get("register_recipes"):
        _call(hook, register=_recipe_register(plugin, module))
    if hook := hooks.get("register_commands"):
        plugin.add_commands = partial(_add_commands, hook)


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
        UsageError: One is misspelt, not marked, a wrapper, or takes an argument that there is not.
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
    try:
        with warnings.catch_warnings(record=True) as caught:  # a hook that will be removed warns
            warnings.simplefilter("always")
            try:
                manager.register(module, name=plugin.name)
            except pluggy.PluginValidationError as error:  # where in pluggy tells nobody anything
                raise UsageError(" ".join(str(error).split())) from None
        plugin.notes += [" ".join(str(warning.message).split()) for warning in caught]
        found = {
            caller.name: implementation
            for caller in manager.get_hookcallers(module) or ()
            for implementation in caller.get_hookimpls()
        }
    finally:
        if manager.is_registered(module):  # pluggy 1.5 keeps the half of one that it refuses
            manager.unregister(module)
    if not found:
        plugin.notes.append(f"it implements no hook; there are {', '.join(known)}")
    return found


def _call(hook: pluggy.HookImpl, **given: Any) -> None:
    """Call one hook; it may take fewer arguments than its specification.

    Raises:
        TypeError: It returned something, as a generator or a coroutine does that never ran.
    """
    result = hook.function(**{name: given[name] for name in hook.argnames})
    if result is not None:
        raise TypeError(
            f"{hook.function.__name__} returned {type(result).__name__}; a hook calls 'register' "
            "and returns nothing"
        )


def _add_commands(hook: pluggy.HookImpl, cli: click.Group) -> None:
    with redirect_stdout(sys.stderr):
        _call(hook, cli=cli)


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
        # An entry point may name an object; the module that it is in has the file.
        place = getattr(sys.modules.get(plugin.module, module), "__file__", None)
        if place is None and not Path(path).is_absolute():
            raise ValueError(f"recipe '{name}': the plugin has no folder; name an absolute path")
        file = Path(place or "").parent / path
        if not file.is_file():
            raise FileNotFoundError(f"recipe '{name}': there is no file '{file}'")
        plugin.recipes[name] = file

    return register


def _check_name(kind: str, name: Any, taken: Iterable[str]) -> None:
    if not isinstance(name, str) or not name or set(name) & set(":/ \t\n"):
        raise ValueError(f"{kind} {name!r}: a name is text without spaces, ':' and '/'")
    if name in taken:
        raise ValueError(f"{kind} '{name}' is registered twice")
