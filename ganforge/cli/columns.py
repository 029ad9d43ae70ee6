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


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose last column wraps at the terminal's edge; elsewhere nothing is wrapped.

    Args:
        head: The columns' titles.
        rows: A text for each column; the last one may have several lines.
    """
    table = [head, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(head) - 1)]
    left = sum(widths) + len(GAP) * len(widths)
    room = None
    if sys.stdout.isatty():
        room = max(shutil.get_terminal_size().columns - left, NARROWEST)
    lines = []
    for row in table:
        first = "".join(text.ljust(width) + GAP for text, width in zip(row, widths, strict=False))
        for line in _wrapped(row[-1], room):
            lines.append((first + line).rstrip())
            first = " " * left
    return "\n".join(lines)


def _wrapped(text: str, width: int | None) -> list[str]:
    lines = text.split("\n")
    if width is None:
        return lines
    # A continued line stands a little to the right, so that each entry is seen to be one.
    return [
        part for line in lines for part in textwrap.wrap(line, width, subsequent_indent=GAP) or [""]
    ]
