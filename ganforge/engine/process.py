"""What belongs to the whole process: threads that compute, freed memory, and garbage."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""How much of the processors a container may use (Linux, control groups of version 2)."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""The parameters of glibc's ``mallopt``, by their numbers in ``malloc.h``."""

_KEPT = 2**31 - 1
_GROWTH = 64 * 1024**2


def set_threads(wanted: int | None) -> None:
    """Let torch compute with so many threads, or with as many as this process has processors.

    torch counts the processors of the machine, and in a container that may use two of its
    sixty-four, sixty-four threads wait for each other. ``OMP_NUM_THREADS`` has the last word.
    """
    if wanted is None:
        if "OMP_NUM_THREADS" in os.environ:
            return
        wanted = min(torch.get_num_threads(), allowance(QUOTA))
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


def allowance(quota: Path) -> int:
    """How many processors a process may use at a time."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = count or 1
    try:
        time, period = quota.read_text().split()
        return count if time == "max" else max(1, min(count, math.ceil(int(time) / int(period))))
    except (OSError, ValueError):  # no such file: no container, or none of this version
        return count


def keep_memory() -> bool:
    """Keep freed memory in the process instead of giving it back to the system, where glibc can.

    Each step frees what the next needs. What was given back has to be mapped and zeroed again, page
    by page: thousands of page faults a step. The user's own ``MALLOC_...`` settings are left alone.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith("linux") or _user_has_said():
        return False
    try:
        library = ctypes.CDLL("libc.so.6")
        option = library.mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    wanted = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _KEPT, _TOP_PAD: _GROWTH}
    taken = [option(name, value) for name, value in wanted.items()]  # all, whatever the first says
    return all(taken)


@contextmanager
def few_to_collect() -> Iterator[None]:
    """For a block, Python's garbage collector looks only at what the block makes.

    Modules, classes and functions are half a million objects, and to walk through all of them, as
    the collector does once in some thousand steps, takes 150 ms.
    """
    gc.collect()  # else garbage, such as the networks of a run that failed, would stay too
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _user_has_said() -> bool:
    tuned = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    return tuned or any(name.startswith("MALLOC_") and name.endswith("_") for name in os.environ)
