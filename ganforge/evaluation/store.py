"""What is known of reference data is kept, and found again by a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ganforge.engine.data import AnyDataset, Dataset
from ganforge.engine.files import write_atomic

Tensors = dict[str, Tensor]
VERSION = "1"
"""Of what is kept; another one finds nothing of the older."""
PROBES = 64


class Store:
    """Tensors by key: in memory, and in files that later processes find.

    Args:
        folder: Where the files are, or None for memory alone.
        tell: Is given a line when a file cannot be written.
    """

    def __init__(self, folder: Path | None, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self._tell = tell
        self._known: dict[str, Tensors] = {}

    def get(self, key: tuple[str, ...], compute: Callable[[], Tensors]) -> Tensors:
        """What is kept under a key, computed if there is nothing.

        A file that cannot be read is made anew.
        """
        name = hashlib.sha256("\n".join((VERSION, *key)).encode()).hexdigest()[:40]
        if name not in self._known:
            found = self._read(name)
            if found is None:
                found = compute()
                self._write(name, found)
            self._known[name] = found
        return self._known[name]

    def _read(self, name: str) -> Tensors | None:
        if self.folder is None:
            return None
        try:
            return safetensors.torch.load_file(self.folder / f"{name}.safetensors")
        except (OSError, safetensors.SafetensorError):
            return None

    def _write(self, name: str, tensors: Tensors) -> None:
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            data = safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()})
            write_atomic(self.folder / f"{name}.safetensors", data)
        except OSError as error:
            reason = error.strerror or str(error)
            self._tell(f"what was computed of the reference data is not kept: {reason}")
            self.folder = None


def of_network(network: nn.Module) -> str:
    """The SHA-256 of a network's class, weights and buffers."""
    digest = hashlib.sha256(f"{type(network).__module__}.{type(network).__qualname__}".encode())
    for name, value in network.state_dict().items():
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(_bytes(value))
    return digest.hexdigest()


def of_dataset(dataset: AnyDataset) -> str:
    """The SHA-256 of a data set's samples.

    Of one that is read sample by sample: of its length and of 64 samples all over it.
    """
    digest = hashlib.sha256(f"{len(dataset)} {tuple(dataset.sample_shape)}".encode())
    if isinstance(dataset, Dataset):
        digest.update(str(dataset.samples.dtype).encode())
        digest.update(_bytes(dataset.samples))
    else:
        rows = torch.linspace(0, len(dataset) - 1, min(PROBES, len(dataset))).long()
        digest.update(_bytes(dataset.gather(rows)[0]))
    return digest.hexdigest()


def _bytes(value: Tensor) -> Any:
    """A tensor's memory, for a hash."""
    plain = value.detach().cpu().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy()
