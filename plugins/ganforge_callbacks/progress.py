"""How the run is going: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from ganforge.api import Callback, Run, Values
from ganforge_callbacks.terminal import console

BELIEFS = {"belief_real": "D(x)", "belief_fake": "D(G(z))"}


def duration(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def describe(values: Values) -> str:
    """The phases' losses, and what the discriminator believes, in one line."""
    losses, beliefs = [], []
    for key, value in values.items():
        phase, _, name = key.rpartition("/")
        if name == "loss":
            losses.append(f"{phase} loss {float(value):.3f}")
        elif name in BELIEFS and not (phase == "generator" and "discriminator/" + name in values):
            beliefs.append(f"{BELIEFS[name]} {float(value):.2f}")
    return "  ".join(losses + beliefs)


class ProgressBar(Callback):
    """Epoch, bar, speed, time left, losses, D(x) and D(G(z)).

    Args:
        seconds: Where there is no terminal: how often a line is printed.
    """

    REFRESH = 0.25
    """Seconds between two looks at the numbers on a terminal; each look may wait for a device."""

    def __init__(self, *, seconds: Annotated[float, Field(gt=0)] = 10.0) -> None:
        self.seconds = seconds
        self._live: Live | None = None
        self._numbers = Text()
        self._next_look = 0.0

    def on_start(self, run: Run) -> None:
        self.on_rollback(run)
        self._next_look = self._started if console().is_terminal else self._started + self.seconds
        if run.facts.quiet or not console().is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total}  {task.fields[speed]}"),
            console=console(),
            expand=True,
        )
        self._task: TaskID = self._bar.add_task(
            "", total=run.clock.total_steps, completed=run.clock.step, epoch="", speed=""
        )
        self._live = Live(Group(self._bar, self._numbers), console=console(), refresh_per_second=4)
        self._live.start()

    def on_step(self, run: Run, values: Values) -> None:
        now = time.monotonic()
        if (now < self._next_look and not run.clock.finished) or run.facts.quiet:
            return
        if self._live is not None:
            self._next_look = now + self.REFRESH
            self._bar.update(
                self._task,
                completed=run.clock.step,
                epoch=self._epoch(run),
                speed=self._speed(run, now),
            )
            self._numbers.plain = describe(values)
        else:
            self._next_look = now + self.seconds
            clock = run.clock
            place = f"{self._epoch(run)}  step {clock.step}/{clock.total_steps}"
            console().print(f"{place}  {self._speed(run, now)}  {describe(values)}", soft_wrap=True)

    def on_rollback(self, run: Run) -> None:
        """Speed is that of the steps from here on."""
        self._started = time.monotonic()
        self._first_step = run.clock.step

    def on_end(self, run: Run) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _epoch(self, run: Run) -> str:
        clock = run.clock
        total = clock.total_steps / clock.steps_per_epoch
        return f"epoch {clock.epoch:.1f}/{float(total):.3g}"

    def _speed(self, run: Run, now: float) -> str:
        clock = run.clock
        rate = (clock.step - self._first_step) / max(now - self._started, 1e-9)
        left = (clock.total_steps - clock.step) / max(rate, 1e-9)
        images = rate * run.facts.batch_size
        return f"{rate:.1f} steps/s  {images:.0f} images/s  {duration(left)} left"
