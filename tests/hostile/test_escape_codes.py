"""Nothing that a stranger wrote makes a terminal do anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import safetensors.torch

EVIL = "\x1b]0;gone\x07\x1b[2J\r\x08\u202e\x9b31m"
HARMLESS = set("\n\t")


def ganforge(folder: Path, *arguments: str) -> str:
    """All that a command writes, in a real process."""
    done = subprocess.run(
        [sys.executable, "-m", "ganforge", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "plugins"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def assert_harmless(said: str) -> None:
    assert {char for char in said if not char.isprintable()} <= HARMLESS


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A package whose metadata try it."""
    info = tmp_path / "plugins" / "acme_gan-0.3.dist-info"
    info.mkdir(parents=True)
    source = (
        "from ganforge import hookimpl\n"
        "@hookimpl\n"
        "def register_losses(register):\n"
        f"    register('fine', 'acme_gan:Loss', summary={EVIL!r})\n"
        f"    register('f' + {EVIL!r}, 'acme_gan:Loss')\n"
    )
    (tmp_path / "plugins" / "acme_gan.py").write_text(source)
    head = "Metadata-Version: 2.1\nName: acme\x1b[2J\nVersion: 0.3\x1b[2J\n"
    (info / "METADATA").write_text(head)
    (info / "entry_points.txt").write_text("[ganforge]\nacme\x1b[2J = acme_gan\n")
    return tmp_path


@pytest.mark.parametrize(
    "command", [["list-plugins"], ["env"], ["validate", "x.yaml"], ["describe", "loss", "f"]]
)
def test_metadata_of_a_package(installed: Path, command: list[str]) -> None:
    (installed / "x.yaml").write_text("version: 1\nloss: {use: nothing}\n")
    said = ganforge(installed, *command)
    assert_harmless(said)
    assert "fine" in said or "acme" in said


def test_a_recipe(tmp_path: Path) -> None:
    quoted = json.dumps(EVIL)
    (tmp_path / "x.yaml").write_text(f"version: 1\nname: x\ndescription: {quoted}\n{quoted}: 1\n")
    assert_harmless(ganforge(tmp_path, "validate", "x.yaml"))


def test_an_export(run: Path) -> None:
    kept = run / "generator.safetensors"
    with safetensors.safe_open(kept, "pt") as file:
        facts = json.loads(file.metadata()["ganforge"])
    tensors = safetensors.torch.load_file(kept)
    for change in (
        {"use": EVIL},
        {"plugin": EVIL, "package": EVIL},
        {"kind": EVIL},
        {"options": {EVIL: 1}},
    ):
        metadata = {"ganforge": json.dumps({**facts, **change})}
        safetensors.torch.save_file(tensors, run / "evil.safetensors", metadata)
        assert_harmless(ganforge(run, "generate", "evil.safetensors"))
