"""On a real terminal: a live bar, a preview in half-blocks, no colour where none is wanted."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest
from commandline import SHORT, command

PREVIEW = "callbacks=[{use: terminal_preview, every: 3 steps}, {use: checkpoint, every: 6 steps}]"


def on_a_terminal(arguments: list[str], cwd: Path, environment: dict[str, str]) -> str:
    """Everything that a command writes to a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments), cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "the command hangs"
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux reports the end of a terminal as an input/output error
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert process.wait(timeout=30) == 0
    return written.decode()


def test_a_terminal_gets_a_live_bar_and_pictures_in_colour(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    arguments = ["run", "smoke", SHORT[0], PREVIEW]
    text = on_a_terminal(arguments, tmp_path, environment | {"COLORTERM": "truecolor"})
    assert "━" in text  # the bar
    assert "6/6" in text
    assert "▀" in text
    # greys: red, green and blue are equal, in both halves of a character
    colours = set(re.findall(r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", text))
    assert len(colours) > 1
    assert all(c[0] == c[1] == c[2] and c[3] == c[4] == c[5] for c in colours)
    assert "Finished 6 steps." in text


def test_no_color_is_honoured(tmp_path: Path, environment: dict[str, str]) -> None:
    text = on_a_terminal(
        ["run", "smoke", SHORT[0], PREVIEW], tmp_path, environment | {"NO_COLOR": "1"}
    )
    assert "▀" not in text
    assert re.search("[░▒▓█]", text)
    assert not re.search(r"\x1b\[[0-9;]*[34]8;", text)


def test_quiet_draws_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    text = on_a_terminal(["run", "smoke", SHORT[0], PREVIEW, "-q"], tmp_path, environment)
    assert text.strip() == "runs/smoke/00001"


@pytest.mark.parametrize("columns", ["40", "200"])
def test_tables_fit_any_width(tmp_path: Path, environment: dict[str, str], columns: str) -> None:
    text = on_a_terminal(["list-plugins"], tmp_path, environment | {"COLUMNS": columns})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(len(line) for line in plain.splitlines()) <= int(columns)
    assert "mnist" in plain
