"""What is in a kept run, tensor by tensor; ``python keptruns.py FOLDER`` prints it as JSON.

Every tensor is told by its dtype, shape and the SHA-256 of its bytes. Each ``expected.json`` was
made with the version of ganforge that wrote the run, so this file keeps to what all versions have.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ganforge import export
from ganforge.engine import checkpoint
from ganforge.plugins import load_registry

CPU = torch.device("cpu")
EXPORTS = ("generator.safetensors", "discriminator.safetensors")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested containers by its path; an empty container is a leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}/{index}")
    else:
        yield path, value


def digests(value: Any) -> dict[str, dict[str, Any]]:
    """The tensors in ``value`` by path: dtype, shape, and SHA-256 of the bytes."""
    return {
        path: {
            "dtype": str(leaf.dtype),
            "shape": list(leaf.shape),
            "sha256": hashlib.sha256(leaf.cpu().contiguous().numpy().tobytes()).hexdigest(),
        }
        for path, leaf in leaves(value)
        if isinstance(leaf, torch.Tensor)
    }


def values(value: Any) -> dict[str, Any]:
    """All that is no tensor, by path."""
    return {path: leaf for path, leaf in leaves(value) if not isinstance(leaf, torch.Tensor)}


def describe_state(state: dict[str, Any]) -> dict[str, Any]:
    return {"tensors": digests(state), "values": values(state)}


def describe_export(exported: export.Exported) -> dict[str, Any]:
    return {"facts": exported.facts, "tensors": digests(exported.network.state_dict())}


def describe(folder: Path) -> dict[str, Any]:
    """The one checkpoint of a run, and its exported networks."""
    (path,) = checkpoint.steps(folder / "checkpoints").values()
    loaded: Any = checkpoint.load(path, device=CPU)
    registry = load_registry()
    return {
        # The first versions gave the state alone.
        "checkpoint": describe_state(getattr(loaded, "state", loaded)),
        "exports": {
            name: describe_export(export.read(folder / name, registry, device=CPU))
            for name in EXPORTS
        },
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe(Path(sys.argv[1])), indent=1) + "\n")
