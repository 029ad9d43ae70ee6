"""Which device to train on."""

from __future__ import annotations

import torch

from ganforge.errors import UsageError


def choose(name: str | None) -> torch.device:
    """The device of this name; the best one of this machine for ``auto`` or None.

    Raises:
        UsageError: There is no such device on this machine.
    """
    if name in (None, "auto"):
        return torch.device(_best())
    try:
        device = torch.device(str(name))
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("ganforge trains on cpu, cuda or mps")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device '{name}' cannot be used here: {str(error).splitlines()[0]}",
            hint=f"Available: {', '.join(['auto', *_available()])}.",
        ) from error
    return device


def _best() -> str:
    return _available()[-1]


def _available() -> list[str]:
    """Usable devices, the slowest first."""
    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.append("mps")
    if torch.cuda.is_available():
        found += [f"cuda:{index}" for index in reversed(range(torch.cuda.device_count()))]
    return found
