"""The data set ``shards``: a folder of NumPy files that are read where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ganforge.api import DataError, MapDataset

IMAGES, LABELS = "images", "labels"
Classes = Annotated[int, Field(ge=1)]


class Shards(MapDataset):
    """Images in NumPy files ``ROOT/images-*.npy``, uint8 ``(n, C, H, W)`` each, in order of names.

    Only what a batch needs is read, so the data may be larger than memory; ``train.workers`` reads
    ahead. ``numpy.save("images-0000.npy", array)`` writes such a file. With ``num_classes``, each
    has its ``labels-*.npy``, whole numbers ``(n,)`` from 0 on.

    Args:
        root: The folder. A relative path starts at the working folder.
        num_classes: How many classes the labels name; without it labels are passed over.
    Raises:
        DataError: The folder holds no such files, one cannot be read or is something else, shapes
            differ, or labels are missing or name no class.
    """

    def __init__(self, *, root: str, num_classes: Classes | None = None) -> None:
        folder = Path(root).expanduser()
        files = sorted(folder.glob(f"{IMAGES}-*.npy"))
        if not files:
            there = "" if folder.is_dir() else ", which does not exist,"
            raise DataError(
                f"shards: '{folder}'{there} holds no files {IMAGES}-*.npy",
                hint="Write them with numpy.save: uint8 images (n, C, H, W), thousands a file.",
            )
        self._files = files
        self._images = [_opened(path, np.uint8, 4) for path in files]
        first = self._images[0].shape[1:]
        for path, images in self._pairs():
            if images.shape[1:] != first:
                raise DataError(
                    f"shards: '{path}' has images of {images.shape[1:]}, and '{files[0]}' of "
                    f"{first}",
                    hint="All images of a data set have one shape.",
                )
        self._labels = [_labels(path, images, num_classes) for path, images in self._pairs()]
        self._ends = np.cumsum([len(images) for images in self._images])
        super().__init__(sample_shape=first, num_classes=num_classes)

    def _pairs(self) -> list[tuple[Path, NDArray[Any]]]:
        return list(zip(self._files, self._images, strict=True))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        samples, labels = self.gather(torch.tensor([index]))
        return samples[0] if labels is None else (samples[0], int(labels[0]))

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images ``(N, C, H, W)`` and labels ``(N,)`` of some rows, read file by file."""
        wanted = rows.numpy()
        samples = np.empty((len(wanted), *self.sample_shape), np.uint8)
        labels = np.empty(len(wanted), np.int64)
        shards = np.searchsorted(self._ends, wanted, side="right")
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            places = wanted[here] - (self._ends[shard] - len(self._images[shard]))
            order = np.argsort(places)  # a disk likes to go forward
            samples[here[order]] = self._images[shard][places[order]]
            known = self._labels[shard]
            if known is not None:
                labels[here] = known[places]
        if self.num_classes is None:
            return torch.from_numpy(samples), None
        return torch.from_numpy(samples), torch.from_numpy(labels)


def _opened(path: Path, dtype: type, dimensions: int) -> NDArray[Any]:
    """A file's array, mapped and not read; nothing in the file is executed."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"shards: '{path}' cannot be read: {error}",
            hint="Write it again with numpy.save, as an array of plain numbers.",
        ) from error
    if array.dtype != dtype or array.ndim != dimensions or len(array) == 0:
        raise DataError(
            f"shards: '{path}' holds {array.dtype} of shape {array.shape}, not uint8 images "
            "(n, C, H, W)",
            hint="Images are in 0..255, and channels come first: array.transpose(0, 3, 1, 2).",
        )
    return array


def _labels(path: Path, images: NDArray[Any], classes: int | None) -> NDArray[np.int64] | None:
    """The labels of a shard, which are few bytes and are kept in memory."""
    if classes is None:
        return None
    file = path.with_name(path.name.replace(IMAGES, LABELS, 1))
    try:
        labels: NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"shards: the labels of '{path.name}' cannot be read: {error}",
            hint=f"Write them to {file.name}, or leave num_classes out.",
        ) from error
    whole = np.issubdtype(labels.dtype, np.integer) and labels.shape == (len(images),)
    if not whole or labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"shards: '{file}' does not hold {len(images):,} whole numbers from 0 to {classes - 1}",
            hint="One label an image; num_classes says how many classes there are.",
        )
    return np.asarray(labels, np.int64)
