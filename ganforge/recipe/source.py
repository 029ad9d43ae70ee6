"""Where the parts of a recipe stand in its text, and how a problem with one of them is shown."""

from __future__ import annotations

import bisect
import pathlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ganforge.errors import UsageError
from ganforge.printable import visible

Path = tuple[str | int, ...]

COMMAND_LINE = "command line"
"""The source that positions in command-line overrides name."""

INDENT = "    "
MAX_WIDTH = 96
MAX_SHOWN = 20
_NO_SPACE = re.compile(r"\s*(?:- )?([\w-]+):(?!//)([^\s:][^:]*)")
_LINE_END = re.compile(r"\r\n|\n|\r")
_ODD = "[\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
INVISIBLE = re.compile(_ODD)
"""Characters that look like a space or like nothing, and are neither to YAML."""
_ODD_INDENT = re.compile(rf"(?:^[ -]*|:)({_ODD})")

_ESCAPE = "For a plain backslash use single quotes, or write it twice."
_BRACKET = "The bracket was opened in line {line}."
_CUT_OFF = "Add it, and close the brackets that are open."
_COMMENT = "Remove it, or quote the whole value; a comment starts with ' #'."
_NESTED = "Check the indentation, the line above, and quote text that contains ': '."
_ALIGN = "Start all entries of one mapping or list in one column; do not mix the two."
NO_ANCHORS = ("recipes have no anchors or aliases", "Write the value out; quote text with & or *.")
NO_TAGS = ("recipes have no tags", "Remove it; quote text that starts with '!'.")

# What PyYAML says (and 'inline' where other text stands before the place, 'bracket' where that ends
# in one), whether the caret belongs to the start of the unfinished part, and what we say instead.
_SYNTAX: tuple[tuple[str, bool, str, str], ...] = (
    (r"character '\\t'", False, "a tab stands where YAML wants spaces", "Use spaces instead."),
    (r"character '(.)' that", False, "text cannot start with '{0}'", "Put it in quotes."),
    (r"quoted scalar.*(stream|separator)", True, "this quote is never closed", "Close it."),
    (r"flow (sequence|mapping).*<stream end>", True, "this bracket is never closed", "Close it."),
    (r"expected ',' or", False, "a comma or a closing bracket is due here", _BRACKET),
    (r"content, but found '<stream end>", False, "the text ends where a value is due", _CUT_OFF),
    (r"content, but found '(.+)'", False, "a value is due before '{0}'", "Add it."),
    (r"expected ':'", True, "this line has no ':'", "Write 'key: value', with a space behind ':'."),
    (r"mapping values", False, "a 'key: value' cannot stand here", _NESTED),
    (r"sequence entries", False, "a '- ' entry cannot stand here", "Start it in the next line."),
    (r"mapping keys", False, "a '?' cannot stand here", "Put the text in quotes."),
    (r"<block end>, but found ':'", False, "a key is missing before ':'", "Write 'key: value'."),
    (r"<block end>, but found '[]}]'", False, "this bracket was never opened", "Remove it."),
    (r"<block end>.*bracket", False, "unexpected text behind a bracket", _COMMENT),
    (r"<block end>.*inline", False, "unexpected text behind a value", "Quote the whole value."),
    (r"<(block end|document start)>", False, "this does not line up with what is above", _ALIGN),
    (r"escape|chr\(\)|C int", False, "unknown escape in double quotes", _ESCAPE),
    (r"\ba tag\b|tag handle|URI", False, *NO_TAGS),
    (r"an (anchor|alias)", True, *NO_ANCHORS),
    (r"directive|YAML document|integer string", False, "recipes have no '%' lines", "Remove it."),
    (r"block scalar", False, "only '|' or '>' can stand here", "Start the text in the next line."),
)


