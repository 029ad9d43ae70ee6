"""The hooks: each with its signature, its documentation and an example."""

from __future__ import annotations

import inspect
import re

import hook_examples
from markdown_text import fence, prose

from ganforge import hookspecs
from ganforge.hookspecs import Hooks

VERSION_TEXT = (
    "The hooks have version {version}. A plugin that needs at least this version says so in its "
    "module: `GANFORGE_HOOKS = {version}`."
)


def every_hook() -> str:
    """All hooks, in the order of the specifications."""
    parts = [VERSION_TEXT.format(version=hookspecs.VERSION)]
    for name, function in vars(Hooks).items():
        if not name.startswith("register_"):
            continue
        parts += [
            f"## {name} {{ #{name} }}",
            fence("python", _signature(name, function)),
            prose(inspect.getdoc(function) or ""),
            fence("python", _example(name)),
        ]
    return "\n\n".join(parts)


def _example(name: str) -> str:
    """An implementation, with the imports that it needs."""
    source = inspect.getsource(getattr(hook_examples, name))
    names = [
        n for n in ("Register", "RegisterRecipe", "hookimpl") if re.search(rf"\b{n}\b", source)
    ]
    imports = f"from ganforge import {', '.join(names)}"
    if "click." in source:
        imports = f"import click\n\n{imports}"
    return f"{imports}\n\n\n{source}"


def _signature(name: str, function: object) -> str:
    """As an implementation writes it: without ``self``."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [f"{p.name}: {p.annotation}" for p in list(signature.parameters.values())[1:]]
    return f"def {name}({', '.join(parameters)}) -> None"
