"""``ganforge env``: what a bug report should say, for a person and for a program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from commandline import Ganforge

import ganforge as package


@pytest.fixture
def plugins(plugin: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken plugin is installed, and the user blocks and strays."""
    plugin("import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    monkeypatch.setenv("GANFORGE_HOME_OF_THE_TEST", "there")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("plugins")
def test_everything_is_told_as_json(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from ganforge import hookimpl\n@hookimpl\ndef register_losses(register):\n"
        "    register('mine', object)\n"
    )
    done = in_process("env", "--json", "-p", "no:mnist", "-p", "mine.py")
    assert (done.code, done.err) == (0, "")
    facts = json.loads(done.out)
    assert facts["ganforge"] == package.__version__
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["packages"]["torch"] == version("torch")
    assert facts["packages"]["pluggy"] == version("pluggy")
    assert facts["interpreter"] == sys.executable
    assert Path(facts["installed in"]) == Path(package.__file__).parent
    assert facts["devices"]["cpu"].endswith(f"{os.cpu_count()} cores")
    assert ("cuda:0" in facts["devices"]) == torch.cuda.is_available()
    assert facts["threads"] == torch.get_num_threads()
    assert facts["plugins"]["losses"] == f"ganforge {package.__version__}"
    assert facts["plugins"]["mine"] == str(tmp_path / "mine.py")
    assert set(facts["not loaded"]) == {"acme", "mnist"}
    assert "nothing_of_that_name" in facts["not loaded"]["acme"]
    assert facts["not loaded"]["mnist"] == "blocked by -p no:mnist"
    assert facts["variables"]["GANFORGE_HOME_OF_THE_TEST"] == "there"


@pytest.mark.usefixtures("plugins")
def test_the_text_says_the_same(in_process: Ganforge) -> None:
    facts = json.loads(in_process("env", "--json").out)
    lines = in_process("env").out.splitlines()
    for key, value in facts.items():
        if isinstance(value, dict):
            start = lines.index(f"{key}:") + 1
            told = lines[start : start + len(value)]
            assert told == [f"  {name}: {each}" for name, each in value.items()]
        else:
            assert f"{key}: {value}" in lines


def test_what_there_is_nothing_of_has_no_line(
    in_process: Ganforge, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("GANFORGE_")]:
        monkeypatch.delenv(name)
    out = in_process("env").out
    assert "variables" not in out
    assert "not loaded" not in out
