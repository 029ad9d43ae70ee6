"""Reads files in a process that may take little memory; ``python limited.py LIMIT < FILES``.

Standard input has a kind and a path as JSON, a line each; standard output gets the error of each,
and how many bytes it took.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganforge import export
from ganforge.engine import checkpoint
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge_mnist.idx import IMAGES, LABELS, read_idx

CPU = torch.device("cpu")
REGISTRY = load_registry()

READ: dict[str, Callable[[Path], Any]] = {
    "checkpoint": lambda path: checkpoint.load(path, device=CPU),
    "export": lambda path: export.read(path, REGISTRY, device=CPU),
    "recipe": lambda path: load(path, REGISTRY),
    "images": lambda path: read_idx(path, IMAGES),
    "labels": lambda path: read_idx(path, LABELS),
}


def used() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def attempt(kind: str, path: Path) -> tuple[str, str]:
    try:
        READ[kind](path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return " ".join(cls.__name__ for cls in type(error).__mro__), str(error)
    return "", "it was read"


def main(limit: int) -> None:
    files = [json.loads(line) for line in sys.stdin]
    for kind, _, good in files:  # what is imported on first use is no part of a file's bytes
        if good:
            READ[kind](Path(good))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + limit
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for kind, path, _ in files:
        before = used()
        kinds, said = attempt(kind, Path(path))
        print(json.dumps([path, kinds, said, used() - before]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
