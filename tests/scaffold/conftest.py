"""Writes plugin packages as ``ganforge new-plugin`` does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scaffolded import Done, Written

from ganforge.cli import main
from ganforge.scaffold import folder, project
from ganforge.scaffold.kinds import chosen
from ganforge.scaffold.names import parse


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Written]:
    """``write(name, *kinds)``: a package in a temporary folder."""

    def make(name: str, *kinds: str) -> Written:
        names = parse(name)
        target = tmp_path / names.distribution
        folder.write(target, project.files(names, chosen(kinds)))
        return Written(names, target)

    return make


@pytest.fixture
def ganforge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """``ganforge(*arguments)``: the command line, in an empty folder."""

    def call(*arguments: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ganforge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Done(int(ended.value.code or 0), out, err)

    return call
