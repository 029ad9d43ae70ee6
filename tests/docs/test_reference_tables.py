"""What the tables of the pages say is what ganforge does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from docpages import ROOT, tables

from ganforge import build
from ganforge.engine.feed import ResidentFeed
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.overrides import apply_overrides
from ganforge.recipe.reader import read_file, read_text
from ganforge.recipe.schema import Recipe
from ganforge.recipe.source import RecipeError
from ganforge.registry import Registry
from ganforge.selection import Selection

CODE = re.compile(r"`([^`]+)`")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(selection=Selection(only=()))


def cells(page: str, first: str) -> Iterator[list[str]]:
    """The rows of the table of a page that has this text in its first cell somewhere."""
    for rows in tables(page):
        if any(row[0] == first for row in rows):
            return iter(rows)
    raise AssertionError(f"docs/{page} has no table with a row '{first}'")


def smoke(registry: Registry, *overrides: str) -> Recipe:
    document = read_file(ROOT / "recipes" / "smoke.yaml")
    apply_overrides(document, overrides)
    return check(document, registry)


def with_part(text: str, registry: Registry) -> Recipe:
    """The recipe ``smoke`` with a part of a recipe in place of its own."""
    document = read_file(ROOT / "recipes" / "smoke.yaml")
    document.value.update(read_text(text, name="page").value)
    return check(document, registry)


@pytest.mark.parametrize(("written", "meant"), list(cells("reference/recipes.md", "`lr: 2e-4`")))
def test_yaml_is_read_as_the_page_says(written: str, meant: str) -> None:
    ((value),) = read_text(CODE.findall(written)[0], name="page").value.values()
    words: dict[str, Any] = {"true": True, "nothing: the default": None}
    if meant in words:
        assert value is words[meant]
    elif meant.startswith("the text"):
        assert value == CODE.findall(meant)[0]
    else:
        assert value == pytest.approx(float(meant.removeprefix("the number ")))
        assert not isinstance(value, bool | str)


@pytest.mark.parametrize(("written", "told"), list(cells("reference/recipes.md", "`seed: 012`")))
def test_yaml_is_refused_as_the_page_says(written: str, told: str) -> None:
    with pytest.raises(RecipeError) as refused:
        read_text(CODE.findall(written)[0], name="page")
    problem = refused.value.problems[0]
    assert problem.message == told
    assert problem.position is not None
    assert problem.hint


CHANGES: dict[str, Any] = {
    "train.batch_size=16": lambda r: r.train.batch_size == 16,
    "generator.channels=16": lambda r: r.networks["generator"].options == {"channels": 16},
    "callbacks.0.every=10": lambda r: (
        str(callback(r, "sample_grid").options["every"]) == "10 steps"
    ),
    "callbacks.2={use: terminal_preview}": lambda r: r.callbacks[-1].name == "terminal_preview",
    "loss={use: hinge}": lambda r: r.loss.name == "hinge",
    "generator.use=keras_dcgan": lambda r: (
        r.networks["generator"].plain() == {"use": "keras_dcgan"}
    ),
    "regularizers=[{use: r1, every: 16}]": lambda r: (
        [term.every for term in r.regularizers] == [16]
    ),
    "game.d_steps=2": lambda r: r.game.options["d_steps"] == 2,
    "ema.decay=0.99": lambda r: r.ema is not None and r.ema.decay == 0.99,
    "ema=": lambda r: r.ema is None,
}


def callback(recipe: Recipe, name: str) -> Any:
    (found,) = (spec for spec in recipe.callbacks if spec.name == name)
    return found


def test_every_override_of_the_page_does_what_it_says(registry: Registry) -> None:
    told = [CODE.findall(row[0])[0] for row in cells("reference/recipes.md", "`ema=`")]
    assert told == list(CHANGES)
    for argument, is_so in CHANGES.items():
        before = ["ema.decay=0.99"] if argument == "ema=" else []
        assert not is_so(smoke(registry, *before)), argument
        assert is_so(smoke(registry, *before, argument)), argument


def test_every_loss_of_the_papers_has_its_name(registry: Registry) -> None:
    told = CODE.findall(next(cells("protocol.md", "n_critic = 5"))[1])
    assert {told[0][len("loss: {use: ") : -1], *told[1:]} == {
        component.name for component in registry.components("loss")
    }


@pytest.mark.parametrize("page", ["protocol.md", "porting.md"])
def test_every_part_of_a_recipe_in_a_table_is_valid(page: str, registry: Registry) -> None:
    found = 0
    for row in (row for rows in tables(page) for row in rows):
        for text in CODE.findall(row[1]):
            if re.match(r"(loss|game|regularizers|latent|ema|seed): ", text):
                with_part(text, registry)
                found += 1
    assert found >= 3


def test_the_phases_are_those_of_the_page(registry: Registry) -> None:
    recipe = smoke(registry, "game.d_steps=2", "regularizers=[{use: r1}]")
    trainer = build.prepare(recipe, device=torch.device("cpu")).trainer
    told = list(cells("protocol.md", "`discriminator`"))
    assert len(trainer.phases) == len(told)
    for phase, (name, learns, terms, repeats, draws) in zip(trainer.phases, told, strict=True):
        assert f"`{phase.name}`" == name
        assert [f"`{network}`" for network in phase.learns] == [learns]
        assert [term.name for term in phase.terms] == CODE.findall(terms)
        assert str(phase.repeats) == repeats
        assert {True: "yes", False: "no"}[phase.draws_batch] == draws
    assert trainer.phases[0].terms[1].weight == 10  # "and `r1` with weight 10"


def test_the_steps_of_an_epoch_are_those_of_the_page(registry: Registry) -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert "937 steps an epoch, or 187.4 with `d_steps: 5`" in page
    overrides = ["dataset.split=train", "train.batch_size=64", "generator.channels=2"]
    for d_steps, steps in ((1, 937), (5, 187.4)):
        recipe = smoke(registry, *overrides, f"game.d_steps={d_steps}")
        trainer = build.prepare(recipe, device=torch.device("cpu")).trainer
        assert isinstance(trainer.feed, ResidentFeed)
        assert trainer.feed.batches_per_epoch == 937
        assert float(trainer.steps_per_epoch) == pytest.approx(steps)


def test_what_is_recorded_has_the_names_of_the_page(registry: Registry) -> None:
    recipe = smoke(registry, "regularizers=[{use: r1, weight: 3}]", "train.batch_size=4")
    values = build.prepare(recipe, device=torch.device("cpu")).trainer.step()
    assert {"discriminator/belief_real", "discriminator/belief_fake", "generator/loss"} <= set(
        values
    )
    objective = values["discriminator/adversarial"] + 3 * values["discriminator/r1"]
    torch.testing.assert_close(values["discriminator/loss"], objective)


def test_the_recipe_of_the_reference_is_the_shipped_one(registry: Registry) -> None:
    pytest.importorskip("mkdocs")
    import generate

    assert (ROOT / "recipes" / "smoke.yaml").read_text().strip() in generate.PARTS["recipe smoke"]()
