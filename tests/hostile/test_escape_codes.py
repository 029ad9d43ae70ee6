"""Nothing that a stranger wrote makes a terminal do anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
from forging import Call, described, pickled

EVIL = "\x1b]0;gone\x07\x1b[2J\r\x08\u202e\x9b31m"
HARMLESS = set("\n\t")


def in_a_process(folder: Path, *arguments: str) -> str:
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
        "@hookimpl\n"
        "def register_recipes(register):\n"
        f"    register('r' + {EVIL.replace(' ', '')!r}, 'recipe.yaml')\n"
    )
    quoted = json.dumps(EVIL)
    recipe = f"version: 1\nname: acme\ndescription: {quoted}\nexpected_time: {quoted}\n"
    (tmp_path / "plugins" / "recipe.yaml").write_text(recipe)
    (tmp_path / "plugins" / "acme_gan.py").write_text(source)
    head = "Metadata-Version: 2.1\nName: acme\x1b[2J\nVersion: 0.3\x1b[2J\n"
    (info / "METADATA").write_text(head)
    (info / "entry_points.txt").write_text("[ganforge]\nacme\x1b[2J = acme_gan\n")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["list-plugins"],
        ["list-plugins", "--json"],
        ["list-recipes"],
        ["env"],
        ["validate", "x.yaml"],
        ["describe", "loss", "f"],
    ],
    ids=" ".join,
)
def test_metadata_of_a_package(installed: Path, command: list[str]) -> None:
    (installed / "x.yaml").write_text("version: 1\nloss: {use: nothing}\n")
    said = in_a_process(installed, *command)
    assert_harmless(said)
    assert "fine" in said or "acme" in said


def test_a_recipe(tmp_path: Path, ganforge: Call) -> None:
    quoted = json.dumps(EVIL)
    (tmp_path / "x.yaml").write_text(f"version: 1\nname: x\ndescription: {quoted}\n{quoted}: 1\n")
    code, said = ganforge("validate", str(tmp_path / "x.yaml"))
    assert code == 2
    assert_harmless(said)


def test_an_export(run: Path, ganforge: Call) -> None:
    for change in (
        {"use": EVIL},
        {"plugin": EVIL, "package": EVIL},
        {"plugin": "acme", "plugin_file": EVIL},
        {"kind": EVIL},
        {"options": {EVIL: 1}},
        {"format": EVIL},
    ):
        (run / "evil.safetensors").write_bytes(described(run, **change))
        code, said = ganforge("generate", str(run / "evil.safetensors"))
        assert code in (1, 2)
        assert_harmless(said)


def test_names_of_tensors(run: Path, ganforge: Call) -> None:
    path = run / "evil.safetensors"
    kept = safetensors.torch.load(described(run))
    with safetensors.safe_open(run / "generator.safetensors", "pt") as file:
        metadata = file.metadata()
    safetensors.torch.save_file({EVIL: kept.popitem()[1], **kept}, path, metadata)
    code, said = ganforge("generate", str(path))
    assert code == 1
    assert_harmless(said)


def test_a_manifest(run: Path, sealed: Callable[..., Path], ganforge: Call) -> None:
    sealed(ganforge=EVIL, torch=EVIL, plugins={"mnist": EVIL, EVIL: EVIL})
    code, said = ganforge("resume", str(run), "-q", "train.steps=7")
    assert code == 0
    assert "the checkpoint was written with" in said
    assert_harmless(said)
    sealed(recipe={EVIL: EVIL, "name": EVIL})
    code, said = ganforge("resume", str(run), "-q", "train.steps=7")
    assert code == 2
    assert_harmless(said)
    sealed(files={EVIL: {"bytes": 1, "sha256": EVIL}})
    code, said = ganforge("resume", str(run), "-q", "train.steps=7")
    assert code == 1
    assert_harmless(said)


def test_names_in_a_pickle(run: Path, forged: Callable[[bytes], Path], ganforge: Call) -> None:
    forged(pickled(b"\x80\x02c\x1b[2J\x07\x08\nx\n."))
    code, said = ganforge("resume", str(run), "-q", "train.steps=7")
    assert (code, "it asks for" in said) == (1, True)
    assert_harmless(said)


@pytest.mark.parametrize(
    "arguments", [["generate"], ["resume"], ["validate"], ["run"], ["describe"], ["-p"], []]
)
def test_names_of_files(ganforge: Call, arguments: list[str]) -> None:
    code, said = ganforge(*arguments, EVIL)
    assert code == 2
    assert_harmless(said)


def test_lines_of_metrics_and_names_beside_a_run(run: Path, ganforge: Call) -> None:
    (run / f"{EVIL}.txt").write_text(EVIL)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": EVIL, EVIL: EVIL}) + "\n" + EVIL + "\n")
    code, said = ganforge("resume", str(run), "train.steps=7")
    assert code == 0
    assert_harmless(said)
