"""Where the time of a run's steps goes: ``ganforge run ... --profile 50``."""

from __future__ import annotations

import gzip
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ganforge.api import Callback, Run, Values
from ganforge.engine.parts import PREFIX

FOLDER = "profile"
SKIPPED = 10
"""Steps before those that are looked at: the first are slower."""


class Profile(Callback):
    """Looks at some steps with torch's profiler, and leaves a trace and a table.

    The table tells the milliseconds of a step: for each phase its forward and backward pass, the
    look whether gradients are finite, and its optimizers; what waits for data; the callbacks. On a
    GPU they are the device's, beside those of the process that gives it work.

    Args:
        steps: How many steps are looked at, behind the first ten of the run.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._lines: list[str] = []
        self._profile: profile | None = None

    def on_start(self, run: Run) -> None:
        self._first = run.clock.step + SKIPPED

    def on_step(self, run: Run, values: Values) -> None:
        step = run.clock.step
        if step == self._first:
            run.trainer.parts.watched = True
            cuda = [ProfilerActivity.CUDA] if run.trainer.device.type == "cuda" else []
            self._profile = profile(activities=[ProfilerActivity.CPU, *cuda])
            with _unsaid():
                self._profile.start()
            self._began = time.perf_counter()
        elif self._profile is not None and step == self._first + self.steps:
            self._stop(run, self.steps)

    def on_end(self, run: Run) -> None:
        """A run that ends before shows what was seen of it."""
        if self._profile is not None:
            self._stop(run, max(1, run.clock.step - self._first))
        elif not self._lines:
            self._lines = [f"profile: the run ended before its first {SKIPPED} steps were over"]

    def _stop(self, run: Run, steps: int) -> None:
        assert self._profile is not None
        if run.trainer.device.type == "cuda":
            torch.cuda.synchronize(run.trainer.device)
        seconds = time.perf_counter() - self._began
        with _unsaid():
            self._profile.stop()
        run.trainer.parts.watched = False
        looked, self._profile = self._profile, None
        rows = [
            (event.key.removeprefix(PREFIX), event.cpu_time_total, event.device_time_total)
            for event in looked.key_averages()
            if event.key.startswith(PREFIX)
        ]
        on_device = run.trainer.device.type == "cuda"
        self._lines = table(rows, seconds, steps, on_device=on_device)
        folder = run.folder / FOLDER
        folder.mkdir(exist_ok=True)
        (folder / "table.txt").write_text("\n".join(self._lines) + "\n")
        _write_trace(looked, folder / "trace.json.gz")
        self._lines += [f"trace       {folder / 'trace.json.gz'}   (chrome://tracing, Perfetto)"]

    def summary(self, run: Run) -> Sequence[str]:
        return self._lines


def table(
    rows: Iterable[tuple[str, float, float]], seconds: float, steps: int, *, on_device: bool
) -> list[str]:
    """Lines of a table, the longest part first.

    Args:
        rows: Part, and its microseconds in this process and on the device.
        seconds: Of all steps together.
        steps: How many there were.
        on_device: Show the device's time too, and go by it.
    """
    whole = 1e3 * seconds / steps
    parts = {name: (cpu / 1e3 / steps, device / 1e3 / steps) for name, cpu, device in rows}
    rest = max(0.0, whole - sum(cpu for cpu, _ in parts.values()))
    parts["the rest"] = (rest, 0.0)
    width = max(map(len, parts))
    heads = ["ms of a step", "share"] if not on_device else ["GPU ms", "share", "process ms"]
    lines = [f"profile: {steps} steps of {whole:.2f} ms"]
    lines += [f"{'part':{width}}  " + "  ".join(f"{head:>12}" for head in heads)]
    for name, (cpu, device) in sorted(parts.items(), key=lambda p: -p[1][on_device]):
        main = device if on_device else cpu
        cells = [f"{main:12.3f}", f"{main / whole:12.1%}", *([f"{cpu:12.3f}"] if on_device else [])]
        lines.append(f"{name:{width}}  {'  '.join(cells)}")
    return lines


@contextmanager
def _unsaid() -> Iterator[None]:
    """torch's profiler writes a line for each start and stop to the process's standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _write_trace(looked: profile, path: Path) -> None:
    plain = path.with_suffix("")
    looked.export_chrome_trace(str(plain))
    with plain.open("rb") as source, gzip.open(path, "wb") as packed:
        shutil.copyfileobj(source, packed)
    plain.unlink()
