"""``python -m benchmarks peers``: ganforge beside the plain loop and other frameworks.

Each side is a process of its own, so that none has what another sets for its process, and all
wait while one takes its steps; the order changes every round. ganforge is a whole run with its
default callbacks. The others train networks of torch's (or Keras') own layers, of the same
shape, with the same batch. What is not installed is left out: ``pip install -c constraints.txt
-r benchmarks/peers.txt``.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import turns
from benchmarks.arguments import positive
from benchmarks.peer_loops import PACKAGES, SIDES
from benchmarks.peer_side import OURS
from benchmarks.tables import markdown


class Process:
    """A side that waits for its turn."""

    def __init__(self, name: str, width: int, batch: int) -> None:
        command = [sys.executable, "-m", "benchmarks.peer_side", name]
        command += ["--width", str(width), "--batch", str(batch)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def seconds(self, steps: int) -> float:
        """Of one of so many steps."""
        pipes: Any = self._process
        print(steps, file=pipes.stdin, flush=True)
        answer = pipes.stdout.readline()
        if not answer:
            raise SystemExit(f"{' '.join(pipes.args)} ended with code {pipes.wait()}")
        return float(answer)

    def end(self) -> None:
        pipes: Any = self._process
        pipes.stdin.close()
        pipes.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive, default=10, help="%(default)s")
    parser.add_argument("--steps", type=positive, default=5, help="In a round; %(default)s")
    parser.add_argument("--width", type=positive, default=64, help="Of the networks; %(default)s")
    parser.add_argument("--batch", type=positive, default=128, help="%(default)s")
    parser.add_argument("--json", type=Path, help="Where the numbers are kept")
    asked = parser.parse_args()
    missing = {n for n, package in PACKAGES.items() if importlib.util.find_spec(package) is None}
    names = [*OURS, *(name for name in SIDES if name not in missing)]
    sides = {name: Process(name, asked.width, asked.batch) for name in names}
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, asked.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken = sides[name].seconds(asked.steps)
            if number >= 0:  # the first steps are slower
                found[name].append(taken)
    for side in sides.values():
        side.end()
    turns.write(asked.json, {"peers": found})
    print(
        f"{turns.said()}\nDCGAN of width {asked.width}, batches of {asked.batch}; medians of "
        f"{asked.rounds} rounds of {asked.steps} steps\n"
    )
    rows = [
        [
            name,
            f"{1e3 * statistics.median(times):.1f}",
            f"{turns.median_ratio(times, found[OURS[0]]):.2f}",
        ]
        for name, times in found.items()
    ]
    print(markdown(["side", "ms a step", "times ganforge's"], rows))
    if missing:
        print(f"\nnot installed: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
