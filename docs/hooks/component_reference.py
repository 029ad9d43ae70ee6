"""The components of each kind that ganforge ships, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markdown_text import code, fence, inline, prose, raises, table, written

from ganforge.explain import documented, facts
from ganforge.hookspecs import hook_name
from ganforge.options import INJECTED
from ganforge.plugins import load_registry
from ganforge.registry import Component, Registry
from ganforge.selection import Selection

ROOT = Path(__file__).parents[2]
METHODS = {"loss": ("discriminator", "generator")}
"""Methods whose documentation is the mathematics of a component, by kind."""


def page_name(kind: str) -> str:
    """``loss`` gives ``losses``."""
    return hook_name(kind).removeprefix("register_")


def components(kind: str) -> str:
    """Every component of one kind, and how a plugin adds more."""
    found = [c for c in own_plugins().components(kind) if c.plugin.first_party]
    parts = []
    injected = sorted(INJECTED.get(kind, ()))
    if injected:
        names = ", ".join(map(code, injected))
        parts.append(
            f"Arguments that ganforge supplies where the constructor asks for them: {names}. "
            "A recipe cannot set them."
        )
    parts.append(
        f"A plugin adds its own through the hook [`{hook_name(kind)}`](hooks.md#{hook_name(kind)})."
    )
    if not found:
        return "\n\n".join([*parts, "ganforge itself ships none of this kind."])
    rows = [(f"[`{c.name}`](#{c.name})", inline(c.summary)) for c in found]
    parts.append(table(("name", "what it is"), rows))
    return "\n\n".join([*parts, *map(section, found)])


@cache
def own_plugins() -> Registry:
    """What is described: ganforge's own plugins, whatever else is installed here."""
    return load_registry(selection=Selection(only=()))


def section(component: Component) -> str:
    """One component."""
    found = facts(component)
    target = component.load()
    documentation = documented(target)
    parts = [f"## {component.name} {{ #{component.name} }}", prose(found["documentation"])]
    parts += [
        f"The {side} minimises {inline(getattr(target, side).__doc__ or '')}"
        for side in METHODS.get(component.kind, ())
    ]
    parts.append(fence("yaml", usage(component, found["options"])))
    rows = [option_row(option) for option in found["options"]]
    rows += _framework_rows(component.kind, target)
    if rows:
        parts.append(table(("option", "type", "default", "meaning"), rows))
    else:
        parts.append("It has no options.")
    if found["supplied"]:
        parts.append(f"Supplied by ganforge: {', '.join(map(code, found['supplied']))}.")
    errors = raises(documentation)
    if errors:
        parts.append("It raises\n\n" + "\n".join(f"- `{name}`: {text}" for name, text in errors))
    parts.append(f"Plugin `{component.plugin.name}`. Source: {code(source(found['source']))}.")
    return "\n\n".join(parts)


def option_row(option: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """A row of a table of options."""
    default = "*required*" if option["required"] else code(written(option["default"]))
    return code(option["name"]), inline(option["type"]), default, inline(option["description"])


def usage(component: Component, options: list[Mapping[str, Any]]) -> str:
    """The component as it stands in a recipe, with every default."""
    node: dict[str, Any] = {"use": component.name}
    node |= {option["name"]: option["default"] for option in options if not option["required"]}
    if component.kind in ("regularizer", "callback"):
        return f"{component.kind}s:\n  - {written(node)}"
    if component.kind in ("optimizer", "schedule"):
        return f"{component.kind}:\n  generator: {written(node)}"
    return f"{component.kind}: {written(node)}"


def _framework_rows(kind: str, target: Any) -> list[tuple[str, str, str, str]]:
    """Options that a recipe gives to the framework, not to the component."""
    if kind == "regularizer":
        weight, every = target.default_weight, target.default_every
        return [
            ("`weight`", "float >= 0", code(written(weight)), "Its factor in the objective."),
            (
                "`every`",
                "int >= 1",
                code(every),
                "Lazy: computed in every k-th play of its phase, and scaled by k.",
            ),
        ]
    if kind == "callback":
        return [("`enabled`", "bool", "`true`", "`false` switches it off.")]
    return []


def source(place: str) -> str:
    """Where a component's code is, from the root of the repository."""
    path, _, line = place.rpartition(":")
    return f"{Path(path).relative_to(ROOT).as_posix()}:{line}"
