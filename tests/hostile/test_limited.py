"""Each absurd file is refused in a process that cannot have the memory that the file asks for."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forging import STEP, described

HERE = Path(__file__).parent
LIMIT = 300_000_000
"""More than a process has that has read a good file of each kind."""
TAKEN = 150_000_000
"""More than any of these files may really use; the largest of them has 100 MB."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are told as Linux does")


def checkpoints(folder: Path, run: Path) -> Iterator[Path]:
    for name in ("manifest.json", "manifest.sha256"):
        path = folder / f"large_{name}"
        shutil.copytree(run / "checkpoints" / STEP, path)
        with (path / name).open("r+b") as file:
            file.truncate(4 << 30)  # of zeros that take no room on the disk
        yield path


DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "channels": {"options__channels": 10**9},
    "some channels": {"options__channels": 10**4},
    "latents": {"injected__latent_dim": 10**12, "latent__dim": 10**12},
    "unsaid latents": {"latent__dim": 10**12},
    "sides": {"injected__image_shape": [1, 1 << 40, 1 << 40]},
    "bands": {"injected__image_shape": [1 << 40, 28, 28]},
    "dimensions": {"injected__image_shape": [1] * 100_000},
    "text": {"use": "x" * 1_000_000},
}


def headers() -> dict[str, bytes]:
    absurd = {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    negative = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}
    reversed_ = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}
    texts = {
        "absurd": json.dumps(absurd),
        "negative": json.dumps(negative),
        "reversed": json.dumps(reversed_),
        "deep": '{"__metadata__":' + "[" * 100_000,
        "wide": '{"__metadata__":{' + ",".join(f'"{n}":"x"' for n in range(10**6)) + "}}",
        "deep description": json.dumps({"__metadata__": {"ganforge": "[" * 100_000}}),
    }
    made = {name: struct.pack("<Q", len(text)) + text.encode() for name, text in texts.items()}
    made["huge"] = struct.pack("<Q", 1 << 60) + b"{}"
    made["largest"] = struct.pack("<Q", (1 << 64) - 1) + b"{}"
    return made


def exports(folder: Path, run: Path) -> Iterator[Path]:
    contents = {name: described(run, **facts) for name, facts in DESCRIPTIONS.items()}
    for name, content in {**contents, **headers()}.items():
        path = folder / f"{name}.safetensors"
        path.write_bytes(content)
        yield path
    path = folder / "sparse.safetensors"
    with path.open("wb") as file:  # a header as large as the format allows, of zeros
        file.write(struct.pack("<Q", 99_000_000))
        file.truncate(100_000_000)
    yield path


def recipes(folder: Path) -> Iterator[Path]:
    laughs = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)
    )
    texts = {
        "laughs": laughs,
        "large": "x: " + "y" * (100 << 20),
        "brackets": "x: " + "[" * 100_000,
        "braces": "x: " + "{a: " * 100_000,
        "dashes": "- " * 100_000,
        "questions": "? " * 100_000,
        "entries": "x: [" + "1," * 500_000 + "]",
        "keys": "\n".join(f"k{n}: 1" for n in range(80_000)),
        "quote": 'x: "' + "\\n" * 500_000,
        "merge": "x: &x {<<: *x}\n" * 1000,
    }
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        path.write_text(text)
        yield path


def idx_files(folder: Path) -> Iterator[tuple[str, Path]]:
    most = (1 << 32) - 1
    images = {
        "all": struct.pack(">4I", 0x803, most, most, most),
        "two": struct.pack(">4I", 0x803, most, most, 1),
        "allowed": struct.pack(">4I", 0x803, 1 << 21, 32, 31),
        "nothing": struct.pack(">4I", 0x803, most, 0, most),
    }
    for name, head in images.items():
        for packed in (False, True):
            path = folder / f"images_{name}{'.gz' if packed else ''}"
            content = head + bytes(1000)
            path.write_bytes(gzip.compress(content) if packed else content)
            yield "images", path
    labels = struct.pack(">2I", 0x801, 1_900_000_000) + bytes(LIMIT + TAKEN)
    path = folder / "labels.gz"
    path.write_bytes(gzip.compress(labels, 1))
    yield "labels", path
    path = folder / "more.gz"  # what it declares is there, and then a bomb
    path.write_bytes(gzip.compress(struct.pack(">2I", 0x801, 10) + bytes(LIMIT + TAKEN), 1))
    yield "labels", path


def test_files_that_ask_for_all_memory(run: Path, tmp_path: Path) -> None:
    smoke = tmp_path / "good.yaml"
    shutil.copy(run / "recipe.yaml", smoke)
    goods = {"checkpoint": run / "checkpoints" / STEP, "export": run / "generator.safetensors"}
    files = [("checkpoint", path) for path in checkpoints(tmp_path, run)]
    files += [("export", path) for path in exports(tmp_path, run)]
    files += [("recipe", path) for path in recipes(tmp_path)]
    files += list(idx_files(tmp_path))
    lines = [json.dumps([kind, str(path), str(goods.get(kind, ""))]) for kind, path in files]
    done = subprocess.run(
        [sys.executable, str(HERE / "limited.py"), str(LIMIT)],
        input="\n".join(lines),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (files[len(results)], done.stderr)
    assert len(results) == len(files) > 30
    for path, kinds, said, taken in results:
        assert "GanforgeError" in kinds, (path, kinds, said)
        assert said, path
        assert "MemoryError" not in said, (path, said)
        assert taken < TAKEN, (path, taken)
