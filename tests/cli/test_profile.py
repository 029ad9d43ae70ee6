"""``ganforge run --profile``: where the time of a step goes, of a real run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from commandline import Ganforge

from ganforge.profiling import table


def test_rows_add_up_to_the_step() -> None:
    lines = table([("data", 2e4, 0.0), ("forward", 6e4, 0.0)], 0.1, 10, on_device=False)
    assert lines[0] == "profile: 10 steps of 10.00 ms"
    assert [line.split() for line in lines[2:]] == [
        ["forward", "6.000", "60.0%"],
        ["data", "2.000", "20.0%"],
        ["the", "rest", "2.000", "20.0%"],
    ]


def test_on_a_gpu_its_time_counts() -> None:
    lines = table([("data", 8e4, 0.0), ("forward", 1e4, 7e4)], 0.1, 10, on_device=True)
    assert lines[1].split() == ["part", "GPU", "ms", "share", "process", "ms"]
    assert lines[2].split() == ["forward", "7.000", "70.0%", "1.000"]


@pytest.mark.slow
def test_a_run_leaves_a_table_and_a_trace(ganforge: Ganforge, tmp_path: Path) -> None:
    done = ganforge("run", "smoke", "--profile", "5", "train.steps=18")
    folder = tmp_path / "runs/smoke/00001/profile"
    assert "profile: 5 steps of " in done.err
    text = (folder / "table.txt").read_text()
    for part in ("discriminator, forward", "generator, backward", "data", "callbacks", "the rest"):
        assert part in text
    with gzip.open(folder / "trace.json.gz") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    assert "ganforge: generator, forward" in names


@pytest.mark.slow
def test_a_run_that_is_too_short_says_so(ganforge: Ganforge) -> None:
    done = ganforge("run", "smoke", "--profile", "5", "train.steps=4")
    assert "profile: the run ended before its first 10 steps were over" in done.err


def test_how_many_steps_is_a_number(ganforge: Ganforge) -> None:
    done = ganforge("run", "smoke", "--profile", "0")
    assert "'--profile'" in done.err
    assert "1<=x<=10000" in done.err
