"""Recipes as a JSON Schema, made from what is installed: editors complete and mark mistakes by it.

It is of draft 7, which the YAML language server reads best, and says as much of what
:mod:`ganforge.recipe.check` says as a schema can. Which networks a recipe has depends on its game,
and a component's options on its ``use``: both are ``if``/``then`` rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pydantic

from ganforge.errors import PluginError
from ganforge.explain import described_options, documented
from ganforge.options import RESERVED, read_signature
from ganforge.recipe.schema import (
    DEFAULT_GAME,
    EmaBlock,
    Head,
    LatentBlock,
    TermSettings,
    TrainBlock,
)
from ganforge.registry import Component, Registry

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
NULL: Schema = {"type": "null"}


def recipe_schema(registry: Registry, tell: Callable[[str], None]) -> Schema:
    """The schema of every recipe that can be written with what is installed.

    Args:
        registry: What is installed.
        tell: Is given a line for each component that cannot be read, and so is left out.
    """
    return _Maker(registry, tell).recipe()


class _Maker:
    """Collects definitions; every component has one, by its kind and its name."""

    def __init__(self, registry: Registry, tell: Callable[[str], None]) -> None:
        self.registry = registry
        self.tell = tell
        self.definitions: dict[str, Schema] = {}
        self.made: dict[str, bool] = {}
        self.games: dict[str, Mapping[str, str]] = {}

    def recipe(self) -> Schema:
        head = _model(Head)
        game = self.kind("game", default=DEFAULT_GAME)
        networks = sorted({name for kinds in self.games.values() for name in kinds})
        rules = [self.rule(name, kinds, networks) for name, kinds in self.games.items()]
        return {
            "$schema": DRAFT,
            "title": "ganforge recipe",
            "type": "object",
            "properties": {
                **head["properties"],
                "dataset": self.kind("dataset"),
                "latent": _model(LatentBlock),
                "game": {"anyOf": [game, NULL]},
                **dict.fromkeys(networks, True),
                "loss": self.kind("loss"),
                "regularizers": self.listed("regularizer"),
                "optimizer": {"type": "object"},
                "schedule": {"type": ["object", "null"]},
                "ema": {"anyOf": [_model(EmaBlock), NULL]},
                "train": _train(),
                "callbacks": self.listed("callback"),
            },
            "required": [*head["required"], "dataset", "loss", "optimizer", "train"],
            "additionalProperties": False,
            "allOf": rules,
            "definitions": dict(sorted(self.definitions.items())),
        }

    def rule(self, game: str, kinds: Mapping[str, str], networks: list[str]) -> Schema:
        """What follows from a game: its networks, and an optimizer for each."""
        names = self.spellings("game", game)
        named: Schema = {"properties": {"use": {"enum": names}}, "required": ["use"]}
        condition: Schema = {"properties": {"game": named}, "required": ["game"]}
        if DEFAULT_GAME in names:
            unnamed: Schema = {"type": "object", "not": {"required": ["use"]}}
            condition = {"properties": {"game": {"anyOf": [named, unnamed, NULL]}}}
        optimizers = {name: self.kind("optimizer") for name in kinds}
        schedules = {name: {"anyOf": [self.kind("schedule"), NULL]} for name in kinds}
        return {
            "if": condition,
            "then": {
                "properties": {
                    **{name: False for name in networks if name not in kinds},
                    **{name: self.kind(kind) for name, kind in kinds.items()},
                    "optimizer": {
                        "properties": optimizers,
                        "required": list(kinds),
                        "additionalProperties": False,
                    },
                    "schedule": {"properties": schedules, "additionalProperties": False},
                },
                "required": list(kinds),
            },
        }

    def listed(self, kind: str) -> Schema:
        return {"anyOf": [{"type": "array", "items": self.kind(kind)}, NULL]}

    def kind(self, kind: str, *, default: str | None = None) -> Schema:
        """A reference to what a component of a kind may be."""
        if kind not in self.made:
            self.made[kind] = True
            self.definitions[kind] = self.one_of(kind, default)
        return {"$ref": f"#/definitions/{kind}"}

    def one_of(self, kind: str, default: str | None) -> Schema:
        """Any component of a kind; ``default`` is the one that needs no ``use``."""
        uses: list[str] = []
        rules: list[Schema] = []
        for component in self.registry.components(kind):
            name = self.registry.name_of(component)
            definition = self.component(component)
            if definition is None:
                continue
            self.definitions[f"{kind}.{name}"] = definition
            names = self.spellings(kind, name)
            uses += names
            condition: Schema = {"properties": {"use": {"enum": names}}}
            if default not in names:
                condition["required"] = ["use"]
            reference = {"$ref": f"#/definitions/{kind}.{name}"}
            rules.append({"if": condition, "then": reference})
        schema: Schema = {"type": "object", "properties": {"use": {"enum": sorted(uses)}}}
        if default is None:
            schema["required"] = ["use"]
        return {**schema, "allOf": rules} if rules else {**schema, "not": {}}

    def spellings(self, kind: str, name: str) -> list[str]:
        """The names by which a component is found: the shortest one first."""
        component = self.registry.find(kind, name)
        return list(dict.fromkeys([name, f"{component.plugin.name}:{component.name}"]))

    def component(self, component: Component) -> Schema | None:
        """A component's options; None if it cannot be read."""
        try:
            target = component.load()
            model = read_signature(target, component.kind).model
            schema = _model(model)
        except (PluginError, pydantic.PydanticUserError) as error:
            self.tell(f"left out: {component}: {str(error).splitlines()[0]}")
            return None
        if component.kind == "game":
            self.games[self.registry.name_of(component)] = target.networks
        documentation = documented(target)
        for name, text in described_options(documentation).items():
            if name in schema["properties"]:
                schema["properties"][name].setdefault("description", text)
        summary = component.summary or documentation.partition("\n\n")[0]
        properties: Schema = {"use": True, **schema["properties"], **_framework(component.kind)}
        required = {"required": schema["required"]} if schema["required"] else {}
        return {"description": summary, "properties": properties, **required,
                "additionalProperties": False}  # fmt: skip


