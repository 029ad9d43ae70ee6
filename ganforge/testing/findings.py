"""What a check finds, and how a check says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from ganforge.errors import GanforgeError
from ganforge.testing.isolation import undisturbed
from ganforge.testing.places import Place

Subject = TypeVar("Subject")

Outcome = Literal["ok", "note", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What came of one check of one component.

    Args:
        component: ``"generator acme"``; what concerns the plugin as a whole has ``"plugin acme"``.
        check: The check's name, such as ``output-shape``; it stays the same between releases.
        outcome: ``note`` is nothing wrong, but worth the author's look; ``skipped`` tells why.
        message: What is wrong, was seen, or kept the check from being made.
        change: For a failure: what to change.
    """

    component: str
    check: str
    outcome: Outcome
    message: str = ""
    change: str = ""

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"

    def __str__(self) -> str:
        lines = [f"{self.component}: {self.check}: {self.message or self.outcome}"]
        lines += [f"Change: {self.change}"] if self.change else []
        return "\n".join(lines).replace("\n", "\n    ")


class Wrong(Exception):  # noqa: N818  # the outcome of a check
    """Raised by a check: the component breaks its contract, and what its author has to change."""

    def __init__(self, message: str, change: str) -> None:
        super().__init__(message)
        self.message = message
        self.change = change


class Remark(Exception):  # noqa: N818  # the outcome of a check
    """Raised by a check: all is well, but there is something to tell."""


class Unchecked(Exception):  # noqa: N818  # the outcome of a check
    """Raised by a check: it could not be made, and why."""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One question to a component.

    Args:
        name: Under which its findings are reported.
        ask: Returns, with words on what was seen or none, if all is well; raises :class:`Wrong`,
            :class:`Remark` or :class:`Unchecked` if not.
    """

    name: str
    ask: Callable[[Subject], str | None]


def checks(*functions: Callable[[Subject], str | None]) -> tuple[Check[Subject], ...]:
    """Checks in this order, named as their functions are: ``output_shape`` is ``output-shape``."""
    return tuple(Check(f.__name__.strip("_").replace("_", "-"), f) for f in functions)


def ask_all(
    component: str, asked: Iterable[Check[Subject]], subject: Subject, place: Place
) -> list[Finding]:
    """Make every check; whatever a component raises in one becomes its finding."""
    return [_ask(component, check, subject, place) for check in asked]


def _ask(component: str, check: Check[Subject], subject: Subject, place: Place) -> Finding:
    try:
        with undisturbed():
            told = check.ask(subject)
    except Wrong as wrong:
        return Finding(component, check.name, "failed", wrong.message, wrong.change)
    except Remark as remark:
        return Finding(component, check.name, "note", str(remark))
    except Unchecked as reason:
        return Finding(component, check.name, "skipped", str(reason))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a component may raise anything
        told_of = fault(error, place)
        return Finding(component, check.name, "failed", told_of.message, told_of.change)
    return Finding(component, check.name, "ok", told or "")


def fault(error: BaseException, place: Place, *, doing: str = "") -> Wrong:
    """An exception that a component should not have raised.

    Args:
        error: The exception.
        place: Finds the line of the component's code that it came from.
        doing: What was asked of the component, such as ``"called with latents (4, 100)"``.
    """
    prefix = f"{doing}: " if doing else ""
    where = place.of(error)
    if isinstance(error, GanforgeError):
        hint = error.hint or f"Correct what raises it: {where}."
        return Wrong(f"{prefix}{error.message}", hint)
    text = " ".join(str(error).split())
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Wrong(f"{prefix}{told} ({where})", f"Correct what raises it: {where}.")


def listed(names: list[str], most: int = 8) -> str:
    """Names in one line; how many more there are, if they are many."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
