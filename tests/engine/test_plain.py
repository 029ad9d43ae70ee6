"""What may be saved: all that can be loaded again without running code, and nothing else."""

from __future__ import annotations

import collections
import io
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from ganforge.api import Callback, Run
from ganforge.engine.plain import check_plain
from ganforge.errors import PluginError


class Pair(NamedTuple):
    a: int
    b: int


class Kept(dict[str, int]):
    pass


def noted(value: Any, note: object) -> Any:
    """With an attribute, which is saved too."""
    value.note = note
    return value


PLAIN = {
    "numbers": [1, 2.5, True, None, -(10**30), float("inf")],
    "text": ("a", b"b"),
    "nested": {"x": [{"y": (1, [2])}], 3: {4, 5}},
    "ordered": collections.OrderedDict(a=1),
    "tensor": torch.arange(3),
    "bfloat16": torch.zeros(2, dtype=torch.bfloat16),
    "parameter": nn.Parameter(torch.ones(2)),
    "size": torch.Size([1, 2]),
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "a module's": nn.BatchNorm1d(2).state_dict(),
    "sparse": torch.eye(2).to_sparse(),
    "with a note": noted(torch.ones(2), {"a": 1}),
    "adam": torch.optim.Adam([nn.Parameter(torch.ones(2))]).state_dict(),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_can_be_loaded_again(name: str) -> None:
    check_plain({name: PLAIN[name]})
    buffer = io.BytesIO()
    torch.save({name: PLAIN[name]}, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=True)[name]
    assert str(loaded) == str(PLAIN[name])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.float64(1.0), "numpy.float64"),
        (np.zeros(2), "numpy.ndarray"),
        (Pair(1, 2), f"{__name__}.Pair"),
        (Kept(), f"{__name__}.Kept"),
        (collections.defaultdict(int), "collections.defaultdict"),
        (len, "builtins.builtin_function_or_method"),
        (range(3), "builtins.range"),
    ],
)
def test_anything_else_is_refused_by_its_place(value: Any, kind: str) -> None:
    with pytest.raises(PluginError) as caught:
        check_plain({"callbacks": {"acme": [0, {"seen": value}]}})
    assert str(caught.value) == (
        f"the state 'callbacks.acme.1.seen' cannot be saved: it is of type {kind}"
    )


@pytest.mark.parametrize(
    "value", [torch.ones(2), nn.Parameter(torch.ones(2)), collections.OrderedDict(a=1)]
)
def test_what_hangs_on_a_value_is_looked_at(value: Any) -> None:
    """A checkpoint with it could not be loaded."""
    with pytest.raises(PluginError) as caught:
        check_plain({"terms": {"acme": noted(value, Pair(1, 2))}})
    place = "the state 'terms.acme.note' cannot be saved: it is of type "
    assert str(caught.value) == f"{place}{__name__}.Pair"


def test_it_is_refused_before_the_first_step(make_run: Any) -> None:
    class Means(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {"means": np.zeros(2)}

    run: Run = make_run()
    run.callbacks = {**run.callbacks, "means": Means()}
    with pytest.raises(PluginError, match=r"'callbacks\.means\.means' cannot be saved"):
        run.play()
    assert run.clock.step == 0
    assert not run.checkpoints.exists()
