"""Makes a changed checkpoint look right."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch

Call = Callable[..., tuple[int, str]]
"""``ganforge(*arguments)``: the exit code and all that was said."""

STEP = "step_00000007"


def seal(checkpoint: Path, *, files: Mapping[str, Any] | None = None, **facts: Any) -> None:
    """Give a checkpoint the sums of what is in it now, as its maker can; ``facts`` are said too."""
    content = (checkpoint / "state.pt").read_bytes()
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    sums = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.update(facts, files={"state.pt": sums, **(files or {})})
    text = json.dumps(manifest).encode()
    (checkpoint / "manifest.json").write_bytes(text)
    line = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n"
    (checkpoint / "manifest.sha256").write_text(line)


def stored(parts: Mapping[str, bytes]) -> bytes:
    """An archive of these parts, as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return buffer.getvalue()


def pickled(content: bytes) -> bytes:
    """An archive as torch's, with this pickle and one storage of 16 bytes."""
    parts = {"data.pkl": content, "version": b"3\n", "byteorder": b"little", "data/0": bytes(16)}
    return stored({f"archive/{name}": data for name, data in parts.items()})


def described(run: Path, **facts: Any) -> bytes:
    """An exported generator with a changed description; tensors as they were."""
    kept = run / "generator.safetensors"
    with safetensors.safe_open(kept, "pt") as file:
        metadata = json.loads(file.metadata()["ganforge"])
    for path, value in facts.items():
        *parents, last = path.split("__")
        place = metadata
        for parent in parents:
            place = place[parent]
        place[last] = value
    tensors = safetensors.torch.load_file(kept)
    return safetensors.torch.save(tensors, {"ganforge": json.dumps(metadata)})
