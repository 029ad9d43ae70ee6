"""Checkpoints that hold what a checkpoint may hold, but not what a run needs: told in words."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from forging import STEP, Call

from ganforge.errors import GanforgeError
from ganforge.resuming import check_same

Forge = Callable[[bytes], Path]
ZEROS = torch.zeros(3)
GENERATOR = ("optimizers", "generator")
UNFIT: list[tuple[tuple[str | int, ...], Any]] = [
    ((), ZEROS),
    ((), {}),
    ((), None),
    (("step",), "x"),
    (("step",), ZEROS),
    (("played",), []),
    (("rollbacks",), {}),
    (("feed",), ZEROS),
    (("feed",), {"a": 1}),
    (("game",), 5),
    (("terms",), 5),
    (("tally",), {"a": 1}),
    (("tally",), {"sums": {"x": ZEROS}, "counts": {}}),
    (("tally",), {"sums": {}, "counts": {"x": None}}),
    (("networks", "generator"), []),
    (("networks", "generator", "project.0.weight"), "x"),
    (("networks", "generator", "project.0.weight"), ZEROS),
    (GENERATOR, ZEROS),
    ((*GENERATOR, "state"), float("nan")),
    ((*GENERATOR, "param_groups"), []),
    ((*GENERATOR, "param_groups", 0, "lr"), {}),
    ((*GENERATOR, "param_groups", 0, "betas"), 0.5),
    ((*GENERATOR, "param_groups", 0, "params"), "x"),
]


@pytest.mark.parametrize(("place", "value"), UNFIT, ids=lambda it: repr(it)[:40])
def test_a_state_that_is_none_of_this_run(
    run: Path, forged: Forge, ganforge: Call, place: tuple[str | int, ...], value: Any
) -> None:
    state = torch.load(run / "checkpoints" / STEP / "state.pt", weights_only=True)
    inner: Any = state
    *parents, last = ("trainer", *place)
    for name in parents:
        inner = inner[name]
    inner[last] = value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    forged(buffer.getvalue())
    code, said = ganforge("resume", str(run), "-q", "train.steps=8")
    assert code == 1
    assert "Error: " in said
    assert "no state of this run" in said or "does not fit" in said
    assert "Traceback" not in said


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("said_of_it", "words"),
    [
        ({"plugins": ["x"]}, "does not name plugins and their versions"),
        ({"plugins": {"mnist": ["x"]}}, "does not name plugins and their versions"),
        ({"recipe": "x"}, "the recipe in its manifest is no mapping"),
        ({"recipe": {}}, "the recipe is no longer the one"),
        ({"ganforge": {"a": [1]}, "torch": 5}, "the checkpoint was written with ganforge"),
    ],
)
def test_a_manifest(
    run: Path, sealed: Callable[..., Path], ganforge: Call, said_of_it: dict[str, Any], words: str
) -> None:
    sealed(**said_of_it)
    code, said = ganforge("resume", str(run), "-q", "train.steps=7")
    assert words in said
    assert "Traceback" not in said
    assert code == (0 if "ganforge" in said_of_it else 2 if said_of_it == {"recipe": {}} else 1)


def test_a_recipe_in_a_manifest_that_is_nested_too_deep() -> None:
    with pytest.raises(GanforgeError, match="nested too deep"):
        check_same(nested(5000), {}, allow=False)


def test_a_plugin_that_is_missing_is_named(
    run: Path, sealed: Callable[..., Path], ganforge: Call
) -> None:
    """The recipe has only its name; the checkpoint knows the package that it came from."""
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["loss"] = {"use": "acme:fancy"}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    sealed(plugins={"mnist": "ganforge 0.1.0", "acme": "ganforge-acme 3.1"})
    code, said = ganforge("resume", str(run), "-q")
    assert code == 2
    assert "acme:fancy" in said
    assert "The run was made with what is not installed: acme (ganforge-acme 3.1)." in said
