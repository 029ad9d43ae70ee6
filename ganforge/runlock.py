"""One run, one writer: a lock on a run's folder that vanishes with the process that holds it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from ganforge.errors import GanforgeError

FILE = ".lock"
HOLDER = ".lock.json"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a run's folder.

    The operating system holds the lock, so one whose process was killed is free at once; the file
    that tells who holds it is for people only.

    Raises:
        GanforgeError: Another process has it.
    """
    lock = FileLock(folder / FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise GanforgeError(
            f"another process is writing into '{folder}': {_holder(folder)}",
            hint="Wait for it, or stop it; then try again.",
        ) from None
    try:
        facts = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        (folder / HOLDER).write_text(json.dumps(facts) + "\n")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    """Who says that it holds the lock."""
    try:
        facts = json.loads((folder / HOLDER).read_text())
        return f"process {facts['pid']} on {facts['host']}, since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it does not say which"
