"""A component's options: its constructor's keyword arguments, validated by their annotations."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pydantic
import pydantic_core

from ganforge.errors import PluginError, choices_text
from ganforge.nested import Nested, nested, written_type
from ganforge.optionproblems import OptionProblem, problems_of

INJECTED: Mapping[str, frozenset[str]] = {
    "generator": frozenset({"image_shape", "latent_dim", "num_classes", "source_shape"}),
    "discriminator": frozenset(
        {"image_shape", "latent_dim", "code_dim", "num_classes", "source_shape"}
    ),
    "encoder": frozenset({"image_shape", "latent_dim", "code_dim", "num_classes"}),
    "game": frozenset({"loss", "regularizers", "augmentations"}),
    "optimizer": frozenset({"params"}),
    "schedule": frozenset({"optimizer", "total_steps"}),
}
"""Arguments that the framework supplies, by kind; they are illegal in a recipe."""

_SET_ELSEWHERE: Mapping[str, str] = {
    "image_shape": "Remove it; the data set decides it.",
    "num_classes": "Remove it; the data set decides it.",
    "source_shape": "Remove it; the source of the data set decides it.",
    "latent_dim": "Remove it; write 'latent: {dim: NUMBER}' in the recipe.",
    "code_dim": "Remove it; write 'latent: {categorical: [NUMBER], continuous: NUMBER}'.",
    "loss": "Remove it; 'loss' is a key of the recipe itself.",
    "regularizers": "Remove it; 'regularizers' is a key of the recipe itself.",
    "augmentations": "Remove it; 'augmentations' is a key of the recipe itself.",
    "total_steps": "Remove it; 'train' says how long a run is.",
}
"""Where a recipe decides what the framework supplies."""

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
        nested: Options that are components themselves, or lists of them.
    """

    kind: str
    model: type[pydantic.BaseModel]
    injected: frozenset[str]
    nested: Mapping[str, Nested] = dataclasses.field(default_factory=dict)

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
                _SET_ELSEWHERE.get(name, "Remove it."),
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
            choices_text(name, model.model_fields) if model.model_fields else "It has no options.",
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
    inside: dict[str, Nested] = {}
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
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise PluginError(
                f"{name}: the option '{parameter.name}' can only be given by its position",
                hint="Take the '/' out of the signature; best start it with '*'.",
            )
        if parameter.name.startswith("_") or hasattr(pydantic.BaseModel, parameter.name):
            raise PluginError(
                f"{name}: the option '{parameter.name}' has a name that pydantic keeps for itself",
                hint="Give the option another name.",
            )
        if parameter.name == "use" or parameter.name in RESERVED.get(kind, ()):
            raise PluginError(
                f"{name}: the option '{parameter.name}' has the name of a key that ganforge reads",
                hint="Give the option another name.",
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        hint = hints[parameter.name]
        if (inner := nested(hint)) is not None:
            inside[parameter.name] = inner
            hint = written_type(inner) if default is ... else written_type(inner) | None
        fields[parameter.name] = (hint, default)
    config = pydantic.ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )
    model = pydantic.create_model(name, __config__=config, **fields)
    _check_defaults(model, name)
    return Signature(kind, model, frozenset(asked), inside)


def _check_defaults(model: type[pydantic.BaseModel], name: str) -> None:
    """The recipe of a run has every default written out, and must be read again."""
    for option, field in model.model_fields.items():
        if field.is_required():
            continue
        default = field.get_default(call_default_factory=True)
        try:
            made = model.model_construct(**{option: default})
            written = made.model_dump(mode="json", include={option}, warnings=False)
            problems = validated(model, written)[1]
        except (pydantic_core.PydanticSerializationError, TypeError, ValueError):
            problems = [OptionProblem((option,), f"{option}: YAML has no {type(default).__name__}")]
        found = [problem.message for problem in problems if problem.path[:1] == (option,)]
        if found and not found[0].startswith("missing"):
            raise PluginError(
                f"{name}: no recipe can write the default of '{option}': {found[0]}",
                hint="Let the annotation allow the default; for an object take its name, as text.",
            )


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
