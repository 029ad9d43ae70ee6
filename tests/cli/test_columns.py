"""Tables of text: as wide as the terminal, blocks where it is narrow, whole lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from ganforge.cli.columns import NARROWEST, columns

HEAD = ("plugin", "version", "provides")
ROWS = [
    ("acme", "1.2", "generator: small, large\nloss: one"),
    ("a_long_name", "0.10.0", ""),
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Standard output is a terminal; ``width`` sets its columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    return monkeypatch


def width(patch: pytest.MonkeyPatch, number: int) -> None:
    patch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((number, 24)))


def test_a_wide_terminal_gets_aligned_columns(terminal: pytest.MonkeyPatch) -> None:
    width(terminal, 80)
    assert columns(HEAD, ROWS).split("\n") == [
        "plugin       version  provides",
        "acme         1.2      generator: small, large",
        "                      loss: one",
        "a_long_name  0.10.0",
    ]


def test_the_last_column_is_wrapped_in_its_place(terminal: pytest.MonkeyPatch) -> None:
    width(terminal, 22 + NARROWEST)
    text = "generator: small, large, larger, largest\nloss: one"
    assert columns(HEAD, [("acme", "1.2", text), ROWS[1]]).split("\n") == [
        "plugin       version  provides",
        "acme         1.2      generator: small, large,",
        "                        larger, largest",
        "                      loss: one",
        "a_long_name  0.10.0",
    ]


def test_a_narrow_terminal_gets_a_block_for_each_row(terminal: pytest.MonkeyPatch) -> None:
    width(terminal, 22 + NARROWEST - 1)
    assert columns(HEAD, ROWS).split("\n") == [
        "acme",
        "  version: 1.2",
        "  provides: generator: small, large",
        "    loss: one",
        "a_long_name",
        "  version: 0.10.0",
    ]


@pytest.mark.parametrize("number", [20, 23, 30, 45, 46, 47, 60, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(
    terminal: pytest.MonkeyPatch, number: int
) -> None:
    width(terminal, number)
    provides = "\n".join(f"kind_{n}: " + ", ".join("abcdefgh"[:n]) for n in range(3, 8))
    text = columns(HEAD, [("a_long_name", "0.10.0", provides)])
    assert max(map(len, text.split("\n"))) <= number
    words = text.split()
    start = words.index("kind_3:")
    assert words[start:] == provides.split()


def test_what_is_no_terminal_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``ganforge list-plugins | grep`` needs them."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    width(monkeypatch, 20)
    long = "generator: " + ", ".join(f"number_{n}" for n in range(40))
    lines = columns(HEAD, [("acme", "1.2", long)]).split("\n")
    assert lines == ["plugin  version  provides", f"acme    1.2      {long}"]


def test_nothing_but_a_head_is_a_head() -> None:
    assert columns(HEAD, []) == "plugin  version  provides"


def test_a_row_that_lacks_a_text_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        columns(HEAD, [("acme", "1.2")])
