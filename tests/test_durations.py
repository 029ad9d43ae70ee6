"""Periods and lengths of time, as recipes write them."""

from __future__ import annotations

import pytest

from ganforge.durations import Every, Span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("90 min", 5400),
        ("1h 30m", 5400),
        ("1h30m15s", 5415),
        ("1.5 hours", 5400),
        ("0.5s", 0.5),
        (" 2 days ", 172800),
        ("1 second", 1),
    ],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    span = Span.parse(text)
    assert span.seconds == pytest.approx(seconds)
    assert str(span) == text.strip()
    assert Span.parse(span) is span


@pytest.mark.parametrize(
    "value",
    ["", "2", 2, 2.5, True, None, "h", "0s", "-1h", "2 weeks", "1:30:00", "1h30", "1e3s", [], "∞ h",
     "9" * 400 + "d"],
)  # fmt: skip
def test_what_is_no_length_of_time(value: object) -> None:
    with pytest.raises(ValueError, match="should be a time such as '2h', '90 min' or '1h 30m'"):
        Span.parse(value)


def test_periods_are_told_apart_from_lengths_of_time() -> None:
    assert str(Every.parse("100 steps")) == "100 steps"
    with pytest.raises(ValueError, match="should be a period"):
        Every.parse("2h")
