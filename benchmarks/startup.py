"""``python -m benchmarks.startup``: commands that only look around, against a bare process.

The bare process imports click, pluggy and the parts of rich that print a table, and does nothing.
Both sides run in turn, so that a noisy machine is noisy for both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

BARE = "import click, pluggy, rich.console, rich.table"
SIDES = {
    "bare click + pluggy + rich": ["-c", BARE],
    "ganforge --help": ["-m", "ganforge", "--help"],
    "ganforge list-plugins": ["-m", "ganforge", "list-plugins"],
    "ganforge list-recipes": ["-m", "ganforge", "list-recipes"],
}
ROUNDS = 15


def seconds(arguments: list[str], folder: str) -> float:
    """Wall time of one process in ``folder``, which is on Python's path and so had better rest."""
    start = time.perf_counter()
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        for arguments in SIDES.values():  # the first call writes byte code and fills caches
            seconds(arguments, folder)
        for _ in range(ROUNDS):
            for name, arguments in SIDES.items():
                times[name].append(seconds(arguments, folder))
    bare = statistics.median(times["bare click + pluggy + rich"])
    print(f"median of {ROUNDS} rounds on {os.cpu_count()} cores")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:28} {median * 1000:6.0f} ms   {median / bare:.2f} x bare")


if __name__ == "__main__":
    main()
