"""Aligned columns of text.

rich draws finer tables; importing it and laying out one with fifty plugins takes longer than all
else that the listing commands do.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

GAP = "  "
NARROWEST = 24
"""A last column narrower than this is hard to read: then each row becomes a block of its own."""


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that fits the terminal; what goes elsewhere is not wrapped.

    Args:
        head: The columns' titles.
        rows: A text for each column; the last one may have several lines.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)][:-1]
    left = sum(widths) + len(GAP) * len(widths)
    if not sys.stdout.isatty():
        return _table([head, *rows], widths, None)
    width = shutil.get_terminal_size().columns
    if width < left + NARROWEST:
        return _blocks(head, rows, width)
    return _table([head, *rows], widths, width - left)


def _table(rows: Sequence[Sequence[str]], widths: Sequence[int], room: int | None) -> str:
    lines = []
    for row in rows:
        first = "".join(text.ljust(w) + GAP for text, w in zip(row, widths, strict=False))
        for line in _wrapped(row[-1], room):
            lines.append((first + line).rstrip())
            first = " " * len(first)
    return "\n".join(lines)


def _blocks(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    lines = []
    for name, *others in rows:
        lines += _wrapped(name, width)
        for title, text in zip(head[1:], others, strict=True):
            told = f"{title}: {text}".replace("\n", f"\n{GAP}") if text else ""
            lines += [GAP + line for line in _wrapped(told, width - len(GAP)) if line]
    return "\n".join(lines)


def _wrapped(text: str, width: int | None) -> list[str]:
    lines = text.split("\n")
    if width is None:
        return lines
    # A continued line stands a little to the right, so that each entry is seen to be one.
    return [
        part for line in lines for part in textwrap.wrap(line, width, subsequent_indent=GAP) or [""]
    ]
