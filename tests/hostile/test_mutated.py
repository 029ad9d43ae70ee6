"""Good files, changed at random: each is used, or refused by an error in words."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forging import seal, stored

from ganforge import export
from ganforge.engine import checkpoint
from ganforge.errors import GanforgeError
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import folder as recipes
from ganforge_mnist.idx import IMAGES, read_idx

CPU = torch.device("cpu")
PIECES = [
    *"[]{},:#&*!|>'\"%@`-?\\~.0_eE+=<x",
    *"\t\n\r\0\x1b\x7f\x85\u2028\u202e\ufeff\U0001f600",
    "---\n", "...\n", "<<: ", "!!map ", "!!python/object/apply:os.system ", "&a ", "*a", "? ", ": ",
    "- ", "1e999", "-1", "null", "true", ".nan", "12:30", "{use: ", "use: mnist", "\n  ",
]  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to four changes: flipped bits, other bytes, cuts, doubled and moved pieces."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not data:
            break
        place = rng.randrange(len(data))
        length = min(rng.choice([1, 2, 4, 8, 64]), len(data) - place)
        kind = rng.randrange(6)
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + length] = rng.randbytes(length)
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length]
        elif kind == 4:
            data[place : place + length] = rng.choice([b"\xff", b"\0", b"\x7f"]) * length
        else:
            del data[place:]
    return bytes(data)


def mutated_text(text: str, rng: random.Random) -> str:
    """The same for a text, with pieces that mean something in YAML."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        stop = start + rng.choice([0, 0, 1, 3, 30])
        text = text[:start] + rng.choice(PIECES) + text[stop:]
        if rng.random() < 0.3:
            lines = text.splitlines(keepends=True)
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines or [""]))
            text = "".join(lines)
    return text


def count(attempts: int, attempt: Callable[[random.Random], None]) -> tuple[int, int]:
    """How many were used, and how many refused; anything but a clear error is a fault."""
    used = refused = 0
    for seed in range(attempts):
        try:
            attempt(random.Random(seed))
            used += 1
        except GanforgeError as error:
            refused += bool(str(error).encode().strip())
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    assert used + refused == attempts  # every refusal has a text
    return used, refused


@pytest.mark.slow
def test_500_recipes(tmp_path: Path) -> None:
    names = ("mnist_dcgan", "mnist_dcgan_2019", "smoke")
    texts = [(recipes() / f"{name}.yaml").read_text() for name in names]
    registry = load_registry()
    path = tmp_path / "mutated.yaml"

    def attempt(rng: random.Random) -> None:
        path.write_bytes(mutated_text(rng.choice(texts), rng).encode(errors="surrogatepass"))
        load(path, registry)

    used, refused = count(500, attempt)
    assert used > 20
    assert refused > 200


def test_500_idx_files(tmp_path: Path) -> None:
    header = struct.pack(">4I", 0x803, 6, 5, 4)
    good = header + bytes(range(120))
    path = tmp_path / "images"

    def attempt(rng: random.Random) -> None:
        packed = rng.random() < 0.5
        content = gzip.compress(good, mtime=0) if packed else good
        path.write_bytes(mutated(content, rng))
        values = read_idx(path, IMAGES)
        assert values.ndim == 3

    used, refused = count(500, attempt)
    assert used > 20
    assert refused > 200


def test_500_exports(run: Path, tmp_path: Path) -> None:
    """Half of them are changed in what the file says of itself, which is at its front."""
    good = (run / "generator.safetensors").read_bytes()
    front = 8 + struct.unpack("<Q", good[:8])[0]
    registry = load_registry()
    path = tmp_path / "generator.safetensors"

    def attempt(rng: random.Random) -> None:
        if rng.random() < 0.5:
            head = mutated(good[8:front], rng)
            path.write_bytes(struct.pack("<Q", len(head)) + head + good[front:])
        else:
            path.write_bytes(mutated(good, rng))
        exported = export.read(path, registry, device=CPU)
        assert exported(torch.zeros(1, exported.latent.dim)).shape[0] == 1

    used, refused = count(500, attempt)
    assert used > 20
    assert refused > 200


def test_500_checkpoints(run: Path) -> None:
    """With sums that are right, in the archive too, so that the readers of each are reached."""
    path = next((run / "checkpoints").iterdir())
    good = (path / "state.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}

    def attempt(rng: random.Random) -> None:
        content = mutated(good, rng)
        if rng.random() < 0.7:
            name = rng.choice([*parts, *["archive/data.pkl"] * len(parts)])
            content = stored({**parts, name: mutated(parts[name], rng)})
        (path / "state.pt").write_bytes(content)
        seal(path)
        checkpoint.load(path, device=CPU)

    used, refused = count(500, attempt)
    assert used > 20
    assert refused > 200
