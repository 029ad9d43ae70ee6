"""The process that commands are forked from, and a run that nothing interrupts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dying import HERE, Nursery, furnished


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def nursery(tmp_path: Path, server: subprocess.Popen[str]) -> Nursery:
    """A folder with the recipe ``slow.yaml`` and its plugin, and where commands run in it."""
    return furnished(tmp_path, server)


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory, server: subprocess.Popen[str]) -> Path:
    """The folder of the run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("straight")
    furnished(folder, server).run("run", "slow.yaml", "-q")
    return folder / "runs" / "slow" / "00001"
