"""Which plugins are installed: the entry points of the group ``ganforge``, remembered in a cache.

Reading every distribution's metadata takes a third of the time of ``ganforge list-plugins``, most
of it for importing ``importlib.metadata``. The answer can only change when a folder on the path
changes, as an installation adds or removes a folder there; so it is kept with those folders' times.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

GROUP = "ganforge"
KEPT = 64
"""Environments that the cache remembers."""


class Found(NamedTuple):
    """An entry point and the distribution that it belongs to."""

    name: str
    value: str
    package: str
    version: str

    def load(self) -> Any:
        """Import what the entry point names: ``package.module`` or ``package.module:object``."""
        module, _, attribute = self.value.partition("[")[0].partition(":")
        loaded: Any = import_module(module.strip())
        for part in filter(None, attribute.strip().split(".")):
            loaded = getattr(loaded, part)
        return loaded


def installed() -> list[Found]:
    """Every installed plugin, by name; from the cache if no folder on the path has changed."""
    import json

    key = [[folder, _time(folder)] for folder in sys.path]
    try:
        path = _cache_file(sys.path)
    except (RuntimeError, OSError):  # a user without a home, a folder that is gone
        return _look()
    with suppress(OSError, ValueError, TypeError, KeyError):  # no cache, or a damaged one: look
        kept = json.loads(path.read_bytes())
        if kept["key"] == key:
            return [Found(*entry) for entry in kept["found"]]
    found = _look()
    with suppress(OSError):  # a home that cannot be written to only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"key": key, "found": found}))
        partial.replace(path)
        _tidy(path.parent)
    return found


def _tidy(folder: Path) -> None:
    """Forget the environments that were looked at longest ago."""
    files = sorted(folder.glob("plugins-*"), key=lambda file: file.stat().st_mtime)
    for file in files[:-KEPT]:
        file.unlink(missing_ok=True)


def _look() -> list[Found]:
    from importlib.metadata import distributions

    found: dict[tuple[str, str], list[Found]] = {}
    for distribution in distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
            if not entries:
                continue
            origin = (str(distribution.metadata["Name"]), str(distribution.version))
        except (TypeError, ValueError, KeyError, OSError):  # somebody's damaged metadata
            continue
        # The first of a name on the path is the one that is imported.
        if origin[0] not in {package for package, _ in found}:
            found[origin] = [Found(entry.name, entry.value, *origin) for entry in entries]
    return sorted(entry for entries in found.values() for entry in entries)


def _time(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


def _cache_file(folders: list[str]) -> Path:
    """One file for each path that Python may have: environments do not disturb each other.

    A checksum will do, as the file says for which path it is; hashlib is slow to import.
    """
    from binascii import crc32

    here = str(Path.cwd()) if "" in folders else ""
    text = "\n".join([sys.version, here, *folders])
    name = f"{crc32(text.encode(errors='replace')):08x}"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "ganforge" / f"plugins-{name}.json"
