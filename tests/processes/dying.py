"""Real processes that die: started, met at a place of one's choice, and looked at afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganforge.engine import checkpoint

HERE = Path(__file__).parent
RECIPE = """\
version: 1
name: slow
plugins: [acme_slow.py]
dataset: {use: squares}
latent: {dim: 8}
generator: {use: dcgan, channels: 2}
discriminator: {use: dcgan, channels: 2}
loss: {use: non_saturating}
game: {d_steps: 2}
regularizers:
  - {use: slow_judge, weight: 0.01}
  - {use: slow_maker, weight: 0.01, every: 2}
optimizer: {generator: {use: adam}, discriminator: {use: adam}}
ema: {decay: 0.9}
train: {steps: 60, batch_size: 8, workers: 2}
callbacks:
  - {use: sample_grid, every: 20 steps, count: 4}
  - {use: checkpoint, every: 10 steps, keep: 2}
  - {use: look}
  - {use: loss_plot, enabled: false}
"""


class Command:
    """A command under way in a process of its own."""

    def __init__(self, nursery: subprocess.Popen[str], folder: Path) -> None:
        self._nursery = nursery
        self.folder = folder
        assert nursery.stdout is not None
        self.process: int = json.loads(nursery.stdout.readline())

    def kill(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the process, or to its workers too, as a terminal does."""
        (os.killpg if group else os.kill)(self.process, number)

    def wait(self) -> int:
        """The exit code; minus a signal's number if it died of one."""
        assert self._nursery.stdout is not None
        code: int = json.loads(self._nursery.stdout.readline())
        return code

    def meets(self, found: Callable[[], object], *, seconds: float = 60) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < until, (self.folder / "output").read_text()
            time.sleep(0.002)


class Nursery:
    """Starts commands, one at a time, in a folder."""

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server = server
        self.folder = folder

    def start(self, *arguments: str) -> Command:
        """Start ``ganforge arguments``."""
        output = self.folder / "output"
        wanted = {"arguments": arguments, "folder": str(self.folder), "output": str(output)}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(wanted) + "\n")
        self._server.stdin.flush()
        return Command(self._server, self.folder)

    def run(self, *arguments: str) -> str:
        """Run a command to its end, which has to be good; what it printed."""
        (self.folder / "output").unlink(missing_ok=True)
        code = self.start(*arguments).wait()
        printed = (self.folder / "output").read_text()
        assert code == 0, printed
        return printed


def final_state(run: Path) -> dict[str, Any]:
    """Everything that the last checkpoint of a run holds of its training."""
    path = list(checkpoint.steps(run / "checkpoints").values())[-1]
    state: dict[str, Any] = checkpoint.load(path, device=torch.device("cpu")).state["trainer"]
    return state


def differing(first: Any, second: Any, place: str = "") -> list[str]:
    """Where two states are not bit-equal."""
    if isinstance(first, Tensor):
        same = first.dtype == second.dtype and torch.equal(first, second)
        return [] if same else [place]
    if isinstance(first, dict):
        assert first.keys() == second.keys(), place
        return [w for key in first for w in differing(first[key], second[key], f"{place}.{key}")]
    if isinstance(first, list | tuple):
        assert len(first) == len(second), place
        pairs = enumerate(zip(first, second, strict=True))
        return [where for i, (a, b) in pairs for where in differing(a, b, f"{place}.{i}")]
    return [] if first == second else [place]


def furnished(folder: Path, server: subprocess.Popen[str]) -> Nursery:
    (folder / "slow.yaml").write_text(RECIPE)
    shutil.copy(HERE / "acme_slow.py", folder)
    return Nursery(server, folder)
