"""Runs and checkpoints that a stranger might send."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from forging import STEP, seal

KEPT = Path(__file__).parents[1] / "formats" / "checkpoint_3"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a good run."""
    return Path(shutil.copytree(KEPT, tmp_path / "run"))


@pytest.fixture
def forged(run: Path) -> Callable[[bytes], Path]:
    """``forged(content)``: the checkpoint of the run, with another state and the right sums."""

    def forge(content: bytes) -> Path:
        checkpoint = run / "checkpoints" / STEP
        (checkpoint / "state.pt").write_bytes(content)
        seal(checkpoint)
        return checkpoint

    return forge
