"""Options that are components: checked where they stand, written out, and known to editors."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import torch
import yaml

from ganforge import build, hookimpl
from ganforge.api import Dataset, DatasetOption
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.json_schema import recipe_schema
from ganforge.recipe.overrides import apply_overrides
from ganforge.recipe.reader import read_file
from ganforge.recipe.schema import Recipe
from ganforge.recipe.shipped import folder
from ganforge.recipe.source import RecipeError
from ganforge.registry import Registry


class Half(Dataset):
    """The first half of another data set.

    Args:
        of: That data set.
        other: One more, if it is given.
    """

    def __init__(self, *, of: DatasetOption, other: DatasetOption | None = None) -> None:
        assert isinstance(of, Dataset)
        super().__init__(samples=of.samples[: len(of) // 2])
        self.other = other


def registry() -> Registry:
    module = ModuleType("acme_halves")

    @hookimpl
    def register_datasets(register):  # type: ignore[no-untyped-def]
        register("half", Half, summary="half of another")

    module.register_datasets = register_datasets  # type: ignore[attr-defined]
    return load_registry(extra=[module])


def recipe(dataset: str) -> Recipe:
    document = read_file(folder() / "smoke.yaml")
    apply_overrides(document, [f"dataset={dataset}"])
    return check(document, registry())


def problems(dataset: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe(dataset)
    return [problem.message for problem in caught.value.problems]


TWICE = "{use: half, of: {use: half, of: {use: mnist, split: test}}}"


def test_it_is_made_of_what_it_names() -> None:
    prepared = build.prepare(recipe(TWICE), device=torch.device("cpu"))
    assert len(prepared.dataset) == 2500


def test_every_default_within_it_is_written_out() -> None:
    plain = recipe(TWICE).plain()["dataset"]
    assert plain["other"] is None
    assert plain["of"]["of"] == {
        "use": "mnist",
        "split": "test",
        "size": None,
        "classes": None,
        "root": None,
        "checksum": True,
    }
    again = yaml.safe_dump(plain, default_flow_style=True, width=10_000).strip()
    assert recipe(again).plain()["dataset"] == plain


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("{use: half}", "dataset 'half': missing option 'of'"),
        ("{use: half, of: {use: mnits}}", "unknown dataset 'mnits'"),
        ("{use: half, of: {use: mnist, split: tset}}", "dataset 'mnist': split"),
        ("{use: half, of: {split: test}}", "a dataset is written {use: NAME, option: value}"),
        ("{use: half, of: mnist}", "dataset 'half': of: should be a mapping"),
        (
            "{use: half, of: {use: mnist}, other: {use: half}}",
            "dataset 'half': missing option 'of'",
        ),
    ],
)
def test_what_is_wrong_within_it_is_told(dataset: str, told: str) -> None:
    (found,) = problems(dataset)
    assert told in found


def test_the_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nested.yaml"
    text = (folder() / "smoke.yaml").read_text()
    nested = "dataset:\n  use: half\n  of:\n    use: mnist\n    splitt: test\n"
    path.write_text(text.replace("dataset:       {use: mnist, split: test}\n", nested))
    with pytest.raises(RecipeError) as caught:
        check(read_file(path), registry())
    (problem,) = caught.value.problems
    assert problem.position is not None
    line = path.read_text().splitlines()[problem.position.line - 1]
    assert line == "    splitt: test"
    assert problem.position.column == 5


def test_an_editor_knows_it() -> None:
    schema = recipe_schema(registry(), pytest.fail)
    validator = jsonschema.Draft7Validator(schema)

    def accepts(dataset: Any) -> bool:
        document = read_file(folder() / "smoke.yaml").value
        return bool(validator.is_valid({**document, "dataset": dataset}))

    assert accepts(yaml.safe_load(TWICE))
    assert accepts({"use": "half", "of": {"use": "mnist"}, "other": None})
    assert not accepts({"use": "half", "of": {"use": "mnits"}})
    assert not accepts({"use": "half", "of": {"use": "mnist", "split": "tset"}})
    assert not accepts({"use": "half"})


def test_augmentations_need_a_game_that_applies_them(tmp_path: Path) -> None:
    module = ModuleType("acme_plain")
    from ganforge.testing.standins import StandInGame

    class Bare(StandInGame):
        """Takes nothing."""

        def __init__(self) -> None:
            """It has no options."""

    @hookimpl
    def register_games(register):  # type: ignore[no-untyped-def]
        register("bare", Bare)

    module.register_games = register_games  # type: ignore[attr-defined]
    document = read_file(folder() / "smoke.yaml")
    apply_overrides(document, ["game={use: bare}", "augmentations=[{use: anything}]"])
    with pytest.raises(RecipeError) as caught:
        check(document, load_registry(extra=[module]))
    told = [problem.message for problem in caught.value.problems]
    assert "game 'bare' applies no augmentations" in told
    assert "unknown augmentation 'anything'" in told
