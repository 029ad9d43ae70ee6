"""What the extra ``metrics`` brings."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganforge.api import UsageError


def torchmetrics(module: str) -> Any:
    """A module of torchmetrics.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module(f"torchmetrics.{module}")
    except ImportError as error:
        raise UsageError(
            f"this metric needs torchmetrics, which is not installed ({error})",
            hint="Install it with: pip install 'ganforge[metrics]'",
        ) from error


@contextmanager
def quietly() -> Iterator[None]:
    """Without its warnings, of memory and of the spread over one part, which nobody here uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
