"""Options as a JSON Schema: pydantic's own, where it says of a recipe what its validation says."""

from __future__ import annotations

import json
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema

from ganforge.explain import described_options, documented
from ganforge.nested import KIND

Schema = dict[str, Any]

NOTHING: Schema = {"not": {}}
"""What no value fits."""


def options_schema(model: type[pydantic.BaseModel], place: str = "#") -> Schema:
    """The schema of a model, in draft 7, with nothing but what the model names allowed.

    Args:
        model: The options.
        place: Where the schema will stand; its nested models are defined inside it.
    """
    made = model.model_json_schema(
        mode="validation",
        ref_template=f"{place}/definitions/{{model}}",
        schema_generator=_Generator,
    )
    plain: Schema = _converted(made)
    describe(plain, documented(model))
    keys = ("properties", "required", "definitions")
    kept = {key: plain[key] for key in keys if plain.get(key)}
    return {"type": "object", "properties": {}, **kept, "additionalProperties": False}


def describe(schema: Schema, documentation: str) -> None:
    """Give options their descriptions from the ``Args`` section of a docstring."""
    for name, text in described_options(documentation).items():
        if name in schema["properties"]:
            schema["properties"][name].setdefault("description", text)


class _Generator(GenerateJsonSchema):
    """Says what a recipe may give where pydantic's own schema says less, more or nothing."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        """No YAML is an object of a class; what a plugin's own validator takes is not known."""
        objects = ("is-instance", "is-subclass", "callable")
        return dict(NOTHING) if schema["type"] in objects else {}

    def model_schema(self, schema: Any) -> Schema:
        return _closed(super().model_schema(schema))

    def dataclass_schema(self, schema: Any) -> Schema:
        return _closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: Any) -> Schema:
        return _closed(super().typed_dict_schema(schema))

    def arguments_schema(self, schema: Any) -> Schema:
        """A named tuple: a list, or a mapping of its names."""
        named = self.kw_arguments_schema(schema["arguments_schema"], None)
        return {"anyOf": [super().arguments_schema(schema), named]}

    def set_schema(self, schema: Any) -> Schema:
        return {**super().set_schema(schema), "uniqueItems": False}

    def frozenset_schema(self, schema: Any) -> Schema:
        return {**super().frozenset_schema(schema), "uniqueItems": False}

    def encode_default(self, dft: Any) -> Any:
        """As a recipe writes it: pydantic sees the fields of a dataclass such as a period."""
        if isinstance(dft, list | tuple):
            return [self.encode_default(item) for item in dft]
        if hasattr(type(dft), "__get_pydantic_core_schema__"):
            return pydantic.TypeAdapter(type(dft)).dump_python(dft, mode="json")
        return super().encode_default(dft)


def _closed(schema: Schema) -> Schema:
    """Nested options refuse unknown names too, whatever they say themselves."""
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


def _converted(schema: Any) -> Any:
    """Draft 2020-12 to draft 7; without titles, which only repeat the names."""
    if isinstance(schema, list):
        return [_converted(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if KIND in schema:
        return {"$ref": f"#/definitions/{schema[KIND]}"}
    converted: Schema = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):  # maps of schemas, where an option may be called 'title'
            made = {name: _converted(item) for name, item in value.items()}
            converted["definitions" if key == "$defs" else key] = made
        elif key in ("default", "const", "enum", "examples", "maximum", "minimum"):
            if _is_json(value):
                converted[key] = value
        elif key not in ("title", "discriminator"):
            converted[key] = _converted(value)
    if "prefixItems" in converted:  # draft 7 has one word for both
        if "items" in converted:
            converted["additionalItems"] = converted["items"]
        converted["items"] = converted.pop("prefixItems")
    if "$ref" in converted and len(converted) > 1:  # draft 7 sees nothing beside a reference
        converted["allOf"] = [{"$ref": converted.pop("$ref")}]
    return converted


def _is_json(value: Any) -> bool:
    """JSON has no infinity, which is no bound anyway."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
