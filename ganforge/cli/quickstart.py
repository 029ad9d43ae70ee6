"""Leaves out what torch imports for its compiler, until somebody compiles.

torch's optimizers import ``torch._dynamo`` when they are first used, and with it sympy and half of
torch: 1.7 s, as long as torch itself takes. They use two of its functions, which do nothing where
nothing is compiled. A stand-in has these two; asked for anything else, it makes way for the real
module. If torch comes to use others, the real module is imported as before.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class StandIn(ModuleType):
    """``torch._dynamo`` for a process that compiles nothing."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self.__spec__ = ModuleSpec(NAME, None)  # the import system looks at it, and no further

    @staticmethod
    def graph_break(msg: str = "") -> None:
        """Ends a graph; there is none."""

    @staticmethod
    def disable(
        fn: Callable[..., Any] | None = None, recursive: bool = True, **_: Any
    ) -> Callable[..., Any]:
        """Keeps a function from being compiled; none is."""
        return fn if fn is not None else lambda function: function

    def __getattr__(self, name: str) -> Any:
        # Python's own tools ask every module for such names, in the middle of an import too, where
        # the real module could not be imported. Only a package's path is asked for by who needs it.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
        return getattr(make_way(), name)


def make_way() -> ModuleType:
    """The real module, in place of the stand-in."""
    if isinstance(sys.modules.get(NAME), StandIn):
        del sys.modules[NAME]
    return importlib.import_module(NAME)


def put_off_compiler() -> None:
    """Put the stand-in there, unless the real module is there already."""
    sys.modules.setdefault(NAME, StandIn())
