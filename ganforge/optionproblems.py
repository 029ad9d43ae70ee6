"""What pydantic finds wrong with options, in the words of a recipe."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic

from ganforge.errors import choices_text

Path = tuple[str | int, ...]

_SUBJECT = re.compile("^(Input|String|List|Tuple|Set|Dictionary|Value error,) ")
_WORDS = {
    "a valid array": "a list",
    "an object": "a mapping",
    "a valid boolean": "true or false",
    " after validation": "",
}
_LONGEST = 60


@dataclass(frozen=True)
class OptionProblem:
    """What is wrong with one option: where below the component, and in which words.

    Args:
        path: Of the option, from the component.
        message: What is wrong.
        hint: What to do.
        name_is_wrong: The fault is the option's name, not its value.
    """

    path: Path
    message: str
    hint: str | None = None
    name_is_wrong: bool = False


def problems_of(
    error: pydantic.ValidationError, values: Mapping[str, Any], model: type[pydantic.BaseModel]
) -> list[OptionProblem]:
    """pydantic's findings in our words; the branches of a union become one sentence."""
    named: list[OptionProblem] = []
    messages: dict[Path, list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _existing(detail["loc"], values)
        if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
            path = (*path, detail["ctx"]["discriminator"].strip("'"))
        if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            named.append(_unknown(path, model))
            continue
        text = _in_yaml_words(detail, model)
        if detail["loc"][-1:] == ("[key]",) and detail["type"] == "literal_error":
            told = f"'{_dotted(path[:-1])}' has no '{path[-1]}'"
            hint = f"It takes {detail['ctx']['expected']}."
            named.append(OptionProblem(path, told, hint, name_is_wrong=True))
            continue
        if detail["type"] == "missing":
            missing = detail["loc"][-1]
            place = (*path, missing)
            text = f"missing option '{_dotted(place)}'"
            if isinstance(missing, int):
                text = f"{_dotted(path)}: item {missing + 1} is missing"
            path = place
        if text not in messages.setdefault(path, []):
            messages[path].append(text)
    return named + [
        OptionProblem(path, _sentence(path, texts, values)) for path, texts in messages.items()
    ]


def _unknown(path: Path, model: type[pydantic.BaseModel]) -> OptionProblem:
    """A name that a nested mapping does not have."""
    # Of the shapes of a union, one that has the name is not the one that refuses it.
    shapes = [list(_fields(shape)) for shape in _at(model, path[:-1])]
    choices = {name for shape in shapes if path[-1] not in shape for name in shape}
    hint = choices_text(str(path[-1]), choices) if choices else None
    return OptionProblem(path, f"unknown option '{_dotted(path)}'", hint, name_is_wrong=True)


def _at(annotation: Any, path: Path) -> list[Any]:
    """The types that a value at a path may have, by the annotations on the way."""
    found = _branches(annotation)
    for part in path:
        found = [
            branch
            for outer in found
            for inner in _inside(outer, part)
            for branch in _branches(inner)
        ]
    return found


def _branches(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is Annotated:
        return _branches(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (list, tuple, dict, Mapping):
        return [annotation]
    arguments = typing.get_args(annotation)
    return [b for each in arguments for b in _branches(each)] if arguments else [annotation]


def _inside(annotation: Any, part: str | int) -> list[Any]:
    arguments = typing.get_args(annotation)
    if isinstance(part, int):
        return [arguments[min(part, len(arguments) - 1)]] if arguments else []
    if typing.get_origin(annotation) in (dict, Mapping):
        return [arguments[1]]
    return [annotation_ for name, annotation_ in _fields(annotation).items() if name == part]


def _fields(annotation: Any) -> dict[str, Any]:
    """The names and types of a nested model or dataclass."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return {name: field.annotation for name, field in annotation.model_fields.items()}
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return {field.name: hints[field.name] for field in dataclasses.fields(annotation)}
    return {}


def _in_yaml_words(detail: Any, model: type[pydantic.BaseModel]) -> str:
    """pydantic speaks of arrays and objects, and shows patterns where a field may say it better."""
    text = _SUBJECT.sub("", str(detail["msg"]))
    for word, ours in _WORDS.items():
        text = text.replace(word, ours)
    if detail["type"] == "union_tag_invalid":
        *rest, last = detail["ctx"]["expected_tags"].split(", ")
        text = f"should be {', '.join(rest)} or {last}" if rest else f"should be {last}"
    elif detail["type"] == "union_tag_not_found":
        text = f"missing option '{_dotted((*detail['loc'], detail['ctx']['discriminator'][1:-1]))}'"
    if detail["type"] == "string_pattern_mismatch":
        field = model.model_fields.get(str(detail["loc"][0]))
        words = field.description if field and len(detail["loc"]) == 1 else None
        text = f"should be {words}" if words else f"should match {detail['ctx']['pattern']}"
    return text


def _existing(loc: tuple[int | str, ...], values: Any) -> Path:
    """The part of a location that the recipe has: pydantic puts names of union branches in it."""
    path: list[int | str] = []
    for part in loc:
        if (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        ):
            values = values[part]  # type: ignore[index]
            path.append(part)
    return tuple(path)


def _sentence(path: Path, texts: list[str], values: Any) -> str:
    told = " or ".join([texts[0], *(text.removeprefix("should be ") for text in texts[1:])])
    if not path or _existing(path, values) != path:
        return told
    for part in path:
        values = values[part]
    got = "" if isinstance(values, Mapping | list) else f", not {_written(values)}"
    return f"{_dotted(path)}: {told}{got}"


def _written(value: Any) -> str:
    """A value as a recipe may have it, not too long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f'{text[: _LONGEST - 4]}..."'


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
