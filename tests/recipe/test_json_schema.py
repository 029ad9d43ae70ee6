"""The JSON Schema says of a recipe what the checker says, as far as a schema can."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field

from ganforge import hookimpl
from ganforge.errors import GanforgeError
from ganforge.options import read_signature
from ganforge.plugins import add_named, load_registry
from ganforge.recipe.check import check
from ganforge.recipe.json_schema import recipe_schema
from ganforge.recipe.reader import read_file, read_text
from ganforge.recipe.shipped import folder
from ganforge.registry import Component, Registry
from ganforge.selection import Selection

CORPUS = Path(__file__).parents[1] / "recipes_broken"
OWN = load_registry(selection=Selection(only=()))
RECIPES = sorted(folder().glob("*.yaml"))

BEYOND_A_SCHEMA = {
    "plugins_file_missing": "files are not looked for",
    "plugins_folder": "files are not looked for",
    "plugins_hyphen": "files are not looked for",
    "plugins_module_missing": "modules are not looked for",
    "plugins_name_clash": "what is installed under that name is not known",
    "plugins_no_dot_py": "files are not looked for",
    "plugins_not_python": "files are not looked for",
    "plugins_nothing": "files are not looked into",
    "requires_bad_version": "a string is a string",
    "requires_malformed": "a string is a string",
    "requires_missing": "what is installed is not known",
    "requires_url": "a string is a string",
    "requires_version": "what is installed is not known",
    "value_micro_batches": "two numbers are not compared",
    "version_float": "1.0 is the integer 1 to JSON Schema",
    "yaml11_float_for_int": "2.0 is the integer 2 to JSON Schema",
    "yaml11_nan": "JSON has no NaN, so no rule about it",
}
"""Recipes of the corpus that only the checker can refuse, and why."""

GOOD = """
version: 1
name: x
dataset: {use: mnist}
generator: {use: dcgan}
discriminator: {use: dcgan}
loss: {use: hinge}
optimizer: {generator: {use: adam}, discriminator: {use: adam}}
train: {steps: 10}
"""

VARIANTS = [
    "game: null",
    "game: {d_steps: 5}",
    "game: {use: two_player, discriminator_batch: joint}",
    "game: {use: 'games:two_player'}",
    "regularizers: null",
    "regularizers: [{use: r1, weight: 2, every: 16}, {use: gradient_penalty, weight: 0}]",
    "callbacks: null",
    "callbacks: [{use: metrics, enabled: false}, {use: checkpoint, every: 3 epochs}]",
    "callbacks: [{use: sample_grid, every: 100, at_epochs: [1, 2]}]",
    "schedule: null",
    "schedule: {generator: null}",
    "ema: null",
    "ema: {}",
    "ema: {decay: 0}",
    "latent: {}",
    "latent: {dim: 1, distribution: uniform}",
    "seed: 9223372036854775807",
    "description: a line\nexpected_time: 1 min\nrequires: []\nplugins: []",
    "description: null",
]


@cache
def validator() -> jsonschema.Draft7Validator:
    return made(OWN)


def made(registry: Registry) -> jsonschema.Draft7Validator:
    def no_line(line: str) -> None:
        pytest.fail(line)

    schema = recipe_schema(registry, no_line)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def complaints(recipe: Any, schema: jsonschema.Draft7Validator | None = None) -> list[str]:
    return [error.message for error in (schema or validator()).iter_errors(recipe)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_accepted_as_written_and_as_resolved(path: Path) -> None:
    document = read_file(path)
    assert complaints(document.value) == []
    assert complaints(check(document, OWN).plain()) == []
    named = [line for line in path.read_text().splitlines() if "yaml-language-server" in line]
    assert named == ["# yaml-language-server: $schema=recipe.schema.json"]


def test_the_schema_beside_the_recipes_is_up_to_date() -> None:
    """Made with:  GANFORGE_LOAD_PLUGINS= ganforge schema --out recipes/recipe.schema.json"""
    kept = json.loads((folder() / "recipe.schema.json").read_text(encoding="utf-8"))
    assert kept == recipe_schema(OWN, print)


@pytest.mark.parametrize("text", VARIANTS)
def test_what_the_checker_accepts_is_accepted(text: str) -> None:
    key = text.partition(":")[0]
    whole = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{key}:"))
    document = read_text(f"{whole}\n{text}\n", name="x.yaml")
    value = copy.deepcopy(document.value)  # the checker writes defaults into its own
    check(document, OWN)
    assert complaints(value) == []


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.yaml")), ids=lambda path: path.stem)
def test_broken_recipes_are_refused_where_a_schema_can(path: Path) -> None:
    try:
        value = read_file(path).value
    except GanforgeError:
        return  # no YAML that a recipe may be: there is nothing to give to a schema
    accepted = not complaints(value, with_plugins(path, value.get("plugins")))
    assert accepted == (path.stem in BEYOND_A_SCHEMA)


def with_plugins(recipe: Path, named: Any) -> jsonschema.Draft7Validator:
    """The schema with the plugins that a recipe names, where they can be loaded."""
    if not isinstance(named, list):
        return validator()
    return of_plugins(recipe.parent, tuple(map(str, named)))


@cache
def of_plugins(beside: Path, named: tuple[str, ...]) -> jsonschema.Draft7Validator:
    registry = Registry(list(OWN.plugins))
    for name in named:
        try:
            add_named(registry, name, folder=beside)
        except GanforgeError:
            continue
    return jsonschema.Draft7Validator(recipe_schema(registry, lambda _line: None))


@pytest.mark.parametrize("component", list(OWN.components()), ids=lambda c: f"{c.kind}-{c.name}")
def test_every_option_and_its_default_is_known(component: Component) -> None:
    model = read_signature(component.load(), component.kind).model
    schema = validator().schema["definitions"][f"{component.kind}.{component.name}"]
    rules = {**schema, "definitions": validator().schema["definitions"]}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert schema.get("required", []) == required
    defaults = {
        name: json.loads(model.model_construct().model_dump_json())[name]
        for name in model.model_fields
        if name not in required
    }
    found = complaints({"use": component.name, **defaults}, jsonschema.Draft7Validator(rules))
    assert found == [f"'{name}' is a required property" for name in required]
    assert complaints({"use": component.name, "nonsense": 1}, jsonschema.Draft7Validator(rules))


class Block(BaseModel):
    width: Annotated[int, Field(gt=0)]
    title: Literal["a", "b"] = "a"


class Nested:
    """A penalty.

    Args:
        blocks: What it is made of.
        pair: Two numbers.
    """

    def __init__(
        self, *, blocks: list[Block], pair: tuple[int, float] = (1, 2.0), size: int | None = None
    ) -> None: ...


class Broken:
    def __init__(self, **options: int) -> None: ...


def strangers() -> Registry:
    module = ModuleType("stranger")

    @hookimpl
    def register_regularizers(register):  # type: ignore[no-untyped-def]
        register("nested", Nested, summary="nested options")
        register("broken", Broken)

    module.register_regularizers = register_regularizers  # type: ignore[attr-defined]
    return load_registry([module], selection=Selection(only=()))


@pytest.mark.parametrize(
    ("options", "good"),
    [
        ({"blocks": []}, True),
        ({"blocks": [{"width": 1, "title": "b"}], "pair": [3, 0.5], "size": None}, True),
        ({}, False),
        ({"blocks": [{"width": 0}]}, False),
        ({"blocks": [{"width": 1, "title": "c"}]}, False),
        ({"blocks": [{"width": 1, "wdth": 1}]}, False),
        ({"blocks": [], "pair": [1]}, False),
        ({"blocks": [], "pair": [1, 2.0, 3]}, False),
        ({"blocks": [], "pair": [0.5, 2.0]}, False),
        ({"blocks": [], "size": "x"}, False),
    ],
)
def test_nested_options_of_a_strangers_plugin(options: dict[str, Any], good: bool) -> None:
    told: list[str] = []
    schema = jsonschema.Draft7Validator(recipe_schema(strangers(), told.append))
    (line,) = told
    assert line.startswith("left out: regularizer 'broken' of plugin 'stranger'")
    rule = schema.schema["definitions"]["regularizer.nested"]
    assert rule["description"] == "nested options\n\nA penalty."
    assert rule["properties"]["pair"]["description"] == "Two numbers."
    recipe = read_text(GOOD, name="x.yaml").value
    recipe["regularizers"] = [{"use": "nested", "weight": 1, **options}]
    assert (complaints(recipe, schema) == []) == good
