"""Which plugins to load: what is installed, less what the user blocks, plus what the user names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LOAD = "GANFORGE_LOAD_PLUGINS"
STRICT = "GANFORGE_STRICT_PLUGINS"
_OFF = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Selection:
    """The user's say in what is loaded.

    Args:
        named: Plugins to load beside the installed ones: ``FILE.py``, a package's folder, or a
            module's name.
        blocked: Names of installed plugins to leave out.
        only: Installed plugins that are loaded beside ganforge's own, by their name or their
            package's; None for all.
        strict: A plugin that cannot be loaded stops everything.
    """

    named: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    strict: bool = False


def select(options: Iterable[str] = (), environment: Mapping[str, str] = os.environ) -> Selection:
    """What the ``-p`` options and the environment ask for.

    ``-p no:NAME`` blocks. ``GANFORGE_LOAD_PLUGINS=a,b`` loads only these and ganforge's own (empty:
    only ganforge's own); ``GANFORGE_STRICT_PLUGINS=1`` makes a broken plugin an error.
    """
    options = list(dict.fromkeys(options))
    only = environment.get(LOAD)
    return Selection(
        named=tuple(name for name in options if not name.startswith("no:")),
        blocked=tuple(name[3:] for name in options if name.startswith("no:")),
        only=None if only is None else tuple(filter(None, map(str.strip, only.split(",")))),
        strict=environment.get(STRICT, "").strip().lower() not in _OFF,
    )
