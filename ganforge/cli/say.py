"""Prints what may hold names and texts from files that strangers wrote."""

from __future__ import annotations

import click

from ganforge.printable import printable


def say(text: str, *, err: bool = False) -> None:
    """Print lines with nothing in them that a terminal would obey."""
    click.echo(printable(text), err=err)
