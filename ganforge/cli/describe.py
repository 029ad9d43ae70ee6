"""``ganforge describe``."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.listing import JSON
from ganforge.hookspecs import KINDS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ganforge.registry import Component


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@JSON
def describe(kind: str, name: str, as_json: bool) -> None:
    """Explain a component: its options, its documentation and where it comes from."""
    from ganforge.plugins import load_registry

    facts = _facts(load_registry().find(kind, name))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
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
    return {"name": name, "type": _type(field), "required": required, "default": plain}


def _type(field: FieldInfo) -> str:
    """A type as a reader would write it, with its bounds: ``int, ge=1``."""
    annotation = field.annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    name = name.replace("typing.", "").replace("NoneType", "none")
    bounds = [str(bound) for bound in field.metadata]
    return f"{name} ({', '.join(bounds)})" if bounds else name
