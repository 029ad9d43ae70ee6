"""Every bit of a checkpoint counts: whatever is changed in one is noticed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import torch

from ganforge.engine import checkpoint
from ganforge.engine.checkpoint import CheckpointError
from ganforge.errors import GanforgeError

CPU = torch.device("cpu")
FILES = ("state.pt", "manifest.json", "manifest.sha256")
MANIFEST = {"ganforge": "0.1.0", "torch": "2.13.0", "plugins": {"mnist": "ganforge 0.1.0"}}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints, of steps 1 and 2."""
    folder = tmp_path_factory.mktemp("pair")
    for step in (1, 2):
        state = {"step": step, "weights": {"w": torch.arange(500.0)}, "seen": [1, "two", None]}
        checkpoint.save(folder, state, {"step": step, **MANIFEST})
    return folder


def seen(folder: Path) -> tuple[int, list[str]]:
    """Which step is read, and what is told."""
    told: list[str] = []
    return checkpoint.load_newest(folder, device=CPU, tell=told.append).state["step"], told


def test_what_is_whole_is_read(pair: Path) -> None:
    assert seen(pair) == (2, [])


@pytest.mark.parametrize("file", FILES)
def test_a_single_bit_is_noticed(pair: Path, tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(pair, tmp_path / "copy")
    path = folder / "step_00000002" / file
    whole = path.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 50):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        step, (line,) = seen(folder)
        assert step == 1
        assert line.startswith("step_00000002 is damaged (")
        assert line.endswith("); going on from step_00000001")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_missing_end_is_noticed(pair: Path, tmp_path: Path, file: str, share: float) -> None:
    folder = shutil.copytree(pair, tmp_path / "copy")
    path = folder / "step_00000002" / file
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert seen(folder)[0] == 1


@pytest.mark.parametrize("file", ["state.pt", "manifest.sha256"])
def test_a_missing_file_is_noticed(pair: Path, tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(pair, tmp_path / "copy")
    (folder / "step_00000002" / file).unlink()
    assert seen(folder)[0] == 1


def test_when_all_are_damaged_each_is_told(pair: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pair, tmp_path / "copy")
    for path in folder.glob("*/state.pt"):
        path.write_bytes(b"")
    with pytest.raises(GanforgeError) as caught:
        seen(folder)
    assert "step_00000002: state.pt has 0 bytes" in caught.value.message
    assert "step_00000001: state.pt has 0 bytes" in caught.value.message
    with pytest.raises(GanforgeError, match="there is none"):
        seen(tmp_path / "empty")


def test_a_half_written_one_is_never_taken_for_one_and_is_cleared_away(
    pair: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(pair, tmp_path / "copy")
    shutil.copytree(folder / "step_00000002", folder / ".partial_step_00000003")
    assert seen(folder) == (2, [])
    checkpoint.save(folder, {"step": 4}, {"step": 4})
    assert sorted(path.name for path in folder.iterdir()) == [
        "step_00000001",
        "step_00000002",
        "step_00000004",
    ]


def test_a_manifest_does_not_lead_out_of_its_folder(pair: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pair, tmp_path / "copy")
    path = folder / "step_00000002"
    text = (path / "manifest.json").read_bytes()
    text = text.replace(b'"files": {', b'"files": {"../step_00000001/state.pt": {"bytes": 1},')
    (path / "manifest.json").write_bytes(text)
    (path / "manifest.sha256").write_bytes(checkpoint._seal(text))
    with pytest.raises(CheckpointError, match="is a file elsewhere"):
        checkpoint.load(path, device=CPU)


def test_the_first_format_is_still_read(pair: Path, tmp_path: Path) -> None:
    """It had neither checksums nor a seal."""
    path = shutil.copytree(pair / "step_00000002", tmp_path / "step_00000002")
    (path / "manifest.sha256").unlink()
    (path / "manifest.json").write_text('{"format": 1, "step": 2}')
    assert checkpoint.load(path, device=CPU).state["step"] == 2
