"""A component's options: its constructor's keyword arguments, validated by their annotations."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pydantic

from ganforge.errors import PluginError, choices_text
from ganforge.optionproblems import OptionProblem, problems_of

INJECTED: Mapping[str, frozenset[str]] = {
    "generator": frozenset({"image_shape", "latent_dim", "num_classes"}),
    "discriminator": frozenset({"image_shape", "num_classes"}),
    "game": frozenset({"loss", "regularizers"}),
    "optimizer": frozenset({"params"}),
    "schedule": frozenset({"optimizer", "total_steps"}),
}
"""Arguments that the framework supplies, by kind; they are illegal in a recipe."""

RESERVED: Mapping[str, frozenset[str]] = {
    "regularizer": frozenset({"weight", "every"}),
    "callback": frozenset({"enabled"}),
}
"""Keys beside ``use`` that a recipe gives to the framework, by kind: no names for options."""


@dataclass(frozen=True)
class Signature:
    """What a component's constructor takes.

    Args:
        kind: The component's kind.
        model: The options as a pydantic model; its fields carry types, bounds and defaults.
        injected: Names that the constructor asks the framework for.
    """

    kind: str
    model: type[pydantic.BaseModel]
    injected: frozenset[str]

    def check(self, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[OptionProblem]]:
        """Validate options as YAML gives them.

        Returns:
            The constructor's keyword arguments, defaults filled in, and the problems found.
        """
        supplied = [name for name in options if name in INJECTED.get(self.kind, ())]
        rest = {name: value for name, value in options.items() if name not in supplied}
        values, problems = validated(self.model, rest)
        return values, problems + [
            OptionProblem(
                (name,),
                f"'{name}' is supplied by ganforge and cannot be set",
                "Remove it.",
                name_is_wrong=True,
            )
            for name in supplied
        ]


def validated(
    model: type[pydantic.BaseModel], values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[OptionProblem]]:
    """Validate plain YAML values: strictly, so that ``"3"`` or ``true`` is no number.

    Validation goes through JSON, whose strict mode takes a list for a tuple and a string for a
    path or an enum, as YAML has no other way to write them.
    """
    known = {name: value for name, value in values.items() if name in model.model_fields}
    problems = [
        OptionProblem(
            (name,),
            f"unknown option '{name}'",
            choices_text(name, model.model_fields),
            name_is_wrong=True,
        )
        for name in values
        if name not in known
    ]
    try:
        # Nested models refuse unknown names too, whatever they say themselves.
        instance = model.model_validate_json(json.dumps(known), strict=True, extra="forbid")
    except pydantic.ValidationError as error:
        return {}, problems + problems_of(error, known, model)
    return {name: getattr(instance, name) for name in model.model_fields}, problems


@cache
def read_signature(target: Callable[..., Any], kind: str) -> Signature:
    """Read what a component's constructor takes.

    Raises:
        PluginError: The constructor has ``*args`` or ``**kwargs``, an argument without a type, or
            one that has the name of a recipe's own keys.
    """
    name = getattr(target, "__qualname__", repr(target))
    function = target.__init__ if inspect.isclass(target) else target
    hints = _type_hints(function, name)
    injected = INJECTED.get(kind, frozenset())
    fields: dict[str, Any] = {}
    asked: set[str] = set()
    for parameter in _parameters(function, is_class=inspect.isclass(target)):
        if parameter.name in injected:
            asked.add(parameter.name)
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(
                f"{name}: the constructor takes *{parameter.name}, so its options are unknown",
                hint="Name every option in the signature.",
            )
        if parameter.name not in hints:
            raise PluginError(f"{name}: the option '{parameter.name}' has no type annotation")
        if parameter.name == "use" or parameter.name in RESERVED.get(kind, ()):
            raise PluginError(
                f"{name}: the option '{parameter.name}' has the name of a key that ganforge reads",
                hint="Give the option another name.",
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    config = pydantic.ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )
    model = pydantic.create_model(name, __config__=config, **fields)
    return Signature(kind, model, frozenset(asked))


def _type_hints(function: Any, name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise PluginError(f"{name}: its annotations cannot be read: {error!r}") from error


def _parameters(function: Any, *, is_class: bool) -> list[inspect.Parameter]:
    if function is object.__init__:
        return []
    parameters = list(inspect.signature(function).parameters.values())
    return parameters[1:] if is_class else parameters
