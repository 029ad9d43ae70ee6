"""What the tests of new plugins share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ganforge.scaffold.names import Names


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Written(NamedTuple):
    """A plugin package on the disk."""

    names: Names
    folder: Path

    @property
    def package(self) -> Path:
        return self.folder / self.names.module
