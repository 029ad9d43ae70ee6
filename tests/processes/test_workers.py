"""The processes that read: they hold no lock of a run that is gone, and change no bit."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dying import Nursery, differing, final_state

SMALL = ("callbacks.0.every=1000 steps", "-q")


def alive(group: int) -> bool:
    """Whether some process of a group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_workers_of_a_killed_run_do_not_hold_its_lock(nursery: Nursery) -> None:
    """They notice after some seconds that they are alone; the run goes on before that."""
    run = nursery.folder / "runs" / "slow" / "00001"
    started = nursery.start("run", "slow.yaml", "callbacks.1.every=1 steps", *SMALL)
    started.meets(lambda: (run / "checkpoints" / "step_00000002").exists())
    started.kill(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    assert alive(started.process)
    nursery.run("resume", "runs/slow/00001", "train.steps=12", "-q")
    assert final_state(run)["step"] == 12


def test_two_processes_end_with_the_same_bits(nursery: Nursery) -> None:
    """With ``deterministic: true``, however the data are read."""
    for workers in (0, 2):
        wanted = ("deterministic=true", "train.steps=4", f"train.workers={workers}", *SMALL)
        nursery.run("run", "slow.yaml", *wanted)
    runs: list[Path] = sorted((nursery.folder / "runs" / "slow").iterdir())
    assert len(runs) == 2
    assert differing(final_state(runs[0]), final_state(runs[1])) == []


def test_an_operation_that_is_a_matter_of_luck_is_named(nursery: Nursery) -> None:
    """The run says which, that its recipe forbids it, and what it has saved; no traceback."""
    plugin = nursery.folder / "acme_slow.py"
    lucky = "torch.zeros(2).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False).sum()"
    old = 'return round.scores("real").square()'
    source = plugin.read_text()
    assert source.count(old) == 1
    plugin.write_text(source.replace(old, f"{old} + {lucky}"))
    started = nursery.start("run", "slow.yaml", "deterministic=true", "train.workers=0", *SMALL)
    assert started.wait() == 1
    printed = (nursery.folder / "output").read_text()
    assert "deterministic: true: put_ does not have a deterministic implementation" in printed
    assert "or write deterministic: false." in printed
    assert "Traceback" not in printed
