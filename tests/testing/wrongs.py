"""Plugins that each break their contract in one way: a right one with some of its text replaced."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrong:
    """One deliberately wrong plugin, and what the kit must say of it.

    Args:
        kind: Of its only component; the right plugin is ``acme/acme_<kind>.py``.
        check: The one check that it fails.
        old: What stands in the right plugin, wherever it does.
        new: What the wrong one has in its place.
        told: A part of the message.
        change: A part of what its author is told to change.
        outcome: Of the check.
        also: Checks that fail with it, as the fault breaks their promise too.
        then: Another replacement, where one is not enough.
    """

    kind: str
    check: str
    old: str
    new: str
    told: str
    change: str = ""
    outcome: str = "failed"
    also: tuple[str, ...] = ()
    then: tuple[str, str] = ("", "")

    def __str__(self) -> str:
        return f"{self.kind}-{self.check}"
