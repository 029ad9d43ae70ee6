"""Bit-equal runs on the same machine, where torch would else take the faster of two ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganforge.errors import GanforgeError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use only algorithms that give the same bits every time, for a block.

    See https://docs.pytorch.org/docs/stable/notes/randomness.html

    Raises:
        GanforgeError: An operation has none; it is named.
    """
    if not wanted:
        yield
        return
    # cuBLAS reads it when it is first used; torch refuses its functions without it.
    os.environ.setdefault(WORKSPACE, ":4096:8")
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "use_deterministic_algorithms" not in str(error):
            raise
        what = str(error).partition(", but you set")[0]
        raise GanforgeError(
            f"deterministic: true: {what}",
            hint="Replace the operation, or write deterministic: false.",
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]
