"""Checkpoints appear whole or not at all, and nothing in them is run."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import torch

from ganforge.engine import checkpoint
from ganforge.errors import GanforgeError

CPU = torch.device("cpu")


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    state = {"step": 3, "weights": {"w": torch.arange(4.0)}, "list": [1, "two", None]}
    path = checkpoint.save(tmp_path, state, {"step": 3})
    assert path == tmp_path / "step_00000003"
    back = checkpoint.load(path, device=CPU).state
    assert torch.equal(back["weights"]["w"], state["weights"]["w"])  # type: ignore[index]
    assert back["list"] == state["list"]
    manifest = json.loads((path / "manifest.json").read_text())
    data = (path / "state.pt").read_bytes()
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert manifest == {"format": 3, "step": 3, "files": {"state.pt": facts}}
    assert subprocess.run(["sha256sum", "--check", "manifest.sha256"], cwd=path).returncode == 0


def test_a_save_that_breaks_leaves_the_older_ones_and_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = checkpoint.save(tmp_path, {"w": torch.ones(2)}, {"step": 1})
    before = {path.name: path.read_bytes() for path in first.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, {"w": torch.ones(2)}, {"step": 2})
    assert list(checkpoint.steps(tmp_path)) == [1]
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    monkeypatch.undo()
    checkpoint.save(tmp_path, {"w": torch.ones(2)}, {"step": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000001", "step_00000002"]


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        path = checkpoint.save(tmp_path, {"w": torch.tensor(value)}, {"step": 1})
    assert checkpoint.load(path, device=CPU).state["w"] == 2.0


def test_checkpoints_are_ordered_by_step_and_pruned_from_the_oldest(tmp_path: Path) -> None:
    for step in (10, 9, 100_000_000, 11):
        checkpoint.save(tmp_path, {}, {"step": step})
    (tmp_path / "step_00000099").mkdir()  # no manifest: no checkpoint
    assert list(checkpoint.steps(tmp_path)) == [9, 10, 11, 100_000_000]
    checkpoint.prune(tmp_path, keep=2)
    assert list(checkpoint.steps(tmp_path)) == [11, 100_000_000]
    assert checkpoint.steps(tmp_path / "nowhere") == {}


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.target, "w")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    path = checkpoint.save(tmp_path / "c", {}, {"step": 1})
    torch.save({"trainer": Bomb(str(proof))}, path / "state.pt")
    with pytest.raises(GanforgeError, match="this checkpoint cannot be read"):
        checkpoint.load(path, device=CPU)
    assert not proof.exists()


@pytest.mark.parametrize("damage", ["state.pt", "manifest.json"])
def test_damage_is_told_with_what_to_do(tmp_path: Path, damage: str) -> None:
    path = checkpoint.save(tmp_path, {"w": torch.ones(100)}, {"step": 1})
    file = path / damage
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(GanforgeError, match="this checkpoint cannot be read") as caught:
        checkpoint.load(path, device=CPU)
    assert "Delete the folder" in str(caught.value.hint)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, {}, {"step": 1})
    text = b'{"format": 7, "step": 1}'
    (path / "manifest.json").write_bytes(text)
    (path / "manifest.sha256").write_text(f"{hashlib.sha256(text).hexdigest()}  manifest.json\n")
    with pytest.raises(GanforgeError, match="checkpoint format 7, this version reads 1, 2, 3"):
        checkpoint.load(path, device=CPU)
