"""A new plugin as its author meets it: installed by pip, listed, checked and tested."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scaffolded import Written

from ganforge.scaffold.kinds import EXAMPLES

Python = Callable[..., str]


@pytest.fixture
def python(own_python: Path, tmp_path: Path) -> Python:
    """``python(*arguments)``: what it prints, in an environment of its own."""

    def call(*arguments: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(
            [str(own_python), *arguments],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def install(python: Python, *what: str) -> None:
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "-q"]
    python("-m", "pip", "install", *offline, *what)


@pytest.mark.slow
def test_a_new_plugin_can_be_installed_listed_checked_and_tested(
    write: Callable[..., Written], python: Python, tmp_path: Path
) -> None:
    pair, everything = write("pair"), write("every-kind", *EXAMPLES)
    install(python, "-e", str(pair.folder))
    install(python, str(everything.folder))  # as a wheel: the recipe must be in it

    listed = json.loads(python("-m", "ganforge", "list-plugins", "--json"))
    found = {plugin["plugin"]: plugin for plugin in listed}
    for name, kinds in {"pair": ["generator", "discriminator"], "every_kind": [*EXAMPLES]}.items():
        assert found[name]["package"] == f"ganforge-{name.replace('_', '-')}"
        assert found[name]["version"] == "0.1.0"
        assert found[name]["error"] is None
        assert found[name]["notes"] == []
        assert [each["kind"] for each in found[name]["provides"]] == kinds
        assert all(each["summary"] for each in found[name]["provides"])
    assert str(pair.folder) in found["pair"]["recipes"]["pair"]
    assert "site-packages" in found["every_kind"]["recipes"]["every_kind"]

    checked = json.loads(python("-m", "ganforge", "check-plugin", "pair", "--json"))
    assert checked["passed"]
    assert not [each for each in checked["findings"] if each["outcome"] == "note"]

    # Its own tests check all kinds, and train its recipe.
    told = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=everything.folder)
    assert " passed" in told
    assert "failed" not in told
    assert "skipped" not in told
