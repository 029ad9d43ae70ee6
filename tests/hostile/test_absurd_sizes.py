"""Files that claim to be larger than they are: refused in words, with little memory."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from forging import described

from ganforge import export
from ganforge.engine import checkpoint
from ganforge.errors import GanforgeError
from ganforge.plugins import load_registry
from ganforge.recipe.load import load

CPU = torch.device("cpu")
Forge = Callable[[bytes], Path]


def saved(state: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@cache
def squeezed(content: bytes, zeros: int) -> bytes:
    """The same archive with its storages grown to so many zeros, and compressed."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.infolist():
            data = bytes(zeros) if "/data/" in part.filename else old.read(part)
            new.writestr(part.filename, data)
    return buffer.getvalue()


def claimed(content: bytes, size: int) -> bytes:
    """The same archive, whose directory says of every part that it has ``size`` bytes."""
    data = bytearray(content)
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data[place + 20 : place + 28] = struct.pack("<II", size, size)
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(data)


def deep(levels: int) -> bytes:
    """A pickle of lists in lists."""
    content = b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/version", b"3\n")
    return buffer.getvalue()


NOT_WHOLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "compressed": (lambda: squeezed(saved({"w": torch.zeros(4)}), 1 << 28), "it is compressed"),
    "claims": (
        lambda: claimed(saved({"w": torch.zeros(4)}), 0xFFFFFFF0),
        "its parts claim to be larger than the whole",
    ),
    "repeated": (
        lambda: saved({"w": torch.zeros(1).expand(10**12)}),
        r"a tensor of shape \(1000000000000,\) has too few bytes",
    ),
    "overlapping": (
        lambda: saved({"w": torch.zeros(1000).as_strided((900, 900), (0, 1))}),
        r"a tensor of shape \(900, 900\) has too few bytes",
    ),
    "sparse": (lambda: saved({"w": torch.eye(3).to_sparse()}), "a tensor that is not a plain one"),
    "meta": (
        lambda: saved({"w": torch.zeros(10**12, device="meta")}),
        "a tensor that is not a plain one",
    ),
    "deep": (lambda: deep(200_000), "."),
    "list": (lambda: saved([1, 2]), "it holds no state"),
    "no archive": (lambda: b"x" * 100, "it is no archive of torch's"),
    "empty": (lambda: b"", "it is no archive of torch's"),
}


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_a_checkpoint_takes_no_more_memory_than_it_has_bytes(forged: Forge, name: str) -> None:
    make, words = NOT_WHOLE[name]
    path = forged(make())
    with pytest.raises(GanforgeError, match=words):
        checkpoint.load(path, device=CPU)


HEADERS = {
    "huge": struct.pack("<Q", 1 << 60) + b"{}",
    "larger than the file": struct.pack("<Q", 10_000) + b"{}",
    "beyond": struct.pack("<Q", 60)
    + json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}})
    .encode()
    .ljust(60),
    "overlap": struct.pack("<Q", 140)
    + json.dumps({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"})
    .encode()
    .ljust(140)
    + bytes(4),
    "empty": b"",
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_export_with_an_absurd_header(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(HEADERS[name])
    with pytest.raises(GanforgeError, match="not a readable safetensors file"):
        export.read(path, load_registry(), device=CPU)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"options__channels": 10**9}, "its description asks for more memory than there is"),
        ({"options__channels": 10**4}, "its description is damaged: it makes .project.0.weight"),
        ({"injected__latent_dim": 10**12, "latent__dim": 10**12}, "description is damaged"),
        ({"latent__dim": 10**12}, "latents of 1000000000000 numbers for a network that takes 4"),
        ({"injected__image_shape": [1, 1 << 40, 1 << 40]}, "."),
        ({"injected__image_shape": "x" * 1000}, "."),
        ({"kind": "dataset", "use": "mnist"}, "."),
        ({"kind": "../../x"}, "."),
        ({"use": "\x1b[2J"}, "."),
        ({"plugin_file": "../../etc/passwd", "plugin": "acme"}, "of the file ../../etc/passwd"),
    ],
)
def test_an_export_with_an_absurd_description(
    run: Path, tmp_path: Path, facts: dict[str, Any], words: str
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(described(run, **facts))
    with pytest.raises(GanforgeError, match=words):
        export.read(path, load_registry(), device=CPU)


@pytest.mark.parametrize(
    "text",
    [
        "x: " + "[" * 100_000,
        "a: &a [1]\n" + "".join(f"b{i}: [*a, *a]\n" for i in range(10)),
        "x: " + "y" * (20 << 20),
        "? " * 50_000,
        "- " * 50_000,
    ],
    ids=["deep", "aliases", "long", "keys", "dashes"],
)
def test_a_recipe_that_would_explode(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    with pytest.raises(GanforgeError):
        load(path, load_registry())


def test_a_manifest_that_is_no_manifest(run: Path) -> None:
    path = run / "checkpoints" / "step_00000007"
    good = json.loads((path / "manifest.json").read_text())
    outside = run.parent / "outside"
    outside.write_bytes(b"precious")
    sums = {"bytes": 8, "sha256": hashlib.sha256(b"precious").hexdigest()}
    wrong: list[Any] = [
        [],
        {},
        {**good, "format": "3"},
        {**good, "format": True},
        {**good, "files": {}},
        {**good, "files": 7},
        {**good, "files": {**good["files"], "../../../outside": sums}},
        {**good, "files": {**good["files"], str(outside): sums}},
        {**good, "files": {**good["files"], "..": sums}},
        {**good, "files": {"state.pt": {"bytes": "x", "sha256": 5}}},
    ]
    for manifest in wrong:
        text = json.dumps(manifest).encode()
        (path / "manifest.json").write_bytes(text)
        line = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n"
        (path / "manifest.sha256").write_text(line)
        with pytest.raises(checkpoint.CheckpointError):
            checkpoint.load(path, device=CPU)
    (path / "manifest.json").write_bytes(b"[" * (1 << 21))
    with pytest.raises(checkpoint.CheckpointError, match="larger than 1 MiB"):
        checkpoint.load(path, device=CPU)
    (path / "manifest.json").write_bytes(b"[" * 100_000)
    (path / "manifest.sha256").unlink()
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.load(path, device=CPU)
    assert outside.read_bytes() == b"precious"


def test_a_checkpoint_of_links_and_pipes(forged: Forge, run: Path) -> None:
    """A link would let a stranger choose a file; to read a pipe would be to wait for ever."""
    state = run / "checkpoints" / "step_00000007" / "state.pt"
    content = state.read_bytes()
    elsewhere = run.parent / "elsewhere"
    elsewhere.write_bytes(content)
    path = forged(content)
    state.unlink()
    state.symlink_to(elsewhere)
    with pytest.raises(checkpoint.CheckpointError, match="is a file elsewhere"):
        checkpoint.load(path, device=CPU)
    state.unlink()
    os.mkfifo(state)
    with pytest.raises(checkpoint.CheckpointError, match=r"state.pt is no file"):
        checkpoint.load(path, device=CPU)
