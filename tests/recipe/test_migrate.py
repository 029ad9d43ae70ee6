"""Recipes of earlier versions, with tables made for the tests: there is only one version yet."""

from __future__ import annotations

from typing import Any

import pytest

from ganforge.recipe.migrate import MIGRATIONS, migrate, move
from ganforge.recipe.reader import read_text
from ganforge.recipe.schema import VERSION
from ganforge.recipe.source import Document, Path, RecipeError

OLD = """\
version: 1
train:
  lr: 1e-3
  betas: [0.5, 0.9]
loss: hinge
"""


def learning_rate(document: Document) -> list[str]:
    """From 1 to 2: the optimizer has its own block."""
    move(document, ("train", "lr"), ("optimizer", "lr"))
    return ["'lr' is now in 'optimizer'"]


def component(document: Document) -> list[str]:
    """From 2 to 3: what ``optimizer`` was is now one of two."""
    move(document, ("optimizer",), ("optimizers", "generator"))
    move(document, ("loss",), ("losses", "use"))
    return ["'optimizer' is now 'optimizers.generator'", "'loss' is now 'losses'"]


TABLE = {1: learning_rate, 2: component}


def old(text: str = OLD) -> Document:
    return read_text(text, name="old.yaml")


def positions(document: Document) -> dict[Path, str]:
    return {path: str(place) for path, place in document.values.items()}


def test_the_real_table_leads_from_each_version_to_the_next() -> None:
    """Whoever raises the version writes the migration, or this fails."""
    oldest = min(MIGRATIONS, default=VERSION)
    assert set(MIGRATIONS) == set(range(oldest, VERSION))


def test_every_step_is_taken_in_order_and_told() -> None:
    document = old()
    notes = migrate(document, migrations=TABLE, current=3)
    assert notes == [
        "old.yaml: version 1 read as 2: 'lr' is now in 'optimizer'",
        "old.yaml: version 2 read as 3: 'optimizer' is now 'optimizers.generator'",
        "old.yaml: version 2 read as 3: 'loss' is now 'losses'",
    ]
    assert document.value == {
        "version": 3,
        "train": {"betas": [0.5, 0.9]},
        "optimizers": {"generator": {"lr": 1e-3}},
        "losses": {"use": "hinge"},
    }


def test_positions_stay_where_the_user_wrote_the_values() -> None:
    document = old()
    migrate(document, migrations=TABLE, current=3)
    lr = ("optimizers", "generator", "lr")
    assert str(document.position(lr)) == "old.yaml:3:7"
    assert str(document.position(lr, key=True)) == "old.yaml:3:3"
    assert str(document.position(("losses", "use"))) == "old.yaml:5:7"
    assert str(document.position(("train", "betas", 1))) == "old.yaml:4:16"
    assert ("train", "lr") not in document.values
    assert ("loss",) not in document.keys


def test_a_recipe_of_a_later_version_takes_only_the_steps_that_are_left() -> None:
    document = old("version: 2\noptimizer: {lr: 1}\n")
    notes = migrate(document, migrations=TABLE, current=3)
    assert [note.split(": ")[1] for note in notes] == ["version 2 read as 3"] * 2
    assert document.value == {"version": 3, "optimizers": {"generator": {"lr": 1}}}


def test_the_present_version_is_left_alone() -> None:
    document = old(OLD.replace("version: 1", "version: 3"))
    before = old(OLD.replace("version: 1", "version: 3"))
    assert migrate(document, migrations=TABLE, current=3) == []
    assert (document.value, positions(document)) == (before.value, positions(before))


@pytest.mark.parametrize(
    ("version", "message", "hint"),
    [
        (4, "this recipe has version 4; this ganforge reads versions 2 to 3", "pip install -U"),
        (1, "this recipe has version 1; this ganforge reads versions 2 to 3", "Write version: 3"),
        (0, "this recipe has version 0; this ganforge reads versions 2 to 3", "Write version: 3"),
        (-1, "this recipe has version -1;", "Write version: 3"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(version: int, message: str, hint: str) -> None:
    document = old(f"name: x\nversion: {version}\n")
    with pytest.raises(RecipeError) as caught:
        migrate(document, migrations={2: component}, current=3)
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
    assert hint in (problem.hint or "")
    assert str(problem.position) == "old.yaml:2:10"


def test_with_a_single_version_no_range_is_told() -> None:
    with pytest.raises(RecipeError, match="this ganforge reads version 1\n") as caught:
        migrate(old("version: 2\n"), migrations={}, current=1)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("line", ["", "version: '1'", "version: 1.0", "version: true", "version:"])
def test_a_version_that_is_no_number_is_left_to_the_check(line: str) -> None:
    document = old(f"name: x\n{line}\n")
    assert migrate(document, migrations=TABLE, current=3) == []
    assert document.value == old(f"name: x\n{line}\n").value


@pytest.mark.parametrize(
    ("text", "start", "goal", "value"),
    [
        ("a: {b: 1}\n", ("a", "b"), ("c",), {"a": {}, "c": 1}),
        ("a: 1\n", ("a",), ("b", "c", "d"), {"b": {"c": {"d": 1}}}),
        ("a: 1\nb:\n", ("a",), ("b", "c"), {"b": {"c": 1}}),
        ("a: {b: 1}\n", ("a", "b"), ("a", "c"), {"a": {"c": 1}}),
        # nothing to move
        ("b: 1\n", ("a",), ("c", "d"), {"b": 1}),
        ("b: 1\n", ("a", "x"), ("c", "d"), {"b": 1}),
        ("a: [1]\n", ("a", "x"), ("c",), {"a": [1]}),
        ("a: 1\n", ("a", "x"), ("c",), {"a": 1}),
        ("a:\n", ("a", "x"), ("c",), {"a": None}),
        # something in the way
        ("a: 1\nb: 2\n", ("a",), ("b",), {"a": 1, "b": 2}),
        ("a: 1\nb: {c: 2}\n", ("a",), ("b", "c"), {"a": 1, "b": {"c": 2}}),
        ("a: 1\nb: {c:}\n", ("a",), ("b", "c"), {"a": 1, "b": {"c": None}}),
        ("a: 1\nb: 2\n", ("a",), ("b", "c"), {"a": 1, "b": 2}),
        ("a: 1\nb: [2]\n", ("a",), ("b", "c"), {"a": 1, "b": [2]}),
        ("a: 1\nb: {c: 2}\n", ("a",), ("b", "c", "d"), {"a": 1, "b": {"c": 2}}),
    ],
)
def test_a_value_moves_only_where_there_is_room(
    text: str, start: Path, goal: Path, value: dict[str, Any]
) -> None:
    document = old(text)
    before = positions(document)
    place = str(document.values.get(start))
    moved = document.value != value
    move(document, start, goal)
    assert document.value == value
    if moved:
        assert str(document.position(goal)) == place
        assert start not in document.values
    else:
        assert positions(document) == before


def test_a_value_can_move_to_below_its_own_name() -> None:
    """``loss: hinge`` becomes ``loss: {use: hinge}`` by way of a name that nothing has."""
    document = old("version: 1\nloss: hinge\n")
    move(document, ("loss",), ("moved",))
    move(document, ("moved",), ("loss", "use"))
    assert document.value == {"version": 1, "loss": {"use": "hinge"}}
    assert str(document.position(("loss", "use"))) == "old.yaml:2:7"
