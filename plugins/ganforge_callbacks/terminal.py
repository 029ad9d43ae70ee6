"""The one terminal that callbacks share, so that a picture is printed above a live bar."""

from __future__ import annotations

from functools import cache

from rich.console import Console


@cache
def console() -> Console:
    """Standard error: progress never mixes with results on standard output."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)
