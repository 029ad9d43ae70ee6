"""Where in a plugin's code an exception came from."""

from __future__ import annotations

import inspect
import traceback
from dataclasses import dataclass
from pathlib import Path

from ganforge.registry import Component, Plugin


@dataclass(frozen=True)
class Place:
    """Tells a plugin's own code from what it calls.

    Args:
        packages: Top-level names of the modules that are the plugin's.
    """

    packages: frozenset[str]

    @classmethod
    def of_plugin(cls, plugin: Plugin) -> Place:
        modules = [plugin.module, *(_module(component) for component in plugin.components)]
        return cls(frozenset(module.partition(".")[0] for module in modules if module))

    def own(self, error: BaseException) -> str | None:
        """``file:line`` of the plugin's innermost code that an exception went through."""
        return self._innermost(error, own=True)

    def of(self, error: BaseException) -> str:
        """The same; of the innermost code of all if none is the plugin's."""
        return self.own(error) or self._innermost(error, own=False) or "unknown place"

    def _innermost(self, error: BaseException, *, own: bool) -> str | None:
        found = None
        for frame, line in traceback.walk_tb(error.__traceback__):
            if not own or _package(frame.f_globals) in self.packages:
                found = f"{Path(inspect.getsourcefile(frame) or frame.f_code.co_filename)}:{line}"
        return found


def _module(component: Component) -> str:
    target = component.target
    return (
        target.partition(":")[0]
        if isinstance(target, str)
        else str(getattr(target, "__module__", ""))
    )


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]
