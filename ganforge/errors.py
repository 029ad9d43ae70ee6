"""Errors that a user meets: each says what, where, which choices are valid and what to do next."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

# Every command imports this module, so no pathlib here.
_NOT_A_PLUGINS = (
    "<",
    os.path.join(os.path.dirname(__file__), ""),  # noqa: PTH118, PTH120
    os.path.join(os.path.dirname(os.__file__), "importlib", ""),  # noqa: PTH118, PTH120
)


class GanforgeError(Exception):
    """A run that cannot go on, told in words for the user; never shown with a traceback.

    Args:
        message: What is wrong and where.
        hint: What to do next, shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, so that a process can tell another: subclasses have other arguments."""
        return _remade, (type(self), self.args, self.__dict__)


def _remade(kind: type[GanforgeError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """An error as it was, without building its message again."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(GanforgeError):
    """A mistake in what the user typed: a command line, a recipe, a name."""

    exit_code = 2


class DataError(GanforgeError):
    """Data that is missing, damaged or of the wrong kind."""


class PluginError(GanforgeError):
    """A plugin broke its contract; the cause, where there is one, is chained and shown."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, where there is nothing to save."""


def in_one_line(error: BaseException) -> str:
    """An exception's type, its text, and the line of a plugin's code that it came from."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # a plugin's own exception, whose text fails too
        text = ""
    if isinstance(error, GanforgeError):  # our own words, and raised in our own code
        return text
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    place = None
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_NOT_A_PLUGINS):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{line} ({place})" if place else line


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``name``, or None when nothing comes close."""
    import difflib  # only where something went wrong: it is slow to import

    # 'DCGAN' is nearest to 'dcgan', whatever else is written in small letters.
    known = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[matches[0]] if matches else None


def choices_text(name: str, choices: Iterable[str]) -> str:
    """One sentence for a wrong name: the nearest valid one, then all of them."""
    known = sorted(choices)
    if not known:
        return "None are available."
    guess = nearest(name, known)
    listed = f"Available: {', '.join(known)}."
    return f"Did you mean '{guess}'? {listed}" if guess else listed
