"""Runs ganforge in real processes without waiting seconds for torch in each: imports, then forks.

A line of JSON comes in for each command: ``arguments``, ``folder``, and the file that takes what it
prints. Its process's number goes out, and then, when it has ended, how.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import torch
import torch._dynamo  # the first optimizer does so

import ganforge.build
import ganforge.cli
import ganforge.report
from ganforge.plugins import load_registry


def serve() -> None:
    """Run command after command, until there are no more."""
    torch.set_num_threads(1)
    for kind in ("dataset", "generator", "discriminator", "callback", "loss", "regularizer"):
        for component in load_registry().components(kind):
            component.load()
    for line in sys.stdin:
        wanted = json.loads(line)
        process = os.fork()
        if process == 0:
            _become(wanted)
        _answer(process)
        _, status = os.waitpid(process, 0)
        _answer(os.waitstatus_to_exitcode(status))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(wanted: dict[str, Any]) -> None:
    """The command itself; never returns."""
    os.setsid()  # a group of its own, which a signal can be sent to as a terminal does
    output = os.open(wanted["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(old, new)
    os.chdir(wanted["folder"])
    sys.argv = ["ganforge", *wanted["arguments"]]
    code = 70
    try:
        ganforge.cli.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
