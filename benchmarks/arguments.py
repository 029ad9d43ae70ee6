"""What the benchmarks' command lines have in common."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A whole number of 1 or more.

    Raises:
        argparse.ArgumentTypeError: It is none; argparse says of which argument.
    """
    return _at_least(1, text)


def natural(text: str) -> int:
    """A whole number of 0 or more.

    Raises:
        argparse.ArgumentTypeError: It is none; argparse says of which argument.
    """
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"'{text}' should be a whole number of {least} or more")
    return number
