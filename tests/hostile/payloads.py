"""Files that would run code if they were unpickled as pickles can be."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path, how: str = "system") -> None:
        self.marker = marker
        self.how = how

    def __reduce__(self) -> Any:
        if self.how == "system":
            return os.system, (f"touch '{self.marker}'",)
        if self.how == "eval":
            return eval, (f"open({str(self.marker)!r}, 'w')",)
        return Path.touch, (self.marker,)


class Late(OrderedDict[str, Any]):
    """Runs when its state is set."""

    def __reduce__(self) -> Any:
        return OrderedDict, (), {"x": self["evil"]}


class Storage(pickle.Pickler):
    """Hides the payload where a tensor's storage is named."""

    def __init__(self, file: io.BytesIO, evil: Evil) -> None:
        super().__init__(file, protocol=2)
        self.evil = evil

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", self.evil, "0", "cpu", 4) if obj == "here" else None


def plain(evil: Evil) -> bytes:
    """A bare pickle, as old ``torch.save`` and everybody else wrote them."""
    return pickle.dumps({"trainer": evil})


def saved(evil: Evil) -> bytes:
    """What today's ``torch.save`` makes of it."""
    buffer = io.BytesIO()
    torch.save({"trainer": {"x": evil}}, buffer)
    return buffer.getvalue()


def legacy(evil: Evil) -> bytes:
    """The format of torch before 1.6."""
    buffer = io.BytesIO()
    torch.save({"trainer": evil}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def in_a_container(evil: Evil) -> bytes:
    buffer = io.BytesIO()
    torch.save({"trainer": Late(evil=evil)}, buffer)
    return buffer.getvalue()


def archive(content: bytes, **more: bytes) -> bytes:
    """An archive as torch's, with this as its pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in {"data.pkl": content, "version": b"3\n", **more}.items():
            file.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def in_a_storage(evil: Evil) -> bytes:
    buffer = io.BytesIO()
    Storage(buffer, evil).dump({"trainer": "here"})
    return archive(buffer.getvalue())


def script(evil: Evil) -> bytes:
    """An archive that says it is TorchScript."""
    return archive(plain(evil), **{"constants.pkl": plain(evil), "code/__torch__.py": b"exit()"})


KINDS: dict[str, Callable[[Evil], bytes]] = {
    "pickle": plain,
    "torch.save": saved,
    "legacy": legacy,
    "container": in_a_container,
    "storage": in_a_storage,
    "script": script,
}
