"""``python -m benchmarks startup``: how long commands take before they do what they are for.

The bare process imports click, pluggy and the parts of rich that print a table, and does
nothing. Each command is timed beside fifty small plugins, and once more with what is installed
alone. All sides run in turn, so that a noisy machine is noisy for each; all have their byte code
written and their caches filled, as on a user's second call.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks import turns

PLUGINS = 50
ROUNDS = 15
KINDS = ("generators", "discriminators", "losses")
BARE = "bare click + pluggy + rich"
COMPLETION = {
    "_GANFORGE_COMPLETE": "bash_complete",
    "COMP_WORDS": "ganforge describe generator ",
    "COMP_CWORD": "3",
}


class Side(NamedTuple):
    """A process to time: Python's arguments, and what its environment has beside the usual."""

    arguments: list[str]
    environment: Mapping[str, str] = {}


SIDES = {
    BARE: Side(["-c", "import click, pluggy, rich.console, rich.table"]),
    "ganforge --help": Side(["-m", "ganforge", "--help"]),
    "ganforge list-plugins": Side(["-m", "ganforge", "list-plugins"]),
    "completion of a component": Side(["-m", "ganforge"], COMPLETION),
    "ganforge list-recipes": Side(["-m", "ganforge", "list-recipes"]),
}


FIRST_STEP = """
import os, sys
import ganforge.cli.run as command
from ganforge.cli import main

usual = command.play

def play(run, prepared, *, quiet):
    from ganforge.api import Callback

    class First(Callback):
        def on_step(self, run, values):
            os._exit(0)

    run.callbacks["first"] = First()
    usual(run, prepared, quiet=quiet)

command.play = play
sys.argv = ["ganforge", "run", "mnist_dcgan"]
main()
"""
TRAINING = {
    "import torch": Side(["-c", "import torch"]),
    "command to first step": Side(["-c", FIRST_STEP]),
}
READING = """
import time
from ganforge_mnist.dataset import MNIST
began = time.perf_counter()
MNIST()
print(time.perf_counter() - began)
"""


def install(folder: Path, name: str) -> None:
    """Put a distribution with one plugin into a folder, as pip leaves it; it needs no torch."""
    module = folder / f"acme_{name}"
    module.mkdir()
    hooks = [
        f"@hookimpl\ndef register_{kind}(register: Register) -> None:\n"
        f"    register('{name}_small', 'acme_{name}.models:Small', summary='A small one.')\n"
        f"    register('{name}_large', 'acme_{name}.models:Large', summary='A large one.')\n"
        for kind in KINDS
    ]
    head = "from ganforge import Register, hookimpl\n"
    (module / "__init__.py").write_text("\n\n".join([head, *hooks]))
    info = folder / f"acme_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = acme_{name}\n")


def environment(root: Path, plugins: Path) -> dict[str, str]:
    """The user's own, with these plugins on the path and every kept thing below ``root``."""
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("GANFORGE_", "PYTHONDONT"))}
    kept = {"PYTHONPYCACHEPREFIX": str(root / "bytecode"), "XDG_CACHE_HOME": str(root / "cache")}
    return {**usual, **kept, "PYTHONPATH": str(plugins)}


def seconds(side: Side, usual: Mapping[str, str], folder: Path) -> float:
    """Wall time of one process in ``folder``, which is on Python's path and so had better rest."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *side.arguments],
        cwd=folder,
        env={**usual, **side.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def measure(root: Path) -> dict[tuple[str, str], list[float]]:
    """Wall times in seconds by side and by the plugins beside it."""
    places = {f"{PLUGINS} plugins more": root / "many", "those installed": root / "none"}
    for place in (*places.values(), root / "work"):
        place.mkdir()
    for index in range(PLUGINS):
        install(root / "many", f"plugin{index:02}")
    usual = {title: environment(root, place) for title, place in places.items()}
    times: dict[tuple[str, str], list[float]] = {(n, t): [] for t in usual for n in SIDES}
    for turn in range(-1, ROUNDS):
        for (name, title), measured in times.items():
            taken = seconds(SIDES[name], usual[title], root / "work")
            if turn >= 0:  # the first writes byte code and fills caches
                measured.append(taken)
    return times


def measure_training(root: Path) -> dict[str, list[float]]:
    """Wall times from the command to the first step, and beside it of what it cannot do without."""
    (root / "run").mkdir()
    usual = environment(root, root / "run")
    found: dict[str, list[float]] = {name: [] for name in (*TRAINING, "reading MNIST")}
    for turn in range(-1, ROUNDS // 2):
        for name, side in TRAINING.items():
            taken = seconds(side, usual, root / "run")
            if turn >= 0:
                found[name].append(taken)
        read = subprocess.run(
            [sys.executable, "-c", READING],
            cwd=root / "run",
            env=usual,
            capture_output=True,
            text=True,
            check=True,
        )
        if turn >= 0:  # the first unpacks it
            found["reading MNIST"].append(float(read.stdout))
    return found


def show_training(found: Mapping[str, list[float]]) -> None:
    """Medians, and what a run takes beside importing torch."""
    print(f"\nmedians of {ROUNDS // 2} rounds (fastest, slowest)")
    for name, measured in found.items():
        spread = f"({min(measured):.2f}, {max(measured):.2f})"
        print(f"{name:28} {statistics.median(measured):6.2f} s   {spread}")
    pairs = zip(found["command to first step"], found["import torch"], strict=True)
    print(f"{'more than torch':28} {statistics.median(a - b for a, b in pairs):6.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="Where the numbers are kept")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder))
        training = measure_training(Path(folder))
    looking = {f"{name}, {title}": measured for (name, title), measured in times.items()}
    turns.write(asked.json, {"startup": {**looking, **training}})
    print(f"medians of {ROUNDS} rounds on {os.cpu_count()} cores, times bare (fastest, slowest)")
    for (name, title), measured in times.items():
        median = statistics.median(measured)
        ratio = median / statistics.median(times[BARE, title])
        spread = f"({min(measured) * 1000:.0f}, {max(measured) * 1000:.0f})"
        print(f"{name:28} {title:16} {median * 1000:6.0f} ms   {ratio:.2f} x bare   {spread}")
    show_training(training)


if __name__ == "__main__":
    main()
