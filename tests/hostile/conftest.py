"""Runs and checkpoints that a stranger might send."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forging import STEP, Call, seal

from ganforge.cli import main

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


@pytest.fixture
def sealed(run: Path) -> Callable[..., Path]:
    """``sealed(key=value)``: the checkpoint, with a manifest that says so and has the right sum."""

    def change(**facts: Any) -> Path:
        checkpoint = run / "checkpoints" / STEP
        seal(checkpoint, **facts)
        return checkpoint

    return change


@pytest.fixture
def ganforge(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """``ganforge(*arguments)``: the exit code and all that was said."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ganforge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), "".join(capfd.readouterr())

    return call
