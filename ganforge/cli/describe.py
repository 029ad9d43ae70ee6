"""``ganforge describe``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click

from ganforge.cli.context import registry
from ganforge.cli.listing import JSON, print_json
from ganforge.hookspecs import KINDS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ganforge.registry import Component


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@JSON
def describe(kind: str, name: str, as_json: bool) -> None:
    """Explain a component: options, documentation, origin."""
    facts = _facts(registry().find(kind, name))
    if as_json:
        print_json(facts)
        return
    click.echo(f"{kind} {facts['name']}   {facts['plugin']}\n")
    click.echo(f"{facts['documentation']}\n")
    if facts["options"]:
        click.echo("Options:")
        for option in facts["options"]:
            default = "required" if option["required"] else f"default: {option['default']}"
            click.echo(f"  {option['name']}: {option['type']}   ({default})")
    else:
        click.echo("It has no options.")
    if facts["supplied"]:
        click.echo(f"Supplied by ganforge: {', '.join(facts['supplied'])}")
    click.echo(f"Source: {facts['source']}")


def _facts(component: Component) -> dict[str, Any]:
    from ganforge.options import read_signature

    target = component.load()
    signature = read_signature(target, component.kind)
    return {
        "kind": component.kind,
        "name": component.name,
        "plugin": str(component.plugin),
        "summary": component.summary,
        "documentation": inspect.getdoc(target) or component.summary,
        "options": [_option(n, f) for n, f in signature.model.model_fields.items()],
        "supplied": sorted(signature.injected),
        "source": inspect.getsourcefile(target) or "unknown",
    }


def _option(name: str, field: FieldInfo) -> dict[str, Any]:
    required = field.is_required()
    default = None if required else field.default
    plain = default if isinstance(default, bool | int | float | str | None) else str(default)
    bounds = [bound for item in field.metadata for bound in _bounds(item)]
    kind = _bounded(_type(field.annotation), bounds)
    return {"name": name, "type": kind, "required": required, "default": plain}


def _type(annotation: Any) -> str:
    """A type as a person would say it: ``int >= 1 or none``, ``list of str``, ``'a' or 'b'``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *metadata = arguments
        return _bounded(_type(inner), [bound for item in metadata for bound in _bounds(item)])
    if origin in (Union, UnionType):
        return " or ".join(_type(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(repr(argument) for argument in arguments)
    if origin in (list, Sequence):
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(_type(argument) for argument in arguments)}]"
    if annotation is NoneType:
        return "none"
    if annotation.__name__ == "Every":
        return "a period such as 100 steps or 1 epoch"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _bounded(name: str, bounds: list[str]) -> str:
    return f"{name} {' and '.join(bounds)}" if bounds else name


def _bounds(metadata: Any) -> list[str]:
    """``Field(ge=1)`` gives ``>= 1``."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    items = [metadata, *getattr(metadata, "metadata", [])]
    return [
        f"{sign} {getattr(item, name)}"
        for item in items
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
