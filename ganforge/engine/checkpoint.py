"""Checkpoints: folders that appear whole or not at all, and whose damage is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from errno import EIO
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import torch

from ganforge.engine.files import HashingWriter, sha256_of, sync_folder, write_atomic
from ganforge.engine.untrusted import read_state
from ganforge.errors import GanforgeError

FORMAT = 3
READABLE = (1, 2, 3)
"""Format 1 had no checksums; up to format 2, a checkpoint was made between two steps."""

STATE = "state.pt"
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
"""The manifest's own checksum, as ``sha256sum --check`` reads it."""
_NAME = re.compile(r"step_(\d{8,})")
_PARTIAL = ".partial_"
_MAX_MANIFEST = 1 << 20


class CheckpointError(GanforgeError):
    """A checkpoint that cannot be used; ``reason`` says why in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: this checkpoint cannot be read: {reason}",
            hint="Delete the folder to resume from the checkpoint before it.",
        )
        self.path = path
        self.reason = reason


class Loaded(NamedTuple):
    """A checkpoint that was read: where it is, its state and its manifest."""

    path: Path
    state: dict[str, Any]
    manifest: dict[str, Any]


def save(folder: Path, state: dict[str, Any], manifest: dict[str, Any]) -> Path:
    """Write ``state`` as ``folder/step_<step>``: in a hidden folder first, read back, renamed.

    Args:
        folder: Of all checkpoints of the run.
        state: Plain containers and tensors.
        manifest: What there is to say of it; ``step`` at least.

    Returns:
        The checkpoint's folder.

    Raises:
        OSError: It could not be written, or not read back as it was written; what was there before
            is untouched.
    """
    step = int(manifest["step"])
    folder.mkdir(parents=True, exist_ok=True)
    clean(folder)
    final = folder / f"step_{step:08d}"
    partial = folder / f"{_PARTIAL}{final.name}"
    partial.mkdir()
    try:
        _write(partial, state, manifest)
        if final.exists():  # a damaged one of this step, from before the run was resumed
            shutil.rmtree(final)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(folder)
    return final


def _write(partial: Path, state: dict[str, Any], manifest: dict[str, Any]) -> None:
    path = partial / STATE
    with path.open("wb") as file:
        writer = HashingWriter(file)
        try:
            torch.save(state, cast("IO[bytes]", writer))  # it only writes
            file.flush()
            os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            cause = writer.error or error
            if not isinstance(cause, OSError):
                raise
            raise OSError(cause.errno, cause.strerror, str(path)) from None
    if sha256_of(path) != writer.digest:
        raise OSError(EIO, "the file reads back otherwise than it was written", str(path))
    files = {STATE: {"bytes": writer.size, "sha256": writer.digest}}
    text = json.dumps({"format": FORMAT, **manifest, "files": files}, indent=2).encode()
    write_atomic(partial / MANIFEST, text)
    write_atomic(partial / SEAL, _seal(text))


def _seal(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def clean(folder: Path) -> None:
    """Remove what a process left that died while it saved."""
    for path in folder.glob(f"{_PARTIAL}*") if folder.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder by step, oldest first."""
    found = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and (path / MANIFEST).is_file()
    }
    return dict(sorted(found.items()))


def prune(folder: Path, *, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints."""
    for path in list(steps(folder).values())[:-keep]:
        shutil.rmtree(path)


def load_newest(folder: Path, *, device: torch.device, tell: Callable[[str], None]) -> Loaded:
    """Read the newest checkpoint that is whole.

    Args:
        folder: Of all checkpoints of the run.
        device: Where tensors go.
        tell: Is given a line for each newer one that is damaged.

    Raises:
        GanforgeError: None can be read.
    """
    damaged: list[CheckpointError] = []
    for path in reversed(steps(folder).values()):
        try:
            loaded = load(path, device=device)
        except CheckpointError as error:
            damaged.append(error)
            continue
        for bad in damaged:
            tell(f"{bad.path.name} is damaged ({bad.reason}); going on from {path.name}")
        return loaded
    if len(damaged) == 1:
        raise damaged[0]
    told = "; ".join(f"{bad.path.name}: {bad.reason}" for bad in damaged)
    raise GanforgeError(
        f"no checkpoint in {folder} can be read: {told or 'there is none'}",
        hint="Start the run afresh from its recipe.yaml.",
    )


def load(path: Path, *, device: torch.device) -> Loaded:
    """Read one checkpoint; only plain containers and tensors are accepted.

    Raises:
        CheckpointError: It is damaged, or holds what is no plain state.
        GanforgeError: It is of a format that this version does not read.
    """
    try:
        manifest = read_manifest(path)
        _verify(path, manifest)
        state = read_state(path / STATE, device)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise CheckpointError(path, reason) from error
    return Loaded(path, state, manifest)


def read_manifest(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, or says too little.
        GanforgeError: It is of a format that this version does not read.
    """
    text = _read_small(path, MANIFEST)
    seal = path / SEAL
    if seal.exists() and _read_small(path, SEAL) != _seal(text):  # before any of it is believed
        raise ValueError(f"the SHA-256 of {MANIFEST} is not the one in {SEAL}")
    manifest = json.loads(text)
    if not isinstance(manifest, dict):
        raise ValueError("the manifest is no mapping")
    if type(manifest.get("format")) is not int:
        raise ValueError("its format is no number")
    if manifest["format"] not in READABLE:
        raise GanforgeError(
            f"{path}: checkpoint format {manifest['format']}, this version reads "
            f"{', '.join(map(str, READABLE))}",
            hint="Resume with the version of ganforge that wrote it.",
        )
    if manifest["format"] != 1 and not seal.is_file():
        raise ValueError(f"it has no {SEAL}")
    _check_said(manifest)
    return manifest


def _read_small(path: Path, name: str) -> bytes:
    file = path / name
    _check_own(path, name)
    with file.open("rb") as opened:
        text = opened.read(_MAX_MANIFEST + 1)
    if len(text) > _MAX_MANIFEST:
        raise ValueError(f"{name} is larger than 1 MiB")
    return text


def _check_own(path: Path, name: str) -> None:
    """See that a file is in this folder, and is one."""
    file = path / name
    if file.parent != path or file.is_symlink():
        raise ValueError(f"{name!r} is a file elsewhere")
    if file.exists() and not file.is_file():  # to read a pipe would be to wait for ever
        raise ValueError(f"{name} is no file")


def _check_said(manifest: dict[str, Any]) -> None:
    """See that what is told and compared later is what a manifest says."""
    plugins, recipe = manifest.get("plugins", {}), manifest.get("recipe", {})
    if not (isinstance(plugins, dict) and all(isinstance(it, str) for it in plugins.values())):
        raise ValueError("its manifest does not name plugins and their versions")
    if not isinstance(recipe, dict):
        raise ValueError("the recipe in its manifest is no mapping")


def _verify(path: Path, manifest: dict[str, Any]) -> None:
    """See that every file is as it was written; format 1 did not say how that was."""
    if manifest["format"] == 1:
        return
    for name, facts in {STATE: manifest["files"][STATE], **manifest["files"]}.items():
        _check_own(path, name)
        file = path / name
        size = file.stat().st_size
        if size != facts["bytes"]:
            raise ValueError(f"{name} has {size:,} bytes in place of {facts['bytes']:,}")
        if sha256_of(file) != facts["sha256"]:
            raise ValueError(f"the SHA-256 of {name} is not the one in the manifest")
