"""SIGKILL while a checkpoint is written: what was saved before is whole, and the run goes on."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from dying import Nursery, differing, final_state

from ganforge.engine import checkpoint

KILLS = 20
OFTEN = "callbacks.1.every=2 steps"


def partials(run: Path) -> list[Path]:
    return list((run / "checkpoints").glob(".partial_*"))


def kill_while_saving(nursery: Nursery, run: Path, *command: str) -> bool:
    """Start a command and kill it at a random moment of a save; whether it was in the middle."""
    command_ = nursery.start(*command)
    before = set(checkpoint.steps(run / "checkpoints"))
    # not the first save of the process, so that the run gets on between two kills
    command_.meets(lambda: set(checkpoint.steps(run / "checkpoints")) - before)
    command_.meets(lambda: partials(run))
    time.sleep(random.uniform(0.0, 0.04))
    command_.kill(signal.SIGKILL)
    assert command_.wait() == -signal.SIGKILL
    return bool(partials(run))


@pytest.mark.slow
def test_twenty_kills_during_saves(nursery: Nursery) -> None:
    """Each time the run resumes from a whole checkpoint; it ends as if nothing had happened.

    No half-written folder is ever taken for a checkpoint, and none is left in the end. The lock of
    a process that was killed keeps nobody out, though its workers may live a moment longer.
    """
    random.seed(1)
    run = nursery.folder / "runs" / "slow" / "00001"
    command = ["run", "slow.yaml", OFTEN, "train.steps=1000", "-q"]
    in_the_middle = 0
    for _ in range(3 * KILLS):
        in_the_middle += kill_while_saving(nursery, run, *command)
        assert all((path / "manifest.json").is_file() for path in checkpoint.steps(
            run / "checkpoints").values())  # fmt: skip
        command = ["resume", "runs/slow/00001", "-q"]
        if in_the_middle == KILLS:
            break
    assert in_the_middle == KILLS
    length = f"train.steps={max(checkpoint.steps(run / 'checkpoints')) + 1}"
    assert "damaged" not in nursery.run(*command, length)
    assert not partials(run)
    nursery.run("run", "slow.yaml", OFTEN, length, "-q")
    straight = nursery.folder / "runs" / "slow" / "00002"
    assert differing(final_state(straight), final_state(run)) == []
