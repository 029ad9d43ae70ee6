"""A folder of files that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ganforge.errors import GanforgeError, UsageError


def write(target: Path, files: Mapping[str, str]) -> None:
    """Write files into a new folder: into a hidden one beside it first, which is then renamed.

    Args:
        target: The folder; an empty one may be there already.
        files: Texts by path in the folder.

    Raises:
        UsageError: Something is there already, which is left alone.
        GanforgeError: It could not be written; nothing is left of it.
    """
    partial = target.with_name(f".partial_{target.name}_{os.getpid()}")
    try:
        _check_free(target)
        partial.mkdir()
        try:
            for name, text in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            if target.is_dir():
                target.rmdir()  # it is empty; not every system renames over that
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # it is gone if all went well
    except OSError as error:
        raise GanforgeError(
            f"cannot write '{target}': {error.strerror or error}",
            hint="Name another place: --dest FOLDER.",
        ) from error


def _check_free(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        if any(target.iterdir()):
            raise UsageError(
                f"the folder '{target}' is there already, and not empty",
                hint="Choose another name, or another place: --dest FOLDER.",
            )
    elif target.exists() or target.is_symlink():
        raise UsageError(
            f"'{target}' is there already, and no folder",
            hint="Choose another name, or another place: --dest FOLDER.",
        )
