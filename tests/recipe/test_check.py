"""A recipe is checked against what is installed, and every problem is found at once."""

from __future__ import annotations

from types import ModuleType

import pytest

from ganforge import hookimpl
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.reader import read_text
from ganforge.recipe.schema import Recipe
from ganforge.recipe.source import RecipeError
from ganforge.runfolder import recipe_text

GOOD = """\
version: 1
name: good
dataset: {use: mnist, split: test}
generator: {use: dcgan}
discriminator: {use: dcgan}
loss: {use: hinge}
optimizer:
  generator: {use: adam}
  discriminator: {use: sgd, lr: 0.1}
train: {steps: 10}
"""


def checked(text: str) -> Recipe:
    return check(read_text(text, name="r.yaml"), load_registry())


def complaint(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        checked(text)
    return caught.value.message


def test_defaults_are_filled_in() -> None:
    recipe = checked(GOOD)
    assert recipe.head.seed == 0
    assert recipe.latent.dim == 100
    assert recipe.game.component.name == "two_player"
    assert recipe.train.batch_size == 64
    names = [spec.component.name for spec in recipe.callbacks]
    assert names == ["progress", "metrics", "sample_grid", "loss_plot", "checkpoint", "health"]


def test_the_resolved_recipe_reads_back_to_itself() -> None:
    recipe = checked(
        GOOD + "regularizers: [{use: r1, weight: 5, every: 16}]\nema: {decay: 0.99}\n"
        "callbacks: [{use: loss_plot, enabled: false}, {use: sample_grid, every: 1 epoch}]\n"
    )
    assert checked(recipe_text(recipe)).plain() == recipe.plain()
    assert recipe.disabled_callbacks == ["loss_plot"]
    assert "loss_plot" not in [spec.component.name for spec in recipe.callbacks]


def test_weight_and_every_of_a_regularizer_default_to_its_own() -> None:
    (term,) = checked(GOOD + "regularizers: [{use: gradient_penalty}]\n").regularizers
    assert (term.weight, term.every) == (10.0, 1)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (
            "{use: hinge}",
            "{use: hinges}",
            ["r.yaml:6:13: unknown loss 'hinges'", "Did you mean 'hinge'?"],
        ),
        ("{use: hinge}", "hinge", ["r.yaml:6:7: a loss is written {use: NAME, option: value}"]),
        ("loss: {use: hinge}\n", "", ["missing 'loss'", "available: hinge, least_squares"]),
        (
            "{use: sgd, lr: 0.1}",
            "{use: sgd, lr: fast}",
            ["r.yaml:9:33: optimizer 'sgd': lr: should be a valid number, not \"fast\""],
        ),
        (
            "{use: sgd, lr: 0.1}",
            "{use: sgd, params: 1}",
            ["r.yaml:9:29: optimizer 'sgd': 'params' is supplied by ganforge", "Remove it."],
        ),
        ("train: {steps: 10}", "train: {}", ["give exactly one of 'epochs' and 'steps'"]),
        ("train: {steps: 10}", "train: 10", ["r.yaml:10:8: train should be a mapping"]),
        ("version: 1", "version: 2", ["r.yaml:1:10: recipe: version: should be 1, not 2"]),
        ("name: good", "name: a/b", ["r.yaml:2:7: recipe: name: "]),
        ("name: good\n", "", ["missing option 'name'"]),
        (
            "  generator: {use: adam}\n",
            "",
            ["r.yaml:7:1: missing 'generator'", "Add 'generator: {use: NAME}'; available: ada"],
        ),
        (
            "optimizer:\n",
            "optimizer:\n  encoder: {use: adam}\n",
            ["r.yaml:8:3: optimizer: the game has no network 'encoder'"],
        ),
        ("train:", "callbacks: [{use: progress, enabled: 3}]\ntrain:", ["enabled should be true"]),
        ("train:", "regularizers: {use: r1}\ntrain:", ["regularizers should be a list"]),
        ("train:", "regularizers: [{use: r1, every: 0}]\ntrain:", ["r.yaml:10:33: regularizers"]),
        (
            "train:",
            "ema: {decay: 1.0}\ntrain:",
            ["r.yaml:10:14: ema: decay: should be less than 1"],
        ),
        ("train:", "game: {use: two_player, d_steps: 0}\ntrain:", ["game 'two_player': d_steps:"]),
    ],
)
def test_a_problem_is_told_with_its_place(old: str, new: str, lines: list[str]) -> None:
    assert old in GOOD
    text = complaint(GOOD.replace(old, new, 1))
    for line in lines:
        assert line in text


def test_all_problems_come_at_once() -> None:
    text = complaint(
        GOOD.replace("hinge", "hinges").replace("steps: 10", "stepz: 10").replace("adam", "adams")
    )
    assert text.startswith("4 problems:")  # the misspelt key also leaves no length


def test_a_component_behind_another_of_its_name_keeps_its_plugins() -> None:
    """The resolved recipe must find the same component again."""
    module = ModuleType("acme")

    @hookimpl
    def register_losses(register):  # type: ignore[no-untyped-def]
        register("hinge", object)

    module.register_losses = register_losses  # type: ignore[attr-defined]
    registry = load_registry(extra=[module])
    text = GOOD.replace("{use: hinge}", "{use: 'acme:hinge'}")
    plain = check(read_text(text, name="r.yaml"), registry).plain()
    assert plain["loss"] == {"use": "acme:hinge"}


def test_the_options_of_the_default_game_need_no_use() -> None:
    recipe = checked(GOOD + "game: {d_steps: 5}\n")
    assert recipe.plain()["game"]["use"] == "two_player"
    assert recipe.game.options["d_steps"] == 5
