"""Malicious pickles as checkpoint, export and data: told in words, and never executed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forging import Call
from payloads import KINDS, Evil, archive

from ganforge.engine import checkpoint

CPU = torch.device("cpu")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def test_the_payloads_work(marker: Path) -> None:
    """Where a pickle is trusted, they do what the tests say they never do."""
    for how in ("system", "eval", "method"):
        pickle.loads(pickle.dumps(Evil(marker, how)))
        assert marker.exists(), how
        marker.unlink()


@pytest.mark.parametrize("how", ["system", "eval", "method"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint(
    forged: Callable[[bytes], Path], marker: Path, ganforge: Call, kind: str, how: str
) -> None:
    """Its sums are right: whoever makes it makes them too. It may be of the oldest format."""
    path = forged(KINDS[kind](Evil(marker, how)))
    for number in (3, 1):
        if number == 1:
            manifest = json.loads((path / "manifest.json").read_text())
            (path / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
            (path / "manifest.sha256").unlink()
        with pytest.raises(checkpoint.CheckpointError) as caught:
            checkpoint.load(path, device=CPU)
        assert caught.value.reason.startswith(("it asks for ", "it is "))
        code, said = ganforge("resume", str(path.parents[1]), "-q")
        assert code == 1
        assert "this checkpoint cannot be read: " in said
        assert "Traceback" not in said
    assert not marker.exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pkl"])
def test_an_export(tmp_path: Path, marker: Path, ganforge: Call, kind: str, suffix: str) -> None:
    path = tmp_path / f"generator{suffix}"
    path.write_bytes(KINDS[kind](Evil(marker)))
    code, said = ganforge("generate", str(path), "--out", str(tmp_path / "grid.png"))
    assert code in (1, 2)
    assert f"Error: {path}: not a readable safetensors file" in said
    assert "Traceback" not in said
    assert not marker.exists()
    assert not (tmp_path / "grid.png").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_data(tmp_path: Path, marker: Path, ganforge: Call, kind: str) -> None:
    for name in ("images-idx3", "labels-idx1"):
        for suffix in ("", ".gz"):
            path = tmp_path / f"t10k-{name}-ubyte{suffix}"
            path.write_bytes(KINDS[kind](Evil(marker)))
    settings = (f"dataset.root={tmp_path}", "dataset.checksum=false")
    code, said = ganforge("run", "smoke", *settings, "-o", str(tmp_path / "runs"))
    assert code == 1
    assert "Error: dataset 'mnist': " in said
    assert "Traceback" not in said
    assert not marker.exists()
    assert not (tmp_path / "runs").exists()


def test_an_archive_of_something_else(forged: Callable[[bytes], Path]) -> None:
    path = forged(archive(pickle.dumps([1, 2], protocol=2)))
    with pytest.raises(checkpoint.CheckpointError, match="it holds no state"):
        checkpoint.load(path, device=CPU)