def _framework(kind: str) -> Schema:
    """The keys beside ``use`` that a recipe gives to the framework."""
    if kind == "regularizer":
        properties: Schema = _model(TermSettings)["properties"]
        return properties
    return {name: {"type": "boolean"} for name in sorted(RESERVED.get(kind, ()))}


def _train() -> Schema:
    """Exactly one of ``epochs`` and ``steps``; null says nothing."""
    given = [
        {"required": [name], "properties": {name: {"type": "number"}}}
        for name in ("epochs", "steps")
    ]
    return {**_model(TrainBlock), "oneOf": given}


def _model(model: type[pydantic.BaseModel]) -> Schema:
    """pydantic's schema of a model, in draft 7, with nothing but what the model names allowed."""
    schema = model.model_json_schema(mode="validation")
    nested = schema.pop("$defs", {})
    plain: Schema = _converted(schema, nested)
    described = described_options(documented(model))
    for name, text in described.items():
        if name in plain.get("properties", {}):
            plain["properties"][name].setdefault("description", text)
    return {
        "type": "object",
        "properties": plain.get("properties", {}),
        "required": plain.get("required", []),
        "additionalProperties": False,
    }


def _converted(value: Any, nested: Mapping[str, Any]) -> Any:
    """Draft 2020-12 to draft 7: tuples have a list of items, references are written out."""
    if isinstance(value, list):
        return [_converted(item, nested) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        definition = nested[value["$ref"].rpartition("/")[2]]
        rest = {key: item for key, item in value.items() if key != "$ref"}
        return _converted({**definition, **rest}, nested)
    converted = {key: _converted(item, nested) for key, item in value.items() if key != "title"}
    if isinstance(value.get("properties"), dict):  # an option may be called 'title'
        converted["properties"] = {
            key: _converted(item, nested) for key, item in value["properties"].items()
        }
        converted.setdefault("additionalProperties", False)
    if "prefixItems" in converted:
        converted["items"] = converted.pop("prefixItems")
    return converted
