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
class OptionProblem:
    """What is wrong with one option: where below the component, and in which words.

    Args:
        path: Of the option, from the component.
        message: What is wrong.
        hint: What to do.
        name_is_wrong: The fault is the option's name, not its value.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None
    name_is_wrong: bool = False


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
        instance = model.model_validate_json(json.dumps(known), strict=True)
    except pydantic.ValidationError as error:
        return {}, problems + _problems(error, known, model)
    return {name: getattr(instance, name) for name in model.model_fields}, problems


def _problems(
    error: pydantic.ValidationError, values: Mapping[str, Any], model: type[pydantic.BaseModel]
) -> list[OptionProblem]:
    """pydantic's findings in our words; the branches of a union become one sentence."""
    messages: dict[tuple[str | int, ...], list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _existing(detail["loc"], values)
        text = _in_yaml_words(detail, model)
        if detail["type"] == "missing":
            path = tuple(detail["loc"])
            text = f"missing option '{path[-1]}'"
            if isinstance(path[-1], int):
                text = f"{path[-2]}: item {path[-1] + 1} is missing"
        if text not in messages.setdefault(path, []):
            messages[path].append(text)
    return [OptionProblem(path, _sentence(path, texts, values)) for path, texts in messages.items()]


def _in_yaml_words(detail: Mapping[str, Any], model: type[pydantic.BaseModel]) -> str:
    """pydantic speaks of arrays and objects, and shows patterns where a field may say it better."""
    text = str(detail["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    for word, ours in (("a valid array", "a list"), ("an object", "a mapping")):
        text = text.replace(word, ours)
    if detail["type"] == "string_pattern_mismatch":
        field = model.model_fields.get(str(detail["loc"][0]))
        words = field.description if field and len(detail["loc"]) == 1 else None
        text = f"should be {words}" if words else f"should match {detail['ctx']['pattern']}"
    return text


def _existing(loc: tuple[int | str, ...], values: Any) -> tuple[int | str, ...]:
    """The part of a location that the recipe has: pydantic appends names of union branches."""
    path: list[int | str] = []
    for part in loc:
        if (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        ):
            values = values[part]  # type: ignore[index]
        else:
            break
        path.append(part)
    return tuple(path)


def _is_in(path: tuple[int | str, ...], values: Any) -> bool:
    return _existing(path, values) == path


def _sentence(path: tuple[int | str, ...], texts: list[str], values: Any) -> str:
    if not path or not _is_in(path, values):
        return " or ".join(texts)
    for part in path:
        values = values[part]
    got = "" if isinstance(values, Mapping | list) else f", not {json.dumps(values)}"
    return f"{'.'.join(map(str, path))}: {' or '.join(texts)}{got}"


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
