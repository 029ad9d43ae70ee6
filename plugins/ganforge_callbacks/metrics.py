"""Every step's numbers, one JSON object a line."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Callback, Clock, Run, Values, write_atomic

FILE = "metrics.jsonl"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; lines that are none, as a crash may leave, are left out."""
    with path.open("rb") as file:
        return [row for line in file if (row := read_row(line)) is not None]


def read_row(line: bytes) -> dict[str, Any] | None:
    """The row that a line is, or None if it is none."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


class _Row(NamedTuple):
    """What becomes a row: when, seconds of training, what callbacks say, what was measured."""

    clock: Clock
    seconds: float
    further: dict[str, Any]
    values: Mapping[str, Tensor]


class Metrics(Callback):
    """Writes ``metrics.jsonl``: step, epoch, seconds of training, and every recorded value.

    What other callbacks have found at a step, such as an evaluation, stands in its row too.

    Values stay on the device until some steps have come together, and are then read at once: one
    wait for an accelerator instead of one a step. A run that is resumed or goes back takes back the
    rows behind its checkpoint, so that there are neither gaps nor doubles. What was not finite is
    ``null``.

    Args:
        every: Record every k-th step.
        flush: Write after so many recorded steps.
    """

    def __init__(
        self, *, every: Annotated[int, Field(ge=1)] = 1, flush: Annotated[int, Field(ge=1)] = 50
    ) -> None:
        self.every = every
        self.flush = flush
        self._seconds = 0.0
        self._since = time.monotonic()
        self._rows: list[_Row] = []
        self._last: tuple[int, dict[str, Any]] | None = None

    def on_start(self, run: Run) -> None:
        self._keep_up_to_now(run)
        self._since = time.monotonic()

    def on_rollback(self, run: Run) -> None:
        self._rows.clear()
        self.on_start(run)

    def _keep_up_to_now(self, run: Run) -> None:
        """Take back the rows behind the present step."""
        path = run.folder / FILE
        rows = read_rows(path) if path.exists() else []
        kept = [json.dumps(row) + "\n" for row in rows if row["step"] <= run.clock.step]
        write_atomic(path, "".join(kept).encode())
        self._last = None

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step % self.every:
            return
        if self._has_row(run):  # a callback before this one had something to say
            self._rows[-1] = self._rows[-1]._replace(values=values)
        else:
            self._rows.append(_Row(run.clock, self._elapsed(), {}, values))
        if len(self._rows) >= self.flush:
            self._write(run)

    def on_record(self, run: Run, row: Mapping[str, Any]) -> None:
        if not self._has_row(run):
            self._rows.append(_Row(run.clock, self._elapsed(), self._take_back(run), {}))
        self._rows[-1].further.update(row)

    def _has_row(self, run: Run) -> bool:
        """Whether the last row that is still to be written is the present step's."""
        return bool(self._rows) and self._rows[-1].clock.step == run.clock.step

    def _take_back(self, run: Run) -> dict[str, Any]:
        """The last row that was written, taken off the file, if it is the present step's; else
        nothing."""
        path = run.folder / FILE
        if self._last is None or self._last[1]["step"] != run.clock.step or not path.exists():
            return {}
        size, row = self._last
        os.truncate(path, size)
        self._last = None
        return row

    def before_save(self, run: Run) -> None:
        self._write(run)

    def on_end(self, run: Run) -> None:
        self._write(run)

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self._elapsed()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._seconds = float(state["seconds"])

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._since

    def _write(self, run: Run) -> None:
        if not self._rows:
            return
        numbers = iter(_numbers([value for row in self._rows for value in row.values.values()]))
        rows = [
            {
                "step": row.clock.step,
                "epoch": round(row.clock.epoch, 4),
                "seconds": round(row.seconds, 3),
                **row.further,
                **{name: _json(next(numbers)) for name in row.values},
            }
            for row in self._rows
        ]
        lines = [json.dumps(row) + "\n" for row in rows]
        path = run.folder / FILE
        size = path.stat().st_size if path.exists() else 0
        try:
            with path.open("a") as file:
                file.writelines(lines)
        except OSError:  # these rows are tried again, so none of them may be there already
            os.truncate(path, size)
            raise
        self._last = size + sum(map(len, lines[:-1])), rows[-1]
        self._rows.clear()


def _numbers(scalars: list[Tensor]) -> list[float]:
    """Read all at once where a device is waited for, and one by one where there is none."""
    if all(scalar.device.type == "cpu" for scalar in scalars):
        return [float(scalar.item()) for scalar in scalars]
    return torch.stack([scalar.float() for scalar in scalars]).tolist()


def _json(number: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return number if math.isfinite(number) else None
