"""Options come from a constructor's signature and are checked strictly."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from ganforge.durations import Every
from ganforge.engine.clock import Clock
from ganforge.errors import PluginError
from ganforge.options import read_signature


class Sample:
    def __init__(
        self,
        *,
        latent_dim: int,
        width: Annotated[int, Field(ge=1)] = 8,
        rate: float = 0.1,
        betas: tuple[float, float] = (0.5, 0.9),
        mode: Literal["a", "b"] = "a",
        size: int | None = None,
        names: list[str] | None = None,
        every: Every = Every(1, "epochs"),  # noqa: B008  # frozen
    ) -> None:
        pass


def messages(**options: Any) -> list[str]:
    _, problems = read_signature(Sample, "generator").check(options)
    return [problem.message for problem in problems]


def test_defaults_are_filled_in_and_lists_become_tuples() -> None:
    values, problems = read_signature(Sample, "generator").check(
        {"betas": [0, 1], "every": "5 steps"}
    )
    assert not problems
    assert values["betas"] == (0.0, 1.0)
    assert values["width"] == 8
    assert values["every"] == Every(5, "steps")
    assert "latent_dim" not in values


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": "3"}, 'width: should be a valid integer, not "3"'),
        ({"width": True}, "width: should be a valid integer, not true"),
        ({"width": 0}, "width: should be greater than or equal to 1, not 0"),
        ({"width": 1.5}, "width: should be a valid integer, not 1.5"),
        ({"rate": "fast"}, 'rate: should be a valid number, not "fast"'),
        ({"mode": "c"}, "mode: should be 'a' or 'b', not \"c\""),
        ({"betas": [0.5]}, "betas: item 2 is missing"),
        ({"size": "big"}, 'size: should be a valid integer, not "big"'),
        ({"names": ["x", 3]}, "names.1: should be a valid string, not 3"),
        (
            {"every": "soon"},
            "every: should be a period such as '100 steps' or '1 epoch', not \"soon\"",
        ),
        ({"every": "0 steps"}, "every: should be a period"),
        ({"latent_dim": 3}, "'latent_dim' is supplied by ganforge and cannot be set"),
        ({"widht": 3}, "unknown option 'widht'"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(options: dict[str, Any], message: str) -> None:
    found = messages(**options)
    assert len(found) == 1
    assert found[0].startswith(message)


def test_the_hint_names_the_nearest_option() -> None:
    _, problems = read_signature(Sample, "generator").check({"widht": 3})
    assert "Did you mean 'width'?" in str(problems[0].hint)


def test_all_problems_are_found_at_once() -> None:
    assert len(messages(width=0, rate="x", nope=1)) == 3


def test_constructors_that_hide_their_options_are_the_plugins_fault() -> None:
    class Hidden:
        def __init__(self, **kwargs: int) -> None:
            pass

    class Untyped:
        def __init__(self, *, width=3) -> None:  # type: ignore[no-untyped-def]
            pass

    with pytest.raises(PluginError, match=r"the constructor takes \*kwargs"):
        read_signature(Hidden, "loss")
    with pytest.raises(PluginError, match="'width' has no type annotation"):
        read_signature(Untyped, "loss")


def test_a_period_is_due_at_its_steps_or_at_the_end_of_its_epochs() -> None:
    from fractions import Fraction

    per_epoch = Fraction(5, 2)  # an epoch ends within a step: after steps 3, 5, 8, 10
    clocks = [Clock(step, 10, per_epoch) for step in range(1, 11)]
    due = {
        text: [clock.step for clock in clocks if Every.parse(text).due(clock)]
        for text in ("4 steps", "1 epoch", "2 epochs")
    }
    assert due == {"4 steps": [4, 8], "1 epoch": [3, 5, 8, 10], "2 epochs": [5, 10]}
    assert str(Every.parse("1 epoch")) == "1 epoch"
    assert str(Every.parse(100)) == "100 steps"


def test_no_period_is_missed_when_a_step_spans_several_epochs() -> None:
    from fractions import Fraction

    clocks = [Clock(step, 4, Fraction(1, 3)) for step in range(1, 5)]  # three epochs a step
    assert [list(clock.ended_epochs) for clock in clocks[:2]] == [[1, 2, 3], [4, 5, 6]]
    assert [clock.step for clock in clocks if Every.parse("5 epochs").due(clock)] == [2, 4]
