"""Plugins that are not installed: a file or a folder named by the user, or any module."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

from ganforge.errors import UsageError

PREFIX = "ganforge_plugin_"
"""Before the module name of a plugin file, so that ``random.py`` is not the standard library's."""


class Named(NamedTuple):
    """A plugin as the user named it.

    Args:
        text: What the user wrote.
        name: The plugin's name.
        path: Its file or folder; None for a module.
    """

    text: str
    name: str
    path: Path | None

    @property
    def module(self) -> str:
        return self.text if self.path is None else PREFIX + self.name

    def load(self) -> ModuleType:
        """Import it; a file is read anew each time."""
        if self.path is None:
            return importlib.import_module(self.module)
        return _load_file(self.module, self.path)


def find(text: str, *, folder: Path | None = None) -> Named:
    """What a user means by ``FILE.py``, by a package's folder, or by a module's name.

    Args:
        text: A path if it ends in ``.py`` or has a slash in it, else a module's name.
        folder: Where relative paths start; None for the working folder.

    Raises:
        UsageError: There is nothing of that name.
    """
    if not (text.endswith((".", ".py")) or "/" in text or "\\" in text):
        if _is_module(text):
            return Named(text, text.rpartition(".")[2], None)
        place = Path(text) if folder is None else folder / text
        kind, end = ("folder", "") if place.is_dir() else ("file", ".py")
        raise UsageError(
            f"there is no plugin module '{text}'",
            hint=f"A {kind} is written ./{text}{end}; a module must be installed.",
        )
    path = Path(text).expanduser() if folder is None else folder / Path(text).expanduser()
    if path.is_dir() and not (path / "__init__.py").is_file():
        hint = "Name a .py file in it."
        if (path / "pyproject.toml").is_file():
            hint = f"It holds a project: pip install -e {path}"
        raise UsageError(f"the folder '{path}' is no package: it has no __init__.py", hint=hint)
    if not path.is_dir() and not path.is_file():
        start = "" if folder is None else "; it starts at the recipe's folder"
        raise UsageError(f"there is no plugin file '{path}'", hint=f"Check the path{start}.")
    if path.is_file() and path.suffix != ".py":
        raise UsageError(f"'{path}' is no Python file", hint="A plugin file ends in .py.")
    path = Path(os.path.abspath(path))  # noqa: PTH100  # the name is a link's own
    if path.name == "__init__.py":
        path = path.parent
    if not path.stem.isidentifier():
        raise UsageError(
            f"'{path.name}' cannot be a plugin's name",
            hint="Use letters, digits and '_' in the file's name.",
        )
    return Named(text, path.stem, path.parent.resolve() / path.name)


class _FreshLoader(SourceFileLoader):
    """Reads the source each time: byte code is told apart by size and whole seconds only."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _is_module(name: str) -> bool:
    if name.startswith("."):  # relative to no package
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:  # a parent that there is not, or that is no package
        return not (error.name and f"{name}.".startswith(f"{error.name}."))
    except ValueError:  # an empty part
        return False
    except (Exception, SystemExit):  # noqa: BLE001  # a parent that fails: loading it tells why
        return True


def _load_file(name: str, path: Path) -> ModuleType:
    for known in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        del sys.modules[known]
    is_package = path.is_dir()
    file = path / "__init__.py" if is_package else path
    spec = importlib.util.spec_from_file_location(
        name,
        file,
        loader=_FreshLoader(name, str(file)),
        submodule_search_locations=[str(path)] if is_package else None,
    )
    assert spec is not None  # the file exists and ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as an import does: dataclasses look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
