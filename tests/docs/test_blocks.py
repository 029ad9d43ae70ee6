"""Every block of code on a page is of a kind that some test reads."""

from __future__ import annotations

import pytest
from docpages import ROOT, Block, as_pattern, blocks, pages

from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.reader import read_file, read_text
from ganforge.selection import Selection

FOLLOWED = [page for page in pages() if page not in ("architecture.md",)]
BLOCKS = [block for page in FOLLOWED for block in blocks(page)]
PARTS = [block for block in BLOCKS if block.language == "yaml" and block.title is None]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_is_one_that_tests_know(block: Block) -> None:
    assert block.language in ("python", "yaml", "toml", "sh", "text")
    if block.language in ("python", "toml"):
        assert block.title is not None, "a file has a name"
    if block.note is not None:
        assert block.note == "as it stands"


@pytest.mark.parametrize("block", PARTS, ids=lambda block: block.place)
def test_a_part_of_a_recipe_is_valid(block: Block) -> None:
    document = read_file(ROOT / "recipes" / "smoke.yaml")
    document.value.update(read_text(block.text, name=block.place).value)
    check(document, load_registry(selection=Selection(only=())))


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        ("one\ntwo\n", "one\ntwo\n\n"),
        ("one\n...\nfour\n", "one\ntwo\nthree\nfour\n"),
        ("one\n...\n", "one\n"),
        ("took … s\n", "took 1.25 s   \n"),
    ],
)
def test_what_is_expected_matches(expected: str, shown: str) -> None:
    assert as_pattern(expected).fullmatch(shown)


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        ("one\n", "one\ntwo\n"),
        ("one\n...\nfour\n", "one\ntwo\nthree\n"),
        ("took … s\n", "took 1.25\ns\n"),
        ("a.b\n", "axb\n"),
    ],
)
def test_what_is_not_expected_does_not(expected: str, shown: str) -> None:
    assert not as_pattern(expected).fullmatch(shown)
