"""Reads IDX files, plain or gzipped, without trusting what their headers declare.

The format comes with the data set (LeCun, Cortes and Burges, "The MNIST database of handwritten
digits"): a big-endian magic number (0, 0, type, number of dimensions), one 32-bit size for each
dimension, then the values.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganforge.api import DataError
from ganforge_mnist.gunzip import GZIP_MAGIC, Gunzip

MAX_BYTES = 2 * 1024**3
"""The largest file, and the most values in it, that is taken for real."""

MAX_RATIO = 100
"""How many bytes one of a gzip file may declare; pictures shrink to a fifth, zeros much further."""

SMALL = 64 * 1024**2
"""What a gzip file may hold whatever its size."""

_FRESH_COPY = "Replace the file with an intact copy."


@dataclass(frozen=True)
class IdxKind:
    """One kind of IDX file: unsigned bytes with a fixed number of dimensions."""

    name: str
    magic: int
    dimensions: int

    @property
    def header_size(self) -> int:
        return 4 + 4 * self.dimensions


IMAGES = IdxKind(name="images", magic=0x00000803, dimensions=3)
LABELS = IdxKind(name="labels", magic=0x00000801, dimensions=1)


def read_idx(path: Path, kind: IdxKind) -> NDArray[np.uint8]:
    """The values of one IDX file: images ``(N, H, W)`` in 0..255, or labels ``(N,)``.

    Raises:
        DataError: The file can't be read, is damaged or cut short, is of another kind, or its
            header doesn't agree with what follows.
    """
    content = _content(path)
    stream = Gunzip(content, path) if content.startswith(GZIP_MAGIC) else io.BytesIO(content)
    shape = _declared_shape(stream.read(kind.header_size), kind, path)
    declared = math.prod(shape)
    if isinstance(stream, Gunzip) and declared > max(SMALL, MAX_RATIO * len(content)):
        raise DataError(
            f"{path} declares {_times(shape)} = {declared:,} bytes of {kind.name} in a gzip file "
            f"of {len(content):,}, which no pictures come down to",
            hint=f"{_FRESH_COPY} One that really is so uniform can be unpacked with gunzip.",
        )
    # One byte more than declared shows whether anything follows, and reaches gzip's check sum.
    values = stream.read(declared + 1)
    if len(values) != declared:
        found = "more than that follows" if len(values) > declared else f"holds {len(values):,}"
        raise DataError(
            f"{path} declares {_times(shape)} = {declared:,} bytes of {kind.name}, but {found}",
            hint=_FRESH_COPY,
        )
    # A copy, because bytes are read-only and tensors share their memory.
    array: NDArray[np.uint8] = np.frombuffer(values, dtype=np.uint8).reshape(shape).copy()
    return array


def parse_idx(content: bytes, kind: IdxKind) -> NDArray[np.uint8]:
    """The values in the content of an IDX file that is known to be whole, free to be changed."""
    shape = struct.unpack_from(f">{kind.dimensions}I", content, 4)
    return np.frombuffer(bytearray(content), np.uint8, offset=kind.header_size).reshape(shape)


def idx_header(values: NDArray[np.uint8], kind: IdxKind) -> bytes:
    """The header that an IDX file of these values starts with."""
    return struct.pack(f">{1 + kind.dimensions}I", kind.magic, *values.shape)


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="Check that the file exists and that you may read it.",
        ) from error
    raise DataError(
        f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} that an IDX file may have",
        hint=_FRESH_COPY,
    )


def _declared_shape(header: bytes, kind: IdxKind, path: Path) -> tuple[int, ...]:
    """The sizes in a header, once they are credible."""
    magic = int.from_bytes(header[:4], "big")
    if len(header) >= 4 and magic != kind.magic:
        raise DataError(
            f"{path} starts with 0x{magic:08x}, but an IDX file of {kind.name} starts with "
            f"0x{kind.magic:08x}{_other_kind(magic)}",
            hint="Put the right file in its place: images and labels may be swapped, "
            "or a download may have saved a web page.",
        )
    if len(header) < kind.header_size:
        raise DataError(
            f"{path} holds {len(header)} bytes, fewer than the {kind.header_size} of the header "
            f"of an IDX file of {kind.name}",
            hint=_FRESH_COPY,
        )
    shape = struct.unpack(f">{kind.dimensions}I", header[4:])
    if not 0 < math.prod(shape) <= MAX_BYTES:
        raise DataError(
            f"{path} declares {_times(shape)} = {math.prod(shape):,} bytes of {kind.name}, "
            f"but between 1 and {MAX_BYTES:,} were expected",
            hint=_FRESH_COPY,
        )
    return shape


def _other_kind(magic: int) -> str:
    named = {kind.magic: kind.name for kind in (IMAGES, LABELS)}
    return f"; this is an IDX file of {named[magic]}" if magic in named else ""


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
