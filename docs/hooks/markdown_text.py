"""Markdown for the generated pages: tables, code, and docstrings as prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

_CODE = re.compile(r"``(.+?)``")
_ROLE = re.compile(r":\w+:`~?\.?([^`]+)`")
_PAPER = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_SECTION = re.compile(r"^(Args|Raises|Returns):\n(?:(?:[ \t].*)?(?:\n|\Z))*", re.MULTILINE)
_RAISED = re.compile(r"^ {4}(\w+): ", re.MULTILINE)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def fence(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def code(text: object) -> str:
    """Text as code, within a line."""
    return f"`{text}`"


def written(value: Any) -> str:
    """A value as a recipe writes it, in one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...").strip()


def prose(docstring: str) -> str:
    """A docstring as Markdown, without its sections of arguments and errors."""
    return _escaped(_SECTION.sub("", docstring)).strip()


def raises(docstring: str) -> list[tuple[str, str]]:
    """The ``Raises`` section: error and when."""
    for section in _SECTION.finditer(docstring):
        if section[1] == "Raises":
            parts = _RAISED.split(section[0])[1:]
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return [(name, _escaped(" ".join(text.split()))) for name, text in pairs]
    return []


def inline(text: str) -> str:
    """One description of a docstring as Markdown."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """Keeps code as code; what Markdown would read as emphasis or HTML is shown as it is."""
    text = _ROLE.sub(lambda role: f"``{role[1]}``", text)
    parts = _CODE.split(text)
    for index, part in enumerate(parts):
        parts[index] = _plain(part) if index % 2 == 0 else f"`{part}`"
    return "".join(parts)


def _plain(text: str) -> str:
    text = re.sub(r"([*_\[\]|])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    return _PAPER.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
