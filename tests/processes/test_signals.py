"""SIGINT and SIGTERM: saved from wherever a run is, the right exit code, an exact resume."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest
from dying import Nursery, differing, final_state

from ganforge.engine import checkpoint

PLACES = ("discriminator", "generator", "evaluation", "save", "data")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def rows(run: Path) -> list[int]:
    """The steps of ``metrics.jsonl``."""
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def interrupt(nursery: Nursery, place: str, number: signal.Signals, *command: str) -> None:
    """Run a command, send it a signal at a place, and see that it saved and said how to go on."""
    folder = nursery.folder
    for name in ("here", "output", "clock"):
        (folder / name).unlink(missing_ok=True)
    run = folder / "runs" / "slow" / "00001"
    step = max(checkpoint.steps(run / "checkpoints"), default=0)
    (folder / "dawdle").write_text(place)
    started = nursery.start(*command)
    if place == "save":
        started.meets(lambda: list((run / "checkpoints").glob(".partial_*")))
    else:
        started.meets((folder / "here").exists)
        time.sleep(random.uniform(0.0, 0.2))
    if (folder / "clock").exists():
        step = int((folder / "clock").read_text())
    sent = time.monotonic()
    started.kill(number, group=True)
    code = started.wait()
    seconds = time.monotonic() - sent
    printed = (folder / "output").read_text()
    assert code == 128 + number, printed
    assert seconds < 10, (place, number, seconds)
    saved = max(checkpoint.steps(run / "checkpoints"))
    assert step <= saved <= step + 1, printed
    assert f"Stopped and saved at step {saved} of 60." in printed
    assert "Resume with: ganforge resume runs/slow/00001" in printed
    assert "Traceback" not in printed
    assert rows(run) == list(range(1, saved + 1))


@pytest.mark.slow
@pytest.mark.parametrize("order", range(5))
def test_a_run_is_saved_from_wherever_a_signal_meets_it(
    nursery: Nursery, straight: Path, order: int
) -> None:
    """Ten interruptions of one run, each signal at each place; it ends as if there had been none.

    Five of these runs make five of each.
    """
    random.seed(order)
    wanted = [(place, number) for place in PLACES for number in SIGNALS]
    random.shuffle(wanted)
    command = ["run", "slow.yaml", "-q"]
    for place, number in wanted:
        interrupt(nursery, place, number, *command)
        command = ["resume", "runs/slow/00001", "-q"]
    for name in ("here", "dawdle"):
        (nursery.folder / name).unlink(missing_ok=True)
    nursery.run(*command)

    interrupted = nursery.folder / "runs" / "slow" / "00001"
    assert differing(final_state(straight), final_state(interrupted)) == []
    assert rows(interrupted) == list(range(1, 61))
    values = [(path / "metrics.jsonl").read_text().splitlines() for path in (interrupted, straight)]
    for one, other in zip(*values, strict=True):
        first, second = json.loads(one), json.loads(other)
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_a_second_ctrl_c_ends_at_once(nursery: Nursery) -> None:
    """A callback that does not ask whether it should stop is waited for once, and not twice."""
    (nursery.folder / "dawdle").write_text("stubborn")
    started = nursery.start("run", "slow.yaml", "-q")
    started.meets((nursery.folder / "here").exists)
    output = nursery.folder / "output"
    started.kill(signal.SIGINT)
    time.sleep(0.5)
    assert not output.read_text()
    sent = time.monotonic()
    started.kill(signal.SIGINT)
    assert started.wait() == 130
    assert time.monotonic() - sent < 5
    assert output.read_text().strip() == "Interrupted; what was saved before is untouched."


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_first_step_ends_in_order(
    nursery: Nursery, number: signal.Signals
) -> None:
    """Data are being read for the first time; there is nothing to save."""
    (nursery.folder / "dawdle").write_text("reading")
    started = nursery.start("run", "slow.yaml", "-q")
    started.meets((nursery.folder / "here").exists)
    started.kill(number)
    assert started.wait() == 128 + number
    said = (nursery.folder / "output").read_text().strip()
    assert said == "Interrupted; what was saved before is untouched."
