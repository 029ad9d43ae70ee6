"""Reads a state that may be a stranger's: no code is run, no memory taken beyond its bytes."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganforge.engine.plain import check_plain
from ganforge.errors import PluginError


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """The state in a file that ``torch.save`` wrote.

    Args:
        path: The file.
        device: Where tensors go.
    Raises:
        ValueError: It holds anything but plain containers and tensors, or less than it claims.
        OSError: It cannot be read.
    """
    _check_archive(path)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError as error:  # torch's text tells how to run it all the same
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        name = f"{asked[1]}, which is" if asked else "something that is"
        raise ValueError(f"it asks for {name} no plain value") from error
    except Exception as error:  # a stranger's file can make the unpickler raise whatever it likes
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(reason) from error
    if type(state) is not dict:
        raise ValueError("it holds no state")
    try:
        check_plain(state)
        _check_tensors(state)
    except (PluginError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return state


def _check_archive(path: Path) -> None:
    """See that it is an archive whose parts are stored as they are, as torch stores them."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise ValueError(f"it is no archive of torch's: {error}") from error
    if any(part.filename.endswith("/constants.pkl") for part in parts):
        raise ValueError("it is a TorchScript programme, not a state")
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise ValueError("it is compressed, and could unpack to any size")
    if sum(part.file_size for part in parts) > path.stat().st_size:
        raise ValueError("its parts claim to be larger than the whole")


def _check_tensors(value: Any) -> None:
    """See that every tensor's bytes are there: a view can repeat one of them for ever."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise ValueError("it holds a tensor that is not a plain one")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f"a tensor of shape {tuple(value.shape)} has too few bytes")
    elif isinstance(value, dict):
        for item in value.values():
            _check_tensors(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            _check_tensors(item)
