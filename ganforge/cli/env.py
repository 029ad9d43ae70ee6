"""``ganforge env``."""

from __future__ import annotations

import click

from ganforge.cli.context import registry
from ganforge.cli.listing import JSON, print_json
from ganforge.cli.say import say


@click.command()
@JSON
def env(as_json: bool) -> None:
    """Tell what is installed here, for a bug report."""
    from ganforge.environment import report

    facts = report(registry(tell=False).plugins)
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        if not isinstance(value, dict):
            say(f"{key}: {value}")
        elif value:
            say(f"{key}:")
            for name, each in value.items():
                say(f"  {name}: {each}")
