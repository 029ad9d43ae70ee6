"""A recipe's text: what it means, and what a user reads when it means nothing."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from ganforge.errors import UsageError
from ganforge.recipe.reader import MAX_BYTES, MAX_EVENTS, read_file, read_text, read_value, resolve
from ganforge.recipe.source import Position, Problem, RecipeError

RECIPE = """\
# A comment.
version: 1
name: mnist_dcgan
generator:     {use: dcgan, channels: 64}
optimizer:
  generator: {use: adam, lr: 2e-4, betas: [0.5, 0.999]}
callbacks:
  - {use: sample_grid, every: 100 steps}
  - use: checkpoint
    keep: 3
note: |
  Two lines,
  of which this is one.
"""


def error(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read_text(text, name="r.yaml")
    return str(caught.value)


def value(text: str) -> Any:
    return read_value(text, name="x")[0]


def test_a_recipe_becomes_plain_values() -> None:
    assert read_text(RECIPE, name="r.yaml").value == {
        "version": 1,
        "name": "mnist_dcgan",
        "generator": {"use": "dcgan", "channels": 64},
        "optimizer": {"generator": {"use": "adam", "lr": 2e-4, "betas": [0.5, 0.999]}},
        "callbacks": [
            {"use": "sample_grid", "every": "100 steps"},
            {"use": "checkpoint", "keep": 3},
        ],
        "note": "Two lines,\nof which this is one.\n",
    }


def test_every_key_and_value_has_its_position() -> None:
    document = read_text(RECIPE, name="r.yaml")
    line = "  generator: {use: adam, lr: 2e-4, betas: [0.5, 0.999]}"
    path = ("optimizer", "generator", "lr")
    assert document.position(path) == Position("r.yaml", 6, 30, line)
    assert document.position(path, key=True) == Position("r.yaml", 6, 26, line)
    assert document.position(("optimizer", "generator", "betas", 1)) == Position(
        "r.yaml", 6, 49, line
    )
    assert document.position(("callbacks", 1)) == Position("r.yaml", 9, 5, "  - use: checkpoint")


def test_what_is_missing_points_to_what_should_hold_it() -> None:
    document = read_text(RECIPE, name="r.yaml")
    assert str(document.position(("optimizer", "discriminator", "lr"))) == "r.yaml:5:1"
    assert str(document.position(("callbacks", 1, "every"))) == "r.yaml:9:5"
    assert str(document.position(("nothing",))) == "r.yaml:2:1"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        *((text, None) for text in ("", "~", "null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, text) for text in ("on", "off", "yes", "no", "Yes", "NO", "y", "n", "tRue")),
        ("1", 1),
        ("+12", 12),
        ("-3", -3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("2e-4", 2e-4),
        ("1E5", 1e5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e+3", -1500.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        *((text, text) for text in ("1:30", "2019-01-01", "2019-01-01 10:00:00", "1,000", "0b11")),
        *((text, text) for text in (".", "-", "e5", "1e", "+.nan", "1.2.3", "=", "\u0663")),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'012'", "012"),
        ("''", ""),
        ('"\\u00e9\\t"', "é\t"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, meaning: object) -> None:
    found = value(text) if text != "-" else resolve(text)
    assert found == meaning
    assert type(found) is type(meaning)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(value(".nan"))


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        (
            "train:\n  epochs: 012",
            """\
r.yaml:2:11: '012' has leading zeros, which mean octal to some
    epochs: 012
            ^
  Write 12 for the number, or '012' in quotes for the text.""",
        ),
        (
            "seed: 1_000",
            """\
r.yaml:1:7: '1_000' is not a number in YAML 1.2
    seed: 1_000
          ^
  Write 1000 for the number, or '1_000' in quotes for the text.""",
        ),
        (
            "lr: 1e999",
            """\
r.yaml:1:5: '1e999' is too large
    lr: 1e999
        ^
  Write .inf if you mean infinity.""",
        ),
        (
            "a: 1\nb: 2\na: 3",
            """\
r.yaml:3:1: key 'a' is given twice, first in line 1
    a: 3
    ^
  Keep one of the two.""",
        ),
        (
            "a: {1: x}",
            """\
r.yaml:1:5: the key 1 is not text
    a: {1: x}
        ^
  Quote it if it is a name: '1'.""",
        ),
        (
            "a: {lr:1}",
            """\
r.yaml:1:5: a space is missing behind ':'
    a: {lr:1}
        ^
  Write 'lr: 1'.""",
        ),
        (
            "a: {<<: {b: 1}}",
            """\
r.yaml:1:5: recipes have no merge keys
    a: {<<: {b: 1}}
        ^
  Write the entries out.""",
        ),
        (
            "a: !!python/object/apply:os.system [ls]",
            """\
r.yaml:1:4: recipes have no tags
    a: !!python/object/apply:os.system [ls]
       ^
  Remove it; quote text that starts with '!'.""",
        ),
        (
            "a: *.png",
            """\
