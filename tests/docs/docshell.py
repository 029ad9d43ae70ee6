"""A reader who follows a page to the letter, in a folder of its own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from docpages import Block, as_pattern, blocks

from ganforge.cli import main

_ERROR = re.compile(r"^Error: ", re.MULTILINE)
_VARIABLE = re.compile(r"[A-Z_]+=.*", re.DOTALL)

Done = tuple[int, str]
"""An exit code, and everything that the terminal showed."""

Execute = Callable[[list[str], Path], Done]


@dataclass
class Reader:
    """Writes the files of a page, types its commands, and compares what they show.

    Args:
        folder: Where the reader is.
        execute: Runs one command.
        instead: Commands that take long, and what is typed in their place.
    """

    folder: Path
    execute: Execute
    instead: Mapping[str, str]

    def follow(self, page: str) -> None:
        """Do all that a page says."""
        self.do(blocks(page))

    def do(self, told: Iterable[Block]) -> None:
        """Do what these blocks say, in their order."""
        shown, failed = None, False
        for block in told:
            if block.language == "text":
                assert shown is not None, f"{block.place}: no command shows this"
                assert as_pattern(block.text).fullmatch(shown), (
                    f"{block.place}: expected\n{block.text}\nbut it shows\n{shown}"
                )
                assert failed == bool(_ERROR.search(block.text)), f"{block.place}: {shown}"
                shown, failed = None, False
                continue
            assert not failed, f"before {block.place}: {shown}"
            if block.language == "sh":
                shown, failed = self.type(block)
            elif block.title is not None:
                self.write(block)
        assert not failed, shown

    def write(self, block: Block) -> None:
        """One file; or see that it is there already and reads like this."""
        assert block.title is not None
        path = self.folder / block.title
        if block.note == "as it stands":
            assert block.text.strip() in path.read_text(encoding="utf-8"), block.place
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def type(self, block: Block) -> tuple[str, bool]:
        """The commands of a block: what they show, and whether one of them failed."""
        shown, failed = "", False
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(self.instead.get(line.strip(), line), comments=True)
            variables = {}
            while words and _VARIABLE.fullmatch(words[0]):
                name, _, variables[name] = words.pop(0).partition("=")
            if not words:
                continue
            with patch.dict(os.environ, variables):
                code, output = self.execute(words, self.folder)
            shown += output
            failed = failed or code != 0
        return shown, failed


def in_process(words: list[str], folder: Path) -> Done:
    """``ganforge`` without a process of its own, which would take seconds to import torch."""
    if words[0] != "ganforge":
        return in_processes(words, folder)
    shown, before = io.StringIO(), Path.cwd()
    os.chdir(folder)
    with (
        patch.object(sys, "argv", words),
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
    ):
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), shown.getvalue()
        finally:
            os.chdir(before)
    raise AssertionError("main always exits")


def in_processes(words: list[str], folder: Path) -> Done:
    """A real process, with both of its streams on one terminal."""
    if words[0] == "ganforge":
        words = [sys.executable, "-m", *words]
    done = subprocess.run(
        words,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout
