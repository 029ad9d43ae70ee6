"""What there is to say of a component: its options in words, its documentation, its source."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic.fields import FieldInfo

from ganforge.options import read_signature
from ganforge.recipe.source import shown
from ganforge.registry import Component

_ARGS = re.compile(r"^Args:\n", re.MULTILINE)
_ENTRY = re.compile(r"(\w+)(?: \([^)]*\))?:\s*(.*)")


def facts(component: Component) -> dict[str, Any]:
    """Everything about a component, as plain values.

    Raises:
        PluginError: It cannot be imported, or its constructor is none that recipes can call.
    """
    target = component.load()
    signature = read_signature(target, component.kind)
    documentation = documented(target)
    described = described_options(documentation)
    return {
        "kind": component.kind,
        "name": component.name,
        "plugin": str(component.plugin),
        "summary": component.summary,
        "documentation": documentation or component.summary or "It has no documentation.",
        "options": [
            option(name, field, described.get(name, ""))
            for name, field in signature.model.model_fields.items()
        ],
        "supplied": sorted(signature.injected),
        "source": source(target),
    }


def documented(target: Any) -> str:
    """The docstrings of a class and of its constructor; none that a base class lends."""
    parts = [target.__doc__]
    if inspect.isclass(target) and "__init__" in vars(target):
        parts.append(target.__init__.__doc__)
    return "\n\n".join(inspect.cleandoc(part) for part in parts if part)


def described_options(documentation: str) -> dict[str, str]:
    """The ``Args`` section of a Google-style docstring: what each option is."""
    described: dict[str, str] = {}
    # The class and its constructor may have one each.
    for section in _ARGS.split(documentation)[1:]:
        name = None
        for line in section.splitlines():
            if not line.strip():
                continue
            indent = len(line) - len(line.lstrip())
            if indent == 0:  # the next section
                break
            entry = _ENTRY.fullmatch(line.strip()) if indent == 4 else None
            if entry:
                name = entry[1]
                described[name] = entry[2]
            elif name is not None:
                described[name] = f"{described[name]} {line.strip()}".strip()
    return described


def source(target: Any) -> str:
    """``file:line`` of a class or function, as editors and terminals open it."""
    try:
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):  # made at run time, or in C
        return "unknown"


def option(name: str, field: FieldInfo, description: str = "") -> dict[str, Any]:
    """One option: ``name``, ``type``, ``required``, ``default`` and ``description``."""
    required = field.is_required()
    default = None if required else _plain(field.get_default(call_default_factory=True))
    bounds = [bound for item in field.metadata for bound in _bounds(item)]
    said = [w for item in field.metadata if isinstance(w := getattr(item, "in_words", None), str)]
    kind = said[0] if said else _bounded(type_text(field.annotation), bounds)
    return {
        "name": name,
        "type": kind,
        "required": required,
        "default": default,
        "description": description or field.description or "",
    }


def option_text(name: str, field: FieldInfo) -> str:
    """An option in one sentence: its type and its default."""
    told = option(name, field)
    default = "" if told["required"] else f"; the default is {shown(told['default'])}"
    return f"'{name}' takes {told['type']}{default}."


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else str(value)


def type_text(annotation: Any) -> str:
    """A type as a person would say it: ``int >= 1 or none``, ``list of str``, ``'a' or 'b'``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is not None and not arguments:  # typing.List by itself
        return str(origin.__name__)
    if origin is Annotated:
        inner, *metadata = arguments
        for item in metadata:
            if isinstance(words := getattr(item, "in_words", None), str):
                return words
        return _bounded(type_text(inner), [bound for item in metadata for bound in _bounds(item)])
    if origin in (Union, UnionType):
        return " or ".join(type_text(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(repr(a) if isinstance(a, str) else shown(a) for a in arguments)
    if origin in (list, Sequence, set, frozenset):
        return f"list of {type_text(arguments[0])}"
    if origin is tuple:
        if arguments[-1:] == (...,):
            return f"list of {type_text(arguments[0])}"
        return f"[{', '.join(type_text(argument) for argument in arguments)}]"
    if origin in (dict, Mapping):
        return f"mapping of {type_text(arguments[0])} to {type_text(arguments[1])}"
    if annotation is NoneType:
        return "null"
    if annotation is bool:
        return "true or false"
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        fields = annotation.model_fields.items()
        return "{" + ", ".join(f"{n}: {option(n, f)['type']}" for n, f in fields) + "}"
    if isinstance(words := getattr(annotation, "in_words", None), str):
        return words
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        names = [field.name for field in dataclasses.fields(annotation) if field.init]
        return "{" + ", ".join(f"{name}: {type_text(hints[name])}" for name in names) + "}"
    if annotation is Any:
        return "anything"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _bounded(name: str, bounds: list[str]) -> str:
    return f"{name} {' and '.join(bounds)}" if bounds else name


def _bounds(metadata: Any) -> list[str]:
    """``Field(ge=1)`` gives ``>= 1``."""
    signs = {
        "ge": ">=",
        "gt": ">",
        "le": "<=",
        "lt": "<",
        "multiple_of": "in multiples of",
        "min_length": "of length >=",
        "max_length": "of length <=",
        "pattern": "matching",
    }
    items = [metadata, *getattr(metadata, "metadata", [])]
    return [
        f"{sign} {getattr(item, name)}"
        for item in items
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
