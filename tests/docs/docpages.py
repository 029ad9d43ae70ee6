"""The documentation as tests see it: pages, and the blocks of code in them.

The convention, which a reader of the site does not notice:

- a block with a title is a file of that name, which the reader writes; behind the comment
  ``<!-- as it stands -->`` it is a part of a file that is there already;
- a block of ``sh`` is typed into a shell, in the order of the page;
- a block of ``text`` behind it is all that this shell then shows; a line ``...`` stands for any
  number of lines, and ``…`` for any text in a line;
- a block of ``yaml`` without a title is a part of a recipe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w*)(?P<head>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_ANCHOR = re.compile(r"^#+ .*\{ #([\w-]+) \}$", re.MULTILINE)
_TITLE = re.compile(r'title="([^"]*)"')


@dataclass(frozen=True)
class Block:
    """One block of code.

    Args:
        place: Page and line, for messages.
        section: The anchor of the heading above it.
        language: Of its text.
        title: Of a file.
        note: The comment before it.
        text: What stands in it.
    """

    place: str
    section: str
    language: str
    title: str | None
    note: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """All blocks of one page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        title = _TITLE.search(match["head"])
        line = text.count("\n", 0, match.start("language")) + 1
        anchors = _ANCHOR.findall(text, 0, match.start())
        found.append(
            Block(
                f"docs/{page}:{line}",
                anchors[-1] if anchors else "",
                match["language"],
                title[1] if title else None,
                match["note"],
                match["text"],
            )
        )
    return found


def pages() -> list[str]:
    """Every page, from the folder of the documentation."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a page: their rows below the head, cells as they are written."""
    found: list[list[list[str]]] = []
    rows: list[list[str]] = []
    for line in [*(DOCS / page).read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            found.append(rows[2:])
            rows = []
    return found


def as_pattern(expected: str) -> re.Pattern[str]:
    """What an expected output matches."""
    lines = []
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            pieces = (re.escape(piece) for piece in line.rstrip().split("…"))
            lines.append(r"[^\n]*".join(pieces) + r"[^\S\n]*\n")
    return re.compile("".join(lines) + r"\s*")