r.yaml:1:4: recipes have no anchors or aliases
    a: *.png
       ^
  Write the value out; quote text with & or *.""",
        ),
        (
            "a: 1\n---\nb: 2",
            """\
r.yaml:2:1: a second document starts here
    ---
    ^
  Put it in a file of its own.""",
        ),
        (
            "# nothing yet",
            """\
r.yaml:1:1: the recipe is empty
    # nothing yet
    ^
  'ganforge run smoke --dry-run' prints one to start from.""",
        ),
        (
            "- a",
            """\
r.yaml:1:1: a recipe is a mapping, but this is a list
    - a
    ^
  Write lines of 'key: value', with a space behind ':'.""",
        ),
        (
            'name: "\\e[31m"',
            """\
r.yaml:1:7: this text has a control character in it (U+001B)
    name: "\\e[31m"
          ^
  Remove it.""",
        ),
    ],
)
def test_what_recipes_do_not_have(text: str, rendered: str) -> None:
    assert error(text) == rendered


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        (
            "train:\n\tepochs: 1",
            """\
r.yaml:2:1: a tab stands where YAML wants spaces
    \tepochs: 1
    ^
  Use spaces instead.""",
        ),
        (
            "betas: [0.5, 0.999",
            """\
r.yaml:1:8: this bracket is never closed
    betas: [0.5, 0.999
           ^
  Close it.""",
        ),
        (
            "betas: [0.5, 0.999\nb: 1\nc: 2",
            """\
r.yaml:2:2: a comma or a closing bracket is due here
    b: 1
     ^
  The bracket was opened in line 1.""",
        ),
        (
            "name: 'x",
            """\
r.yaml:1:7: this quote is never closed
    name: 'x
          ^
  Close it.""",
        ),
        (
            "name: a: b",
            """\
r.yaml:1:8: a 'key: value' cannot stand here
    name: a: b
           ^
  Check the indentation, the line above, and quote text that contains ': '.""",
        ),
        (
            "version:1\nname: x",
            """\
r.yaml:1:1: a space is missing behind ':'
    version:1
    ^
  Write 'version: 1'.""",
        ),
        (
            "name: x\nseed 0\nversion: 1",
            """\
r.yaml:2:1: this line has no ':'
    seed 0
    ^
  Write 'key: value', with a space behind ':'.""",
        ),
        (
            "train:\n  epochs: 1\n seed: 0",
            """\
r.yaml:3:2: this does not line up with what is above
    seed: 0
    ^
  Start all entries of one mapping or list in one column; do not mix the two.""",
        ),
        (
            'name: "a" b',
            """\
r.yaml:1:11: unexpected text behind a value
    name: "a" b
              ^
  Quote the whole value.""",
        ),
        (
            "name: @x",
            """\
r.yaml:1:7: text cannot start with '@'
    name: @x
          ^
  Put it in quotes.""",
        ),
        (
            'folder: "C:\\data"',
            """\
r.yaml:1:13: unknown escape in double quotes
    folder: "C:\\data"
                ^
  For a plain backslash use single quotes, or write it twice.""",
        ),
        (
            "name: a\x1b[31m",
            """\
r.yaml:1:8: the character U+001B cannot be in YAML
    name: a\u241b[31m
           ^
  Remove it.""",
        ),
    ],
)
def test_syntax_errors_in_plain_words(text: str, rendered: str) -> None:
    assert error(text) == rendered


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: 1,, b: 2}", "a value is due before ','"),
        ("a: - b", "a '- ' entry cannot stand here"),
        ("a: ? b", "a '?' cannot stand here"),
        ("a: [1,", "the text ends where a value is due"),
        ("a: |x\n  b", "only '|' or '>' can stand here"),
        ("%YAML 3.0\n---\na: 1", "recipes have no '%' lines"),
        ("a: !foo!bar x", "recipes have no tags"),
        ("a: ! x", "recipes have no tags"),
        ("a: &x [1]", "recipes have no anchors or aliases"),
        ("a: & x", "recipes have no anchors or aliases"),
        ('a: "\\U00110000"', "unknown escape in double quotes"),
        ('a: "\\UFFFFFFFF"', "unknown escape in double quotes"),
        ('a: "\\ud800"', "this text has a control character in it (U+D800)"),
        ("? [a]\n: b", "a key cannot be a list or a mapping"),
        ("?\n: b", "a key is missing before ':'"),
        ("true: b", "the key true is not text"),
        ("a: " + "9" * 5000, "this number is too long"),
        ("just words", "a recipe is a mapping, but this is only 'just words'"),
    ],
)
def test_further_errors(text: str, message: str) -> None:
    assert error(text).splitlines()[0].endswith(f": {message}")


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    text = "a: &x 012\nb: {c: 1, c: 2}\n<<: *x\nd: !t 1\n2: 3"
    lines = error(text).splitlines()
    assert lines[0] == "7 problems:"
    assert [line.split(": ")[0] for line in lines if line.startswith("r.yaml")] == [
        "r.yaml:1:4",
        "r.yaml:1:4",
        "r.yaml:2:11",
        "r.yaml:3:1",
        "r.yaml:3:5",
        "r.yaml:4:4",
        "r.yaml:5:1",
    ]


def test_a_flood_of_problems_is_cut_short() -> None:
    with pytest.raises(RecipeError) as caught:
        read_text("a: 1\n" * 101, name="r.yaml")
    assert len(caught.value.problems) == 100
    assert str(caught.value).startswith("100 problems:\n\nr.yaml:2:1: key 'a'")
    assert str(caught.value).endswith("\n\n... and 80 more")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_a_hundred_thousand_levels_do_not_overflow(opening: str) -> None:
    assert "nested deeper than 32 levels" in error(opening * 100_000)


def test_an_alias_bomb_does_not_go_off() -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert error("\n".join(["l0: &l0 x", *levels])).startswith("81 problems:")


def test_too_much_text_or_too_many_entries() -> None:
    first, *_, hint = error("#" * (MAX_BYTES + 1)).splitlines()
    assert first == f"r.yaml:1:{MAX_BYTES + 1}: this recipe is too large: more than 1 MiB"
    assert hint == "  Keep data out of recipes."
    assert f"more than {MAX_EVENTS:,} entries" in error(f"a: [{'1, ' * MAX_EVENTS}]")


def test_a_caret_survives_tabs_and_wide_characters() -> None:
    assert error("'x\ty': 012").splitlines()[1:3] == ["    'x\ty': 012", "      \t    ^"]
    assert error("漢字: 012").splitlines()[1:3] == ["    漢字: 012", "          ^"]


def test_a_long_line_is_shown_around_the_caret() -> None:
    _, line, caret, _ = error(f"a: [{'x, ' * 200}012{', y' * 200}]").splitlines()
    assert len(line) < 110
    assert line.startswith("    ...")
    assert line.endswith("...")
    assert line[caret.index("^") :].startswith("012")


def test_nothing_from_a_file_reaches_the_terminal_as_a_command() -> None:
    place = Position("\x1b]0;x\x07.yaml", 1, 1, "a\x9b31m\u202e\ud800\x7f")
    rendered = Problem("bad \x1b[2J key", place, "hint\r").render()
    assert rendered == (
        "␛]0;x␇.yaml:1:1: bad ␛[2J key\n    a\ufffd31m\ufffd\ufffd␡\n    ^\n  hint␍"
    )


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xc3\xa9\r\n")
    document = read_file(file)
    assert document.value == {"a": 1, "b": "é"}
    assert document.position(("a",)) == Position(str(file), 1, 4, "a: 1")
    assert document.name == str(file)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    def message(content: bytes) -> str:
        (tmp_path / "r.yaml").write_bytes(content)
        with pytest.raises(UsageError) as caught:
            read_file(tmp_path / "r.yaml")
        return str(caught.value).replace(str(tmp_path), "...")

    assert message(b"a: 1\nb: \xff") == (
        ".../r.yaml:2:4: not UTF-8: byte 0xff at offset 8\n    b: \ufffd\n       ^\n"
        "  Save the file as UTF-8."
    )
    assert message("a: 1".encode("utf-16")) == (
        ".../r.yaml:1:1: this is UTF-16 text\n    a: 1\n    ^\n  Save the file as UTF-8."
    )
    assert message(b"\x89PNG\0\0").splitlines()[:3] == [
        ".../r.yaml:1:5: this is not text: byte 4 is zero",
        "    \ufffdPNG\u2400\u2400",
        "        ^",
    ]
    assert "more than 1 MiB" in message(b"\xff" * (MAX_BYTES + 1))
    assert message(b"").startswith(".../r.yaml:1:1: the recipe is empty\n  ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^there is no file '.*none\.yaml'$"):
        read_file(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match=r"is a folder, not a recipe$"):
        read_file(tmp_path)
    with pytest.raises(UsageError, match=r"^cannot read 'a␀b'"):
        read_file(Path("a\0b"))


def test_random_damage_never_gives_anything_but_an_error_for_users() -> None:
    rng = random.Random(0)
    pieces = [*"[]{},:#&*!|>'\"%@`-?\\\t\n\r \0\x1b~.0_", "\ufeff", "\u2028", "\x85", "é", "\ud800"]
    pieces += ["---\n", "...\n", "<<: ", "!!map ", "&a ", "*a", '"\\U00110000"', "? ", "%TAG ! x\n"]
    messages = []
    for _ in range(300):
        text = RECIPE
        for _ in range(rng.randint(1, 4)):
            start = rng.randrange(len(text) + 1)
            end = start + rng.choice([0, 0, 1, 3, 30])
            text = text[:start] + rng.choice(pieces) * rng.choice([1, 1, 2]) + text[end:]
        try:
            read_text(text, name="r.yaml")
        except UsageError as caught:
            messages.append(str(caught))
    assert len(messages) > 150
    shown = "".join(messages)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    shown.encode("utf-8")