@dataclass(frozen=True)
class Position:
    """A place in a text; ``line`` and ``column`` count from 1, ``text`` is that whole line."""

    source: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, where, and what to do next."""

    message: str
    position: Position | None = None
    hint: str | None = None

    def render(self) -> str:
        """The problem as the user reads it: place, message, the line with a caret, hint."""
        if self.position is None:
            lines = [self.message]
        else:
            lines = [f"{self.position}: {self.message}", *_excerpt(self.position)]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(visible(part) for line in lines for part in line.split("\n"))


class Source:
    """A text and its name; gives positions by offset."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self.lines = _LINE_END.split(text)

    def at(self, index: int) -> Position:
        """The position of the character at ``index``, or of the end of the text."""
        line = bisect.bisect_right(self.starts, index) - 1
        return Position(self.name, line + 1, index - self.starts[line] + 1, self.lines[line])

    def syntax_problem(self, error: Exception, index: int) -> Problem:
        """What PyYAML could not read, in plain words.

        Args:
            error: What it raised.
            index: How far it had read, for errors that say nothing of a place.
        """
        if isinstance(error, yaml.reader.ReaderError):
            message = f"the character U+{ord(self.text[error.position]):04X} cannot be in YAML"
            return Problem(message, self.at(error.position), "Remove it.")
        told, start = str(error), index
        if isinstance(error, yaml.MarkedYAMLError):
            told = f"{error.context or ''} {error.problem}".strip()
            index = error.problem_mark.index if error.problem_mark else index
            start = error.context_mark.index if error.context_mark else index
        # The end of the text is shown behind its last word, not in an empty line.
        place, begun = self.at(min(index, len(self.text.rstrip()))), self.at(start)
        if (elsewhere := self._elsewhere(told, begun.line, place.line)) is not None:
            return elsewhere
        before = place.text[: place.column - 1].strip()
        said = told + (" inline" if before else "")
        said += " bracket" if before.endswith(("]", "}")) else ""
        for pattern, at_start, message, hint in _SYNTAX:
            if found := re.search(pattern, said):
                if "key: value" in message + hint:
                    found_above = self._missing_space(begun.line, place.line - 1)
                    if found_above is not None:
                        return found_above
                message, hint = message.format(*found.groups()), hint.format(line=begun.line)
                return Problem(message, begun if at_start else place, hint)
        return Problem(f"this is no valid YAML: {told}", place, "Check the quotes and brackets.")

    def _elsewhere(self, told: str, *lines: int) -> Problem | None:
        """A fault that PyYAML passes over and then stumbles behind it."""
        percent = re.search("^%", self.text, re.MULTILINE)
        if percent and "<document start>" in told:
            return Problem("recipes have no '%' lines", self.at(percent.start()), "Remove it.")
        for line in lines:
            if found := _ODD_INDENT.search(self.lines[line - 1]):
                return invisible(found[1], self.at(self.starts[line - 1] + found.start(1)))
        return None

    def _missing_space(self, *lines: int) -> Problem | None:
        """``lr:1`` is read as text, and PyYAML stumbles over what comes after it."""
        for line in filter(None, lines):
            if found := _NO_SPACE.fullmatch(self.lines[line - 1]):
                place = self.at(self.starts[line - 1] + found.start(1))
                return missing_space(place, found[1], found[2])
        return None


class RecipeError(UsageError):
    """Everything found wrong with a recipe, shown in the order of the text.

    Args:
        problems: At least one; all are kept in ``problems``, the message shows the first few.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=_order)
        parts = [problem.render() for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > 1:
            parts.insert(0, f"{len(self.problems)} problems:")
        if len(self.problems) > MAX_SHOWN:
            parts.append(f"... and {len(self.problems) - MAX_SHOWN} more")
        super().__init__("\n\n".join(parts))


@dataclass
class Document:
    """A recipe as plain Python values, with the place of every key and value.

    Attributes:
        name: The file as the user typed it.
        value: Mappings, lists, text, numbers, booleans and None.
        keys: Where each mapping key stands, by the path of its value.
        values: Where each value stands.
        folder: Where the paths in it start; None for the working folder.
    """

    name: str
    value: dict[str, Any]
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    folder: pathlib.Path | None = None

    def position(self, path: Path, *, key: bool = False) -> Position | None:
        """Where a value stands, or its key.

        A path that is not in the text, such as a missing option, gives the nearest part around
        it: by its key where it has one, as a block mapping itself starts at its first entry.
        """
        known = self.keys.get(path) if key else None
        known = known or self.values.get(path)
        for length in range(len(path) - 1, -1, -1):
            if known is not None:
                break
            known = self.keys.get(path[:length]) or self.values.get(path[:length])
        return known


def missing_space(place: Position, name: str, rest: str) -> Problem:
    """The problem with an entry written as ``name:rest``."""
    hint = f"Write '{shown(name)}: {shown(rest)}'."
    return Problem("a space is missing behind ':'", place, hint)


def invisible(char: str, place: Position) -> Problem:
    """The problem with a character that the user cannot see."""
    message = f"the invisible character U+{ord(char):04X} stands here"
    return Problem(message, place, "Remove it, or put a plain space in its place.")


def shown(value: object, *, width: int = 60) -> str:
    """A value as a recipe would write it, on one line and not too long."""
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = re.sub(r"\s+", " ", str(value))
    return text if len(text) <= width else text[: width - 3] + "..."


def _order(problem: Problem) -> tuple[bool, bool, str, int, int]:
    """Problems of no place first, then the file's, then the command line's as they were given."""
    place = problem.position
    if place is None:
        return (False, False, "", 0, 0)
    typed = place.source == COMMAND_LINE
    return (True, typed, place.source, place.line, 0 if typed else place.column)


def _excerpt(position: Position) -> list[str]:
    """The line and a caret under the column, without indentation and clipped around the caret."""
    text, at = position.text, position.column - 1
    if not text.strip(" "):
        return []
    indent = len(text) - len(text.lstrip(" \t"))
    start, end = min(indent, at), len(text)
    head = tail = ""
    if end - start > MAX_WIDTH:
        start = max(start, min(at - MAX_WIDTH // 2, end - MAX_WIDTH))
        end = min(end, start + MAX_WIDTH)
        head = "..." if start > indent else ""
        tail = "..." if end < len(text) else ""
    # A tab under a tab keeps the caret in place, however wide the terminal shows it.
    below = "".join(map(_blank, visible(text[start:at]))) + " " * (at - len(text))
    line = INDENT + head + visible(text[start:end]) + tail
    return [line, INDENT + " " * len(head) + below + "^"]


def _blank(char: str) -> str:
    """Blank space as wide as a character is in a terminal."""
    if char == "\t":
        return char
    if unicodedata.combining(char):
        return ""
    return "  " if unicodedata.east_asian_width(char) in "WF" else " "
