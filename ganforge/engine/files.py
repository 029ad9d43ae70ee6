"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$GANFORGE_CACHE``, or in the user's cache."""
    own = os.environ.get("GANFORGE_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ganforge"))


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: a hidden file beside it first, flushed, then renamed over it.

    Raises:
        OSError: It could not be written; an older file of that name is untouched.
    """
    partial = path.with_name(f".partial_{path.name}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the platform can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class HashingWriter:
    """A binary file that knows the SHA-256 and the size of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of ``data``.

        torch turns an exception that comes from here into one of its own, so the first one is kept
        in :attr:`error`.
        """
        try:
            written = self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise
        self._hash.update(data)
        self.size += written
        return written

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in portions."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while portion := file.read(1 << 20):
            digest.update(portion)
    return digest.hexdigest()
