"""What the tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

SHORT = ["train.steps=6", "callbacks.0.every=3 steps", "callbacks.1.every=3 steps"]
"""Overrides that cut the recipe ``smoke`` down to a second."""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Ganforge = Callable[..., Done]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ganforge", *arguments]
