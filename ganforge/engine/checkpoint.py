"""Checkpoints: folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from ganforge.engine.files import sync_folder, write_atomic
from ganforge.errors import GanforgeError

FORMAT = 1
_NAME = re.compile(r"step_(\d{8,})")


def save(folder: Path, state: dict[str, Any], manifest: dict[str, Any]) -> Path:
    """Write ``state`` as ``folder/step_<step>``: in a hidden folder first, then renamed.

    Returns:
        The checkpoint's folder.
    Raises:
        OSError: It could not be written; what was there before is untouched.
    """
    step = int(manifest["step"])
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step_{step:08d}"
    partial = folder / f".partial_{final.name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with (partial / "state.pt").open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    write_atomic(
        partial / "manifest.json", json.dumps({"format": FORMAT, **manifest}, indent=2).encode()
    )
    if final.exists():  # a damaged one of this step, from before the run was resumed
        shutil.rmtree(final)
    partial.rename(final)
    sync_folder(folder)
    return final


def steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder by step, oldest first."""
    found = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and (path / "manifest.json").is_file()
    }
    return dict(sorted(found.items()))


def prune(folder: Path, *, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints."""
    for path in list(steps(folder).values())[:-keep]:
        shutil.rmtree(path)


def load(path: Path, *, device: torch.device) -> dict[str, Any]:
    """Read one checkpoint; only plain containers and tensors are accepted.

    Raises:
        GanforgeError: It is damaged, or of a format that this version does not read.
    """
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        if not isinstance(manifest, dict):
            raise ValueError("the manifest is no mapping")
        if manifest["format"] != FORMAT:
            raise GanforgeError(
                f"{path}: checkpoint format {manifest['format']}, this version reads {FORMAT}",
                hint="Resume with the version of ganforge that wrote it.",
            )
        state: dict[str, Any] = torch.load(
            path / "state.pt", map_location=device, weights_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise GanforgeError(
            f"{path}: this checkpoint cannot be read: {reason}",
            hint="Delete the folder to resume from the checkpoint before it.",
        ) from error
    return state
