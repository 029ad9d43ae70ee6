"""Finds a plugin and puts every check to everything that it provides."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from ganforge.errors import PluginError, UsageError, choices_text
from ganforge.options import read_signature
from ganforge.pluginfiles import PREFIX
from ganforge.plugins import add_named, load_registry
from ganforge.registry import Component, Plugin, Registry
from ganforge.testing import (
    augmentations,
    bench,
    callbacks,
    constructor,
    datasets,
    discriminators,
    encoders,
    featurenetworks,
    gamebench,
    games,
    generators,
    hooks,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
    terms,
)
from ganforge.testing.findings import Check, Finding, ask_all
from ganforge.testing.isolation import usual_settings
from ganforge.testing.places import Place
from ganforge.testing.subject import Subject, check_inner

Options = Mapping[str, Mapping[str, Any]]


class Kind(NamedTuple):
    """What a kind of component is asked beyond its constructor.

    Args:
        checks: In their order.
        bench: What they share: makes the component, feeds it, and remembers.
    """

    checks: tuple[Check[Any], ...]
    bench: Callable[[Subject, Registry], Any]


KINDS = {
    "dataset": Kind(datasets.CHECKS, lambda subject, _: datasets.Bench(subject)),
    "generator": Kind(generators.CHECKS, lambda subject, _: bench.Bench(subject)),
    "discriminator": Kind(discriminators.CHECKS, lambda subject, _: bench.Bench(subject)),
    "encoder": Kind(encoders.CHECKS, lambda subject, _: bench.Bench(subject)),
    "game": Kind(games.CHECKS, lambda subject, _: gamebench.Bench(subject)),
    "loss": Kind(losses.CHECKS, lambda subject, _: terms.Bench(subject)),
    "regularizer": Kind(regularizers.CHECKS, lambda subject, _: terms.Bench(subject)),
    "augmentation": Kind(augmentations.CHECKS, lambda subject, _: augmentations.Bench(subject)),
    "optimizer": Kind(optimizers.CHECKS, lambda subject, _: optimizers.Bench(subject)),
    "schedule": Kind(schedules.CHECKS, lambda subject, _: schedules.Bench(subject)),
    "feature_network": Kind(
        featurenetworks.CHECKS, lambda subject, _: featurenetworks.Bench(subject)
    ),
    "metric": Kind(metrics.CHECKS, lambda subject, _: metrics.Bench(subject)),
    "callback": Kind(callbacks.CHECKS, callbacks.Bench),
}
"""By kind; every kind has some."""


def check_plugin(plugin: str | Path, *, options: Options | None = None) -> list[Finding]:
    """Check everything that a plugin provides; for use in its tests.

    Args:
        plugin: The name of its entry point or of its distribution, its module, or the path of a
            plugin file or package. A text is a path if it ends in ``.py`` or has a slash in it.
        options: Options to check components with, where their defaults will not do:
            ``{"dataset.acme": {"root": "tests/data"}}``.

    Returns:
        What was found: no failures.

    Raises:
        AssertionError: Every failure, and what to change.
        UsageError: There is no such plugin, component or option.
    """
    found = examine(plugin, options=options)
    failures = [finding for finding in found if finding.failed]
    if failures:
        told = "\n".join(f"  {failure!s}".replace("\n", "\n  ") for failure in failures)
        raise AssertionError(f"{plugin}: {len(failures)} of {len(found)} checks failed\n{told}")
    return found


def examine(
    plugin: str | Path, *, options: Options | None = None, registry: Registry | None = None
) -> list[Finding]:
    """The findings of :func:`check_plugin`, failures among them, in the order of the checks.

    Args:
        plugin: As there.
        options: As there.
        registry: What is installed; it is looked up if not given.

    Raises:
        UsageError: There is no such plugin, component or option.
    """
    registry = load_registry() if registry is None else registry
    found: list[Finding] = []
    with redirect_stdout(sys.stderr):  # results alone are written to standard output
        plugins = _find(plugin, registry)
    given = _checked_options(options or {}, plugins, registry)
    with usual_settings():
        for each in plugins:
            found += _examine(each, given, registry)
    return found


def _examine(plugin: Plugin, given: Options, registry: Registry) -> list[Finding]:
    place = Place.of_plugin(plugin)
    found = ask_all(f"plugin {plugin.name}", hooks.CHECKS, plugin, place)
    for component in plugin.components:
        label = f"{component.kind}.{component.name}"
        subject = Subject(component, given.get(label, {}), place, registry=registry)
        found += ask_all(subject.label, constructor.CHECKS, subject, place)
        if kind := KINDS.get(component.kind):
            found += ask_all(subject.label, kind.checks, kind.bench(subject, registry), place)
    for name, path in plugin.recipes.items():
        recipe = hooks.ShippedRecipe(path, registry)
        found += ask_all(f"recipe {name}", hooks.RECIPE_CHECKS, recipe, place)
    return found


def _find(plugin: str | Path, registry: Registry) -> list[Plugin]:
    """The plugins that a user means; one that cannot be loaded is there with its error."""
    text = str(plugin)
    if not (isinstance(plugin, Path) or text.endswith(".py") or "/" in text or "\\" in text):
        named = [p for p in registry.plugins if p.name == text]
        shipped = [p for p in registry.plugins if _normal(p.package) == _normal(text)]
        modules = [p for p in registry.plugins if p.module == text]
        for known in (named, shipped, modules):
            if known:
                return [_not_blocked(each) for each in known]
    elif isinstance(plugin, Path) and not text.endswith(".py"):
        text = str(plugin.absolute())  # so that it is taken for a path
    return [_add(text, registry)]


def _add(text: str, registry: Registry) -> Plugin:
    try:
        return add_named(registry, text)
    except PluginError as error:
        return _broken(text, error)
    except UsageError as error:
        if "no plugin module" not in error.message:
            raise
        names = [plugin.name for plugin in registry.plugins]
        hint = f"{choices_text(text, names)}\n{error.hint}"
        raise UsageError(f"there is no plugin '{text}'", hint=hint) from error


def _broken(text: str, error: PluginError) -> Plugin:
    """A named plugin that was not loaded, as an installed one would be kept."""
    cause = error.__cause__
    reason = error.message.partition("was not loaded: ")[2] or error.message
    path = Path(text) if text.endswith(".py") or "/" in text or "\\" in text else None
    name = path.resolve().stem if path else text
    module = f"{PREFIX}{name}" if path else text
    return Plugin(name, name, "unversioned", module, True, path, error=reason, cause=cause)


def _not_blocked(plugin: Plugin) -> Plugin:
    if plugin.blocked:
        raise UsageError(
            f"{plugin} is left out: {plugin.blocked}", hint="Let it in, and check it again."
        )
    return plugin


def _normal(package: str) -> str:
    """Packages have one name in several spellings."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _checked_options(options: Options, plugins: list[Plugin], registry: Registry) -> Options:
    """Options for components that there are, with names and values that they take.

    Raises:
        UsageError: Some are not.
    """
    components = {f"{c.kind}.{c.name}": c for plugin in plugins for c in plugin.components}
    for label, given in options.items():
        if label not in components:
            raise UsageError(
                f"options are given for '{label}', which the plugin does not provide",
                hint=choices_text(label, components),
            )
        _check_given(components[label], given, registry)
    return options


def _check_given(component: Component, given: Mapping[str, Any], registry: Registry) -> None:
    label = f"{component.kind}.{component.name}"
    try:
        signature = read_signature(component.load(), component.kind)
    except PluginError:  # the checks will tell
        return
    for problem in signature.check(given)[1]:
        if problem.path and problem.path[0] in given:
            raise UsageError(f"{label}: {problem.message}", hint=problem.hint)
    for name, nested in signature.nested.items():
        try:
            check_inner(nested, given.get(name), registry)
        except UsageError as error:
            error.message = f"{label}.{name}: {error.message}"
            raise
