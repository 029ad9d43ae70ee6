"""``python -m benchmarks.peer_side NAME``: one side of ``peers``, in a process of its own.

It reads how many steps to take from standard input, and writes how many seconds each took.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from benchmarks import loops, peer_loops, turns
from benchmarks.overhead import a_run
from ganforge.api import Callback, Run, Values
from ganforge.device import choose

OURS = ("ganforge", "ganforge, fresh fakes")


class OnDemand(Callback):
    """Lets a run take so many steps whenever it is told to."""

    def __init__(self, answers: TextIO) -> None:
        self.answers = answers
        self._left = 0

    def on_start(self, run: Run) -> None:
        self._wait(run)

    def on_step(self, run: Run, values: Values) -> None:
        self._left -= 1
        if self._left == 0:
            turns.synchronize()
            taken = turns.now() - self._began
            print(taken / self._count, file=self.answers, flush=True)
            self._wait(run)

    def _wait(self, run: Run) -> None:
        line = sys.stdin.readline()
        if not line:
            run.request_stop("There is nobody left to ask")
            return
        self._count = self._left = int(line)
        self._began = turns.now()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    asked = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")  # whatever else is printed is no answer
    os.dup2(2, 1)
    images = loops.mnist(choose(None))
    task = loops.Task(images, channels=asked.width, batch_size=asked.batch, textbook=True)
    if asked.name in OURS:
        with tempfile.TemporaryDirectory() as home:
            reuse = asked.name == OURS[0]
            run = a_run(task, Path(home, "run"), steps=10**6, reuse_fakes=reuse)
            run.callbacks["on demand"] = OnDemand(answers)
            run.play()
        return
    side = peer_loops.SIDES[asked.name](task)
    for line in sys.stdin:
        print(turns.seconds(side, int(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
