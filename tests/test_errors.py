"""Errors on their way from one process to another."""

from __future__ import annotations

import pickle

import pytest

from ganforge.errors import GanforgeError, UsageError
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate
from ganforge.recipe.source import RecipeError


def test_a_hint_comes_along() -> None:
    error = pickle.loads(pickle.dumps(UsageError("wrong", hint="Do it right.")))
    assert (type(error), str(error), error.hint) == (UsageError, "wrong", "Do it right.")


def test_a_recipes_problems_come_along() -> None:
    registry = load_registry()
    with pytest.raises(RecipeError) as raised:
        load(locate("smoke", registry), registry, ["train.steps=none", "loss.use=hinges"])
    error = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(error, RecipeError)
    assert str(error) == str(raised.value)
    assert [one.render() for one in error.problems] == [
        one.render() for one in raised.value.problems
    ]


def test_a_plugins_error_with_other_arguments_comes_along() -> None:
    error = pickle.loads(pickle.dumps(OddError(3, step=7)))
    assert (type(error), str(error), error.count, error.step) == (OddError, "3 things", 3, 7)


class OddError(GanforgeError):
    def __init__(self, count: int, *, step: int) -> None:
        super().__init__(f"{count} things")
        self.count, self.step = count, step
