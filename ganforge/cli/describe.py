"""``ganforge describe``."""

from __future__ import annotations

from typing import Any

import click

from ganforge.cli.completion import COMPONENT_NAME
from ganforge.cli.context import registry
from ganforge.cli.listing import JSON, print_json
from ganforge.cli.say import say
from ganforge.hookspecs import KINDS


@click.command()
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("name", type=COMPONENT_NAME)
@JSON
def describe(kind: str, name: str, as_json: bool) -> None:
    """Explain a component: options, documentation, origin.

    KIND is dataset, generator, discriminator, encoder, game, loss, regularizer, augmentation,
    optimizer, schedule, metric or callback; NAME is one that list-plugins shows.
    """
    component = registry().find(kind, name)
    from ganforge.explain import facts

    found = facts(component)
    if as_json:
        print_json(found)
        return
    say(f"{kind} {found['name']}   {found['plugin']}\n")
    say(f"{found['documentation']}\n")
    say("Options:" if found["options"] else "It has no options.")
    for option in found["options"]:
        default = "required" if option["required"] else f"default: {_written(option['default'])}"
        say(f"  {option['name']}: {option['type']}   ({default})")
    if found["supplied"]:
        say(f"Supplied by ganforge: {', '.join(found['supplied'])}")
    say(f"Source: {found['source']}")


def _written(value: Any) -> str:
    """A default as a recipe writes it."""
    from ganforge.recipe.source import shown

    return shown(value)
