"""Recognises that memory ran out, which torch says in several ways."""

from __future__ import annotations

import torch

_SAID = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that there is not enough memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)
