"""Runs the real command line in real processes, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import SHORT, Done, Ganforge, command

from ganforge.cli import main


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NO_COLOR", "FORCE_COLOR"))}
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def ganforge(tmp_path: Path, environment: dict[str, str]) -> Ganforge:
    """``ganforge(*arguments)`` in an empty folder; never a traceback unless one is expected."""

    def call(*arguments: str, traceback: bool = False) -> Done:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(tmp_path / "plugins")},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ("Traceback" in done.stderr) == traceback, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], None]:
    """``plugin(source)`` installs a module as the plugin ``acme`` for what ``ganforge`` runs."""

    def install(source: str) -> None:
        sys.modules.pop("acme_gan", None)  # another test's, where commands run in this process
        info = tmp_path / "plugins" / "acme_gan-0.3.dist-info"
        info.mkdir(parents=True)
        (tmp_path / "plugins" / "acme_gan.py").write_text(source)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gan\nVersion: 0.3\n")
        (info / "entry_points.txt").write_text("[ganforge]\nacme = acme_gan\n")

    return install


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Ganforge:
    """As ``ganforge``, but without a process of its own, which would take seconds."""

    def call(*arguments: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ganforge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Done(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The folder of a run of 6 steps that every test may read and none may change."""
    folder = tmp_path_factory.mktemp("short")
    done = subprocess.run(
        command("run", "smoke", *SHORT, "-q"),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return folder / done.stdout.strip()
