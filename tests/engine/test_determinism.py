"""``deterministic: true``: torch's settings, and what it cannot do."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch

from ganforge.api import Callback, Run, Values
from ganforge.engine.determinism import WORKSPACE, deterministic
from ganforge.errors import GanforgeError

Settings = tuple[bool, bool, str | None]


def settings() -> Settings:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        os.environ.get(WORKSPACE),
    )


class Look(Callback):
    def __init__(self) -> None:
        self.seen: list[Settings] = []

    def on_step(self, run: Run, values: Values) -> None:
        self.seen.append(settings())


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_a_run_sets_it_and_puts_it_back(
    make_run: Callable[..., Run], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    run = make_run(f"deterministic={wanted}", "train.steps=1")
    look = Look()
    run.callbacks = {**run.callbacks, "look": look}
    run.play()
    assert look.seen == [(True, False, ":4096:8") if wanted == "true" else (False, True, None)]
    assert settings()[:2] == (False, True)


def test_what_has_no_such_algorithm_is_refused() -> None:
    """Which of two values lands in one place is a matter of luck; torch says so."""
    values = torch.zeros(4)
    index = torch.tensor([0, 0])
    with pytest.raises(GanforgeError) as caught, deterministic(True):
        values.put_(index, torch.ones(2), accumulate=False)
    message = "deterministic: true: put_ does not have a deterministic implementation"
    assert str(caught.value) == message
    assert caught.value.hint == "Replace the operation, or write deterministic: false."
    values.put_(index, torch.ones(2), accumulate=False)
