"""``ganforge schema``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import yaml
from commandline import Ganforge


def test_the_schema_is_printed_or_written(in_process: Ganforge, tmp_path: Path) -> None:
    done = in_process("schema")
    assert done.code == 0
    schema = json.loads(done.out)
    jsonschema.Draft7Validator.check_schema(schema)
    written = in_process("schema", "--out", "recipe.schema.json")
    assert written.out == "recipe.schema.json\n"
    assert json.loads((tmp_path / "recipe.schema.json").read_text()) == schema


def test_a_place_that_cannot_be_written_to_is_named(in_process: Ganforge) -> None:
    done = in_process("schema", "--out", "/proc/recipe.schema.json")
    assert done.code == 1
    assert "cannot write '/proc/recipe.schema.json'" in done.err
    assert in_process("schema", "--out", ".").code == 2


def test_a_plugins_components_are_in_it_and_broken_ones_are_told(
    ganforge: Ganforge, plugin: Callable[[str], None]
) -> None:
    plugin(
        "from ganforge import hookimpl\n"
        "@hookimpl\ndef register_losses(register):\n"
        "    register('mine', Mine)\n    register('lost', 'acme_gan:Nowhere')\n"
        "class Mine:\n    def __init__(self, *, margin: float = 1.0) -> None: ...\n"
    )
    done = ganforge("schema")
    assert done.code == 0
    definitions = json.loads(done.out)["definitions"]
    assert definitions["loss.mine"]["properties"]["margin"]["default"] == 1.0
    assert "loss.lost" not in definitions
    (line,) = done.err.splitlines()
    assert line.startswith("left out: loss 'lost' of plugin 'acme' (acme-gan 0.3)")


def test_a_copied_recipe_names_the_schema(in_process: Ganforge, tmp_path: Path) -> None:
    in_process("copy-recipe", "smoke", "mine.yaml")
    lines = (tmp_path / "mine.yaml").read_text().splitlines()
    assert lines[1] == "# yaml-language-server: $schema=recipe.schema.json"
    assert yaml.safe_load("\n".join(lines))["name"] == "smoke"
