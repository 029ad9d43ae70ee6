"""Checking a plugin leaves the process as it was, whatever the plugin does."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ganforge.testing import check_plugin, examine
from ganforge.testing.examine import KINDS

ACME = Path(__file__).parent / "acme"

MESSY = """
import os, random, sys
import numpy
from ganforge import hookimpl
from ganforge.api import {base}
import torch

@hookimpl
def register_{kind}s(register):
    register("messy", "messy:Messy", summary="disturbs everything")

class Messy({base}):
    "It has no manners."
    def __init__(self) -> None:
        torch.manual_seed(1); random.seed(1); numpy.random.seed(1)
        torch.set_grad_enabled(False)
        torch.set_num_threads(3)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        os.chdir("/")
        print("hello from messy")
        {rest}
"""


def state() -> dict[str, object]:
    """Everything that a plugin could leave changed."""
    return {
        "torch": torch.get_rng_state().tolist(),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "folder": Path.cwd(),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_checking_leaves_no_trace(kind: str) -> None:
    before = state()
    check_plugin(ACME / f"acme_{kind}.py")
    assert state() == before


@pytest.mark.parametrize(
    ("kind", "base", "rest"),
    [
        ("dataset", "Dataset", "super().__init__(samples=torch.randn(3, 2).float())"),
        ("callback", "Callback", ""),
    ],
)
def test_a_plugin_that_disturbs_everything_disturbs_nobody(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], kind: str, base: str, rest: str
) -> None:
    path = write(MESSY.format(kind=kind, base=base, rest=rest), "messy.py")
    torch.set_num_threads(2)
    before = state()
    found = examine(path)
    assert state() == before
    printed = capsys.readouterr()
    assert "hello" not in printed.out
    assert "hello from messy" in printed.err
    if kind == "dataset":
        (told,) = (f for f in found if f.check == "global-state")
        assert told.failed
        assert "torch's default dtype, torch's gradient mode" in told.message
        assert "the working folder" in told.message


def test_gradients_switched_off_by_the_caller_do_not_fail_a_plugin() -> None:
    with torch.no_grad():
        check_plugin(ACME / "acme_loss.py")
        assert not torch.is_grad_enabled()
