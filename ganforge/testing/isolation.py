"""Keeps what is being checked from disturbing the process that checks it."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch


def settings() -> dict[str, Any]:
    """The settings of the process that code could change for everybody else."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's deterministic mode": _deterministic(),
        "the working folder": _folder(),
    }


@contextlib.contextmanager
def kept_settings() -> Iterator[None]:
    """Puts the settings back, whatever the block does to them."""
    before = settings()
    try:
        yield
    finally:
        _put_back(before)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Puts settings and random states back; what is printed goes to standard error.

    Results alone are written to standard output.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with (
            kept_settings(),
            torch.random.fork_rng(devices),
            contextlib.redirect_stdout(sys.stderr),
        ):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


@contextlib.contextmanager
def usual_settings() -> Iterator[None]:
    """Settings as in a run, but one thread: so small tensors are then computed faster."""
    with kept_settings():
        torch.set_num_threads(1)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        yield


def seed(torch_seed: int, others: int | None = None) -> None:
    """Seed every random generator of the process.

    Args:
        torch_seed: For torch.
        others: For Python's and numpy's; torch's if not given.
    """
    torch.manual_seed(torch_seed)
    others = torch_seed if others is None else others
    random.seed(others)
    np.random.seed(others)


def _put_back(before: dict[str, Any]) -> None:
    torch.set_default_dtype(before["torch's default dtype"])
    torch.set_grad_enabled(before["torch's gradient mode"])
    if torch.get_num_threads() != before["torch's number of threads"]:
        torch.set_num_threads(before["torch's number of threads"])
    if _deterministic() != before["torch's deterministic mode"]:  # the call imports a compiler
        mode, warn_only = before["torch's deterministic mode"]
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
    folder = before["the working folder"]
    if folder is not None and folder != _folder():
        os.chdir(folder)


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted under our feet
        return None
