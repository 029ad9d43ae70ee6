"""The tutorial, followed to the letter in an empty folder, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from docpages import blocks
from docshell import Done, Reader

PAGE = "write-a-plugin/index.md"
OFFLINE = ["--no-deps", "--no-build-isolation", "--no-index", "-q"]

INSTEAD = {
    "ganforge -p my_arch.py run mnist_dcgan generator.use=mine train.epochs=1": (
        "ganforge -p my_arch.py run mnist_dcgan generator.use=mine train.epochs=0.005 "
        "callbacks.1.samples=100 callbacks.1.references=100"
    ),
    "ganforge run acme": "ganforge run acme train.steps=3",
}
"""Some steps instead of a minute."""


@pytest.mark.slow
def test_the_tutorial(own_python: Path, tmp_path: Path) -> None:
    python = str(own_python)

    def execute(words: list[str], folder: Path) -> Done:
        if words[:2] == ["pip", "install"]:
            words = [python, "-m", "pip", "install", *OFFLINE, *words[2:]]
        else:
            words = [python, "-m", *words]
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    folder = tmp_path / "empty"
    folder.mkdir()
    Reader(folder, execute, INSTEAD).follow(PAGE)
    assert (folder / "digits.png").is_file()
    assert (folder / "runs" / "acme" / "00001" / "generator.safetensors").is_file()


def test_beside_the_model_there_is_little_to_write() -> None:
    """Fewer than 30 lines, imports counted; the tutorial says how many."""
    (file,) = (block for block in blocks(PAGE) if block.title == "my_arch.py")
    head, _, _ = file.text.partition("class Generator")
    hook = head[head.index("from ganforge") :]
    written = [line for line in hook.splitlines() if line.strip()]
    assert written == [
        "from ganforge import hookimpl",
        "@hookimpl",
        "def register_generators(register):",
        '    register("mine", Generator, summary="a multi-layer perceptron")',
    ]
