"""Reads a recipe's YAML: a small, strict part of it, with the position of everything.

PyYAML splits the text into events; what they mean is decided here. That keeps the traps of YAML 1.1
out (``on`` as a boolean, ``2e-4`` as text), and nothing of PyYAML that builds objects ever runs.
"""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import yaml

from ganforge.errors import UsageError
from ganforge.printable import visible
from ganforge.recipe.source import (
    INVISIBLE,
    NO_ANCHORS,
    NO_TAGS,
    Document,
    Path,
    Position,
    Problem,
    RecipeError,
    Source,
    invisible,
    missing_space,
    shown,
)

Positions = dict[Path, Position]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_EVENTS = 20_000
MAX_DIGITS = 40

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"([-+]?)0([0-9]+)")
_UNDERSCORES = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def read_file(path: pathlib.Path) -> Document:
    """Read a recipe file.

    Raises:
        RecipeError: Everything that is wrong with its text.
        UsageError: There is no such file, or it is no text file.
    """
    name = visible(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "'ganforge list-recipes' shows the ones that come with ganforge."
        raise UsageError(f"there is no file '{name}'", hint=hint) from None
    except (OSError, ValueError) as error:
        if path.is_dir():
            hint = "Name a YAML file in it."
            raise UsageError(f"'{name}' is a folder, not a recipe", hint=hint) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read '{name}': {reason}") from None
    document = read_text(_decode(data, name), name=name)
    document.folder = path.parent
    return document


def read_text(text: str, *, name: str) -> Document:
    """Read a recipe from its text; ``name`` is what errors call it.

    Raises:
        RecipeError: Everything that is wrong with it.
    """
    value, keys, values = read_value(text, name=name)
    if isinstance(value, dict):
        return Document(name, value, keys, values)
    if value is None:
        message = "the recipe is empty"
        hint = "'ganforge run smoke --dry-run' prints one to start from."
    else:
        found = "a list" if isinstance(value, list) else f"only '{shown(value)}'"
        message = f"a recipe is a mapping, but this is {found}"
        hint = "Write lines of 'key: value', with a space behind ':'."
    raise RecipeError([Problem(message, values[()], hint)])


def read_value(text: str, *, name: str) -> tuple[Any, Positions, Positions]:
    """Read one YAML value of any type.

    Returns:
        The value, where each mapping key in it stands, and where each value stands.

    Raises:
        RecipeError: Everything that is wrong with it.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise RecipeError([_too_large(name, text)])
    reader = _Reader(Source(name, text))
    value = reader.read()
    return value, reader.keys, reader.values


def resolve(text: str) -> str | int | float | bool | None:
    """What a plain (unquoted) scalar means, by the core schema of YAML 1.2.

    Raises:
        ValueError: It reads as a number in one version of YAML and not in another; the arguments
            are a message and a hint.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if "_" in text and _UNDERSCORES.fullmatch(text):
        raise _ambiguous(text, "is not a number in YAML 1.2", text.replace("_", ""))
    if zero := _LEADING_ZERO.fullmatch(text):
        number = zero[1] + (zero[2].lstrip("0") or "0")
        raise _ambiguous(text, "has leading zeros, which mean octal to some", number)
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError("this number is too long", f"Use at most {MAX_DIGITS} digits.")
        return int(text, 0)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    if _FLOAT.fullmatch(text):
        if math.isinf(value := float(text)):
            raise ValueError(f"'{shown(text)}' is too large", "Write .inf if you mean infinity.")
        return value
    return text


class _Reader:
    """Builds plain values from the events of one text and notes where everything stands.

    Recursion is as deep as the text nests, which ``_events`` bounds before it goes on.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.keys: Positions = {}
        self.values: Positions = {}
        self.events = self._events()

    def read(self) -> Any:
        value, self.values[()] = None, self.source.at(0)
        next(self.events)  # the start of the stream
        if isinstance(start := next(self.events), yaml.DocumentStartEvent):
            if start.version or start.tags:
                self.problem(start, "recipes have no '%' lines", "Remove it.")
            value = self.build(next(self.events), ())
            next(self.events)  # the end of the document
            if isinstance(event := next(self.events), yaml.DocumentStartEvent):
                self.problem(event, "a second document starts here", "Put it in a file of its own.")
        if self.problems:
            raise RecipeError(self.problems)
        return value

    def build(self, event: yaml.Event, path: Path) -> Any:
        self.values[path] = self.place(event)
        self.refuse(event)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        items: list[Any] = []
        if isinstance(event, yaml.SequenceStartEvent):
            while not isinstance(entry := next(self.events), yaml.SequenceEndEvent):
                items.append(self.build(entry, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            where = (*path, key)
            if key in result:
                first = self.keys[where].line
                message = f"key '{shown(key)}' is given twice, first in line {first}"
                self.problem(event, message, "Keep one of the two.")
            self.keys[where] = self.place(event)
            entry = next(self.events)
            result[key] = self.build(entry, where)
            self.refuse_entry(event, entry)
        return result

    def key(self, event: yaml.Event, path: Path) -> str:
        """The name of an entry; one that cannot be a name is a problem, and stands in as text."""
        if not isinstance(event, yaml.ScalarEvent):
            self.build(event, path)
            if not isinstance(event, yaml.AliasEvent):
                hint = "Use a name; recipes have no {{ placeholders }}."
                self.problem(event, "a key cannot be a list or a mapping", hint)
            return f"? {len(self.keys)}"
        self.refuse(event)
        self.refuse_control(event)
        text = str(event.value)
        if event.style:
            return text
        if text == "<<":
            self.problem(event, "recipes have no merge keys", "Write the entries out.")
        elif not text:
            self.problem(event, "a key is missing before ':'", "Write 'key: value'.")
        elif found := INVISIBLE.search(text):
            place = self.source.at(self.index(event) + found.start())
            self.problems.append(invisible(found[0], place))
        return text

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        self.refuse_control(event)
        if event.style:
            return event.value
        try:
            return resolve(event.value)
        except ValueError as error:
            message, hint = error.args
            self.problem(event, message, hint)
            return event.value

    def refuse(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self.problem(event, *NO_ANCHORS)
        if getattr(event, "tag", None) is not None:
            self.problem(event, *NO_TAGS)

    def refuse_control(self, event: yaml.ScalarEvent) -> None:
        if found := _CONTROL.search(event.value):
            code = f"U+{ord(found[0]):04X}"
            self.problem(event, f"this text has a control character in it ({code})", "Remove it.")

    def refuse_entry(self, key: yaml.Event, value: yaml.Event) -> None:
        """``{lr:1}`` is the key 'lr:1' without a value, ``{lr: 0,1}`` has such a key, 1."""
        if not isinstance(key, yaml.ScalarEvent) or key.style or not key.value:
            return
        alone = isinstance(value, yaml.ScalarEvent) and not (value.style or value.value)
        name, colon, rest = str(key.value).partition(":")
        if colon and alone:
            self.problems.append(missing_space(self.place(key), name, rest))
        if not _is_text(key.value):
            hint = f"Quote it if it is a name: '{shown(key.value)}'."
            if alone and key.value[0].isdigit():
                hint = "Write a decimal point as '.', and a list in brackets: [1, 2]."
            self.problem(key, f"the key {shown(key.value)} is not text", hint)

    def problem(self, event: yaml.Event, message: str, hint: str) -> None:
        self.problems.append(Problem(message, self.place(event), hint))

    def place(self, event: yaml.Event) -> Position:
        return self.source.at(self.index(event))

    def index(self, event: yaml.Event) -> int:
        return event.start_mark.index if event.start_mark else 0

    def _events(self) -> Iterator[yaml.Event]:
        """PyYAML's events, with its errors in our words and within our bounds."""
        depth = 0
        loader: Any = None
        try:
            loader = yaml.SafeLoader(self.source.text)
            for _ in range(MAX_EVENTS):
                event = loader.get_event()
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    self.problem(event, f"nested deeper than {MAX_DEPTH} levels", "Flatten it.")
                    raise RecipeError(self.problems)
                yield event
        # chr() refuses what some escapes ask for, with a ValueError or an OverflowError.
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            index = loader.get_mark().index if loader else 0
            self.problems.append(self.source.syntax_problem(error, index))
            raise RecipeError(self.problems) from None
        message = f"this recipe is too large: more than {MAX_EVENTS:,} entries"
        raise RecipeError([Problem(message, self.place(event), "Keep data out of recipes.")])


def _decode(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise RecipeError([_too_large(name, data.decode("utf-8", errors="replace"))])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        position = Source(name, data.decode("utf-16", errors="replace")).at(0)
        raise RecipeError([Problem("this is UTF-16 text", position, "Save the file as UTF-8.")])
    if (zero := data.find(0)) >= 0:
        hint = "A recipe is YAML text, saved as UTF-8."
        raise _undecodable(data, name, zero, f"this is not text: byte {zero} is zero", hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        hint = "Save the file as UTF-8."
        raise _undecodable(data, name, error.start, message, hint) from None


def _undecodable(data: bytes, name: str, byte: int, message: str, hint: str) -> RecipeError:
    index = len(data[:byte].decode("utf-8", errors="replace"))
    position = Source(name, data.decode("utf-8", errors="replace")).at(index)
    return RecipeError([Problem(message, position, hint)])


def _too_large(name: str, text: str) -> Problem:
    position = Source(name, text).at(min(len(text) - 1, MAX_BYTES))
    message = "this recipe is too large: more than 1 MiB"
    return Problem(message, position, "Keep data out of recipes.")


def _is_text(text: str) -> bool:
    try:
        return isinstance(resolve(text), str)
    except ValueError:
        return False


def _ambiguous(text: str, why: str, number: str) -> ValueError:
    hint = f"Write {shown(number)} for the number, or '{shown(text)}' in quotes for the text."
    return ValueError(f"'{shown(text)}' {why}", hint)
