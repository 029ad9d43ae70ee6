"""Runs and checkpoints that a stranger might send."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / "formats" / "checkpoint_3"
STEP = "step_00000007"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a good run."""
    return Path(shutil.copytree(KEPT, tmp_path / "run"))


def seal(checkpoint: Path) -> None:
    """Give a checkpoint the sums of what is in it now, as its maker can."""
    content = (checkpoint / "state.pt").read_bytes()
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"] = {**manifest["files"], "state.pt": facts}
    text = json.dumps(manifest).encode()
    (checkpoint / "manifest.json").write_bytes(text)
    line = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n"
    (checkpoint / "manifest.sha256").write_text(line)


@pytest.fixture
def forged(run: Path) -> Callable[[bytes], Path]:
    """``forged(content)``: the checkpoint of the run, with another state and the right sums."""

    def forge(content: bytes) -> Path:
        checkpoint = run / "checkpoints" / STEP
        (checkpoint / "state.pt").write_bytes(content)
        seal(checkpoint)
        return checkpoint

    return forge
