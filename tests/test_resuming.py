"""What differs between the recipe of a checkpoint and the one that a run has now."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ganforge.errors import UsageError
from ganforge.resuming import check_same, differences, other_versions

BEFORE: dict[str, Any] = {
    "version": 1,
    "name": "x",
    "description": "a line",
    "plugins": ["plugins/a.py"],
    "seed": 0,
    "generator": {"use": "dcgan", "channels": 8, "sizes": [1, 2]},
    "regularizers": [{"use": "r1", "weight": 10.0}],
    "schedule": {},
    "ema": None,
    "train": {"steps": 6, "batch_size": 8},
    "callbacks": [{"use": "metrics"}],
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"seed": 1}, ["seed: 0 -> 1"]),
        ({"train": {"steps": 99, "batch_size": 8}}, []),
        ({"train": {"epochs": 3, "batch_size": 8}}, []),
        ({"train": {"steps": 6, "batch_size": 4}}, ["train.batch_size: 8 -> 4"]),
        ({"callbacks": [], "description": "another", "plugins": [], "requires": ["a"]}, []),
        ({"ema": {"decay": 0.9}}, ["ema: null -> nothing", "ema.decay: nothing -> 0.9"]),
        (
            {"schedule": {"generator": {"use": "s"}}},
            ["schedule: {} -> nothing", "schedule.generator.use: nothing -> s"],
        ),
        (
            {"regularizers": []},
            [
                "regularizers.0.use: r1 -> nothing",
                "regularizers.0.weight: 10.0 -> nothing",
            ],
        ),
        (
            {"regularizers": [{"use": "r1", "weight": 10.0}, {"use": "r2"}]},
            ["regularizers.1.use: nothing -> r2"],
        ),
        (
            {"generator": {"use": "dcgan", "channels": 8, "sizes": [1, 3]}},
            ["generator.sizes.1: 2 -> 3"],
        ),
        # An option that came with a newer version, and has its default.
        ({"generator": {"use": "dcgan", "channels": 8, "sizes": [1, 2], "norm": "batch"}}, []),
    ],
)
def test_what_matters_is_told(change: dict[str, Any], told: list[str]) -> None:
    now = {**copy.deepcopy(BEFORE), **change}
    assert differences(BEFORE, now) == told
    assert check_same(BEFORE, now, allow=True) == told
    if told:
        with pytest.raises(UsageError) as caught:
            check_same(BEFORE, now, allow=False)
        assert caught.value.message.splitlines()[1:] == [f"  {line}" for line in told]


def test_other_versions_are_told() -> None:
    import torch

    import ganforge

    now = {"ganforge": ganforge.__version__, "torch": torch.__version__}
    plugins = {"acme": "acme 2.0"}
    assert other_versions({**now, "plugins": {"acme": "acme 2.0", "gone": "gone 1"}}, plugins) == []
    (line,) = other_versions({**now, "plugins": {"acme": "acme 1.0"}}, plugins)
    assert line.startswith("the checkpoint was written with acme acme 1.0, this is acme 2.0")
    assert other_versions({}, plugins) == []  # the first format may say nothing
