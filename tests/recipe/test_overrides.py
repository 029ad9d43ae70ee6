"""Overrides: ``train.epochs=1`` behind the recipe on the command line."""

from __future__ import annotations

from typing import Any

import pytest

from ganforge.recipe.overrides import apply_overrides
from ganforge.recipe.reader import read_text
from ganforge.recipe.source import Document, Position, RecipeError

RECIPE = """\
version: 1
seed: 0
generator: {use: dcgan, channels: 64, blocks: [1, 2]}
train: {epochs: 5, batch_size: 128}
schedule:
callbacks:
  - {use: sample_grid, every: 100 steps}
  - {use: checkpoint, keep: 3}
"""


def document() -> Document:
    return read_text(RECIPE, name="r.yaml")


def changed(*arguments: str) -> dict[str, Any]:
    recipe = document()
    apply_overrides(recipe, arguments)
    return recipe.value


def error(*arguments: str) -> str:
    with pytest.raises(RecipeError) as caught:
        apply_overrides(document(), arguments)
    return str(caught.value)


def test_values_are_yaml() -> None:
    value = changed(
        "train.epochs=1",
        "generator.channels=2e-4",
        "callbacks.0.every=7 steps",
        "dataset={use: mnist, size: 32}",
        "seed=",
        "name='012'",
        "note=a=b",
    )
    assert value["train"] == {"epochs": 1, "batch_size": 128}
    assert value["generator"]["channels"] == 2e-4
    assert value["callbacks"][0] == {"use": "sample_grid", "every": "7 steps"}
    assert value["dataset"] == {"use": "mnist", "size": 32}
    assert (value["seed"], value["name"], value["note"]) == (None, "012", "a=b")


def test_mappings_on_the_way_are_made() -> None:
    value = changed("ema.decay=0.9", "a.b.c=1", "schedule.generator.use=linear")
    assert value["ema"] == {"decay": 0.9}
    assert value["a"] == {"b": {"c": 1}}
    assert value["schedule"] == {"generator": {"use": "linear"}}


def test_the_index_behind_the_last_entry_appends() -> None:
    value = changed("callbacks.2={use: a}", "callbacks.3.use=b", "generator.blocks.0=9")
    assert value["callbacks"][2:] == [{"use": "a"}, {"use": "b"}]
    assert value["generator"]["blocks"] == [9, 2]


def test_the_last_of_two_wins() -> None:
    assert changed("seed=1", "seed=2")["seed"] == 2


def test_positions_point_into_the_argument() -> None:
    recipe = document()
    argument = "generator={use: dcgan, channels: x}"
    apply_overrides(recipe, [argument, "train.epochs=1", "ema.decay=2"])

    def at(column: int, text: str) -> Position:
        return Position("command line", 1, column, text)

    assert recipe.position(("generator",)) == at(11, argument)
    assert recipe.position(("generator", "channels")) == at(34, argument)
    assert recipe.position(("generator", "channels"), key=True) == at(24, argument)
    assert recipe.position(("train", "epochs")) == at(14, "train.epochs=1")
    assert recipe.position(("train", "epochs"), key=True) == at(7, "train.epochs=1")
    assert recipe.position(("train", "steps")) == recipe.position(("train",), key=True)
    assert recipe.position(("ema", "use")) == at(1, "ema.decay=2")
    # What was replaced leaves nothing behind.
    assert ("generator", "blocks", 0) not in recipe.values


@pytest.mark.parametrize(
    ("argument", "note"),
    [
        (
            "generator={use: resnet, channels: 8}",
            "generator: 'dcgan' replaced by 'resnet'; dropped: blocks=[1, 2]",
        ),
        (
            "generator.use=resnet",
            "generator: 'dcgan' replaced by 'resnet'; dropped: channels=64, blocks=[1, 2]",
        ),
        ("generator={use: dcgan, channels: 8}", "generator: dropped: blocks=[1, 2]"),
        (
            "callbacks.1.use=tracker",
            "callbacks.1: 'checkpoint' replaced by 'tracker'; dropped: keep=3",
        ),
        ("callbacks.1=", "callbacks.1: 'checkpoint' replaced by 'null'; dropped: keep=3"),
    ],
)
def test_a_replaced_component_takes_its_options_along(argument: str, note: str) -> None:
    assert apply_overrides(document(), [argument]) == [note]


@pytest.mark.parametrize("argument", ["generator.use=dcgan", "train={epochs: 1}", "callbacks=[]"])
def test_no_note_where_no_component_changes(argument: str) -> None:
    assert apply_overrides(document(), [argument]) == []


@pytest.mark.parametrize(
    "arguments",
    [("generator.use=resnet", "generator.depth=3"), ("generator.depth=3", "generator.use=resnet")],
)
def test_options_typed_with_a_new_component_stay(arguments: tuple[str, ...]) -> None:
    assert changed(*arguments)["generator"] == {"use": "resnet", "depth": 3}


@pytest.mark.parametrize(
    ("argument", "rendered"),
    [
        (
            "train.epochs",
            """\
command line:1:13: an override needs a '='
    train.epochs
                ^
  Write it as PATH=VALUE, such as train.epochs=1.""",
        ),
        (
            "train..epochs=1",
            """\
command line:1:7: a name is missing in this path
    train..epochs=1
          ^
  Write it as PATH=VALUE, such as train.epochs=1.""",
        ),
        (
            "train.epochs.x=1",
            """\
command line:1:14: train.epochs is 5, it has no 'x'
    train.epochs.x=1
                 ^""",
        ),
        (
            "callbacks.9.every=1",
            """\
command line:1:11: callbacks has no entry 9
    callbacks.9.every=1
              ^
  Entries are 0 to 1; 2 appends one.""",
        ),
        (
            "callbacks.-1.every=1",
            """\
command line:1:11: callbacks is a list, and '-1' is no number
    callbacks.-1.every=1
              ^
  Entries are 0 to 1; 2 appends one.""",
        ),
        (
            "train.lr=[1, 012]",
            """\
command line:1:14: '012' has leading zeros, which mean octal to some
    train.lr=[1, 012]
                 ^
  Write 12 for the number, or '012' in quotes for the text.""",
        ),
        (
            "color=#fff",
            """\
command line:1:7: '#' starts a comment, so this value would be empty
    color=#fff
          ^
  Put the value in quotes, inside those of the shell.""",
        ),
        (
            "train={epochs: 1",
            """\
command line:1:7: this bracket is never closed
    train={epochs: 1
          ^
  Close it.""",
        ),
    ],
)
def test_errors_show_the_argument(argument: str, rendered: str) -> None:
    assert error(argument) == rendered


def test_further_errors() -> None:
    assert "a name is missing" in error("=1")
    assert "needs a '='" in error("")
    assert "deeper than 32 levels" in error("a" + ".a" * 32 + "=1")
    assert "nested deeper than 32 levels" in error("a=" + "[" * 100_000)
    assert "characters that cannot be seen" in error("a\x1b[31m=1")
    assert "U+D800 cannot be in YAML" in error("a=\ud800")
    assert "0 appends an entry" in error("callbacks=[]", "callbacks.1.use=a")
    assert "callbacks has no entry" in error("callbacks." + "9" * 5000 + "=1")


def test_all_arguments_are_checked_in_the_order_given() -> None:
    lines = error("callbacks.x=1", "seed", "train.epochs.y=1").splitlines()
    assert lines[0] == "3 problems:"
    assert [line.split(": ")[0] for line in lines if line.startswith("command")] == [
        "command line:1:11",
        "command line:1:5",
        "command line:1:14",
    ]
