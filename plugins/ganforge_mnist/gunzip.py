"""Inflates a gzip stream by no more than is asked for, and tells damage in words."""

from __future__ import annotations

import zlib
from pathlib import Path

from ganforge.api import DataError

GZIP_MAGIC = b"\x1f\x8b"

_GZIP_CONTAINER = 16 + zlib.MAX_WBITS
_FRESH_COPY = "Replace the file with an intact copy; `gzip -t FILE` checks one."


class Gunzip:
    """A gzip file in memory, read from the front.

    Args:
        packed: The compressed bytes of one gzip stream.
        path: Where they came from, for messages.
    """

    def __init__(self, packed: bytes, path: Path) -> None:
        self._inflater = zlib.decompressobj(_GZIP_CONTAINER)
        self._pending = packed
        self._path = path
        self._inflated = 0

    def read(self, limit: int) -> bytes:
        """The next ``limit`` bytes, or fewer where the stream properly ends before.

        Memory grows with what the stream really holds, never with ``limit``. The stream's own
        check sum is verified when its end is reached.

        Raises:
            DataError: The stream is damaged, cut short, or followed by other bytes.
        """
        try:
            part = self._inflater.decompress(self._pending, limit)
        except zlib.error as error:
            raise DataError(
                f"{self._path} is a damaged gzip file: {error}", hint=_FRESH_COPY
            ) from error
        self._pending = self._inflater.unconsumed_tail
        self._inflated += len(part)
        if len(part) < limit and not self._inflater.eof:
            raise DataError(
                f"{self._path} is cut short: its gzip stream stops after {self._inflated:,} "
                "inflated bytes, before its end mark",
                hint=_FRESH_COPY,
            )
        if self._inflater.unused_data:
            raise DataError(
                f"{self._path} has {len(self._inflater.unused_data):,} bytes after the end of its "
                "gzip stream, where a file of one stream was expected",
                hint="Unpack it and compress it again with `gzip`, or use an intact copy.",
            )
        return part
