"""Recipes as a JSON Schema, made from what is installed: editors complete and mark mistakes by it.

It says as much of what :mod:`ganforge.recipe.check` says as a schema can. Which networks a recipe
has depends on its game, and a component's options on its ``use``: both are ``if``/``then`` rules,
by which the YAML language server completes options too.

It is of draft 7: servers before 1.20 read no newer one, and nothing here needs a newer keyword.
A server uses nothing of a schema that breaks a rule for schemas, so no ``enum`` in it is empty;
Python's ``jsonschema`` would let that pass. ``enumDescriptions`` is a word of the editors' own,
which validators pass over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from ganforge.errors import PluginError
from ganforge.explain import documented
from ganforge.options import RESERVED, read_signature
from ganforge.recipe.option_schema import NOTHING, Schema, describe, options_schema
from ganforge.recipe.schema import (
    DEFAULT_GAME,
    EmaBlock,
    Head,
    LatentBlock,
    TermSettings,
    TrainBlock,
)
from ganforge.registry import Component, Registry

DRAFT = "http://json-schema.org/draft-07/schema#"
NULL: Schema = {"type": "null"}

_SECTIONS = re.compile(
    r"^(Args|Attributes|Raises|Returns|Yields):\n(?:[ \t].*\n?|\n)*", re.MULTILINE
)


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
        head = options_schema(Head)
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
                "latent": options_schema(LatentBlock),
                "game": {"anyOf": [game, NULL]},
                **dict.fromkeys(networks, True),
                "loss": self.kind("loss"),
                "regularizers": self.listed("regularizer"),
                "augmentations": self.listed("augmentation"),
                "optimizer": {"type": "object"},
                "schedule": {"type": ["object", "null"]},
                "ema": {"anyOf": [options_schema(EmaBlock), NULL]},
                "train": _train(),
                "callbacks": self.listed("callback"),
            },
            "required": [*head["required"], "dataset", "loss", "optimizer", "train"],
            "additionalProperties": False,
            **({"allOf": rules} if rules else NOTHING),
            "definitions": dict(sorted(self.definitions.items())),
        }

    def rule(self, game: str, kinds: Mapping[str, str], networks: list[str]) -> Schema:
        """What follows from a game: its networks, and an optimizer for each."""
        names = self.spellings("game", game)
        named: Schema = {
            "type": "object",
            "properties": {"use": {"enum": names}},
            "required": ["use"],
        }
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
        return {"$ref": _place(kind)}

    def one_of(self, kind: str, default: str | None) -> Schema:
        """Any component of a kind; ``default`` is the one that needs no ``use``."""
        uses: dict[str, str] = {}
        rules: list[Schema] = []
        for component in sorted(self.registry.components(kind), key=self.registry.name_of):
            name = self.registry.name_of(component)
            definition = self.component(component)
            if definition is None:
                continue
            self.definitions[f"{kind}.{name}"] = definition
            names = self.spellings(kind, name)
            uses |= dict.fromkeys(names, component.summary)
            condition: Schema = {"properties": {"use": {"enum": names}}}
            if default not in names:
                condition["required"] = ["use"]
            rules.append({"if": condition, "then": {"$ref": _place(f"{kind}.{name}")}})
        if not rules:
            return {"description": f"No plugin provides a {kind}.", **NOTHING}
        use = {"enum": sorted(uses), "enumDescriptions": [uses[name] for name in sorted(uses)]}
        schema: Schema = {"type": "object", "properties": {"use": use}, "allOf": rules}
        return schema if default is not None else {**schema, "required": ["use"]}

    def spellings(self, kind: str, name: str) -> list[str]:
        """The names by which a component is found: the shortest one first."""
        component = self.registry.find(kind, name)
        return list(dict.fromkeys([name, f"{component.plugin.name}:{component.name}"]))

    def component(self, component: Component) -> Schema | None:
        """A component's options; None if it cannot be read."""
        try:
            return self.options(component)
        except Exception as error:  # noqa: BLE001  # annotations are a plugin's own code
            reason = str(error).partition("\n")[0] or type(error).__name__
            named = "" if reason.startswith(str(component)) else f"{component}: "
            self.tell(f"left out: {named}{reason}")
            return None

    def options(self, component: Component) -> Schema:
        """What may stand beside ``use``."""
        target = component.load()
        name = self.registry.name_of(component)
        signature = read_signature(target, component.kind)
        for nested in signature.nested.values():
            self.kind(nested.kind)  # the schema of the option refers to it
        model = signature.model
        schema = options_schema(model, _place(f"{component.kind}.{name}"))
        documentation = documented(target)
        describe(schema, documentation)
        if component.kind == "game":
            networks = getattr(target, "networks", None)
            if not isinstance(networks, Mapping):
                raise PluginError("its class does not say which networks it has")
            self.games[name] = networks
        told = [component.summary, _SECTIONS.sub("", documentation).strip()]
        properties: Schema = {"use": True, **schema["properties"], **_framework(component.kind)}
        return {**schema, "description": "\n\n".join(filter(None, told)), "properties": properties}


def _framework(kind: str) -> Schema:
    """The keys beside ``use`` that a recipe gives to the framework."""
    if kind == "regularizer":
        properties: Schema = options_schema(TermSettings)["properties"]
        return properties
    return {name: {"type": "boolean"} for name in sorted(RESERVED.get(kind, ()))}


def _train() -> Schema:
    """Exactly one of ``epochs`` and ``steps``; null says nothing."""
    given = [
        {"required": [name], "properties": {name: {"type": "number"}}}
        for name in ("epochs", "steps")
    ]
    return {**options_schema(TrainBlock), "oneOf": given}


def _place(definition: str) -> str:
    """Where a definition stands, as a JSON pointer in a URI's fragment."""
    return f"#/definitions/{quote(definition.replace('~', '~0').replace('/', '~1'), safe=':~')}"
