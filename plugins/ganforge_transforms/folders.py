"""The data set ``paired_folder``: pairs of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from pydantic import Field
from torch import Tensor

from ganforge.api import DataError, MapDataset

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
"""Endings of the files that count as images; other files are passed over."""

_UNREADABLE = (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError)

Channels = Literal[1, 3]
Side = Annotated[int, Field(ge=4, le=4096)]


class PairedFolder(MapDataset):
    """Pairs of image files of the same name, whatever they end in, in two folders.

    ``ROOT/source/0001.jpg`` and ``ROOT/target/0001.png`` are a pair. Samples are the target's
    images, uint8 ``(C, H, W)`` in 0..255, in the order of their names; the source is the other
    folder. Images are read when they are asked for (``train.workers`` reads ahead). Without
    ``size`` the head of every file is looked at first, as all must be of one size.

    Args:
        root: The folder that holds both. A relative path starts at the working folder.
        source_folder: Name of the folder of what a game starts from.
        target_folder: Name of the folder of what it is to make.
        channels: 1 makes images grey, 3 coloured.
        size: Resize to ``size`` x ``size`` pixels, bicubic and antialiased.
    Raises:
        DataError: A folder is missing or holds no images, two images of a folder have the same
            name, an image has no partner, cannot be read, or has another size than the others.
    """

    def __init__(
        self,
        *,
        root: str,
        source_folder: str = "source",
        target_folder: str = "target",
        channels: Channels = 3,
        size: Side | None = None,
    ) -> None:
        sources = _by_name(Path(root).expanduser() / source_folder)
        targets = _by_name(Path(root).expanduser() / target_folder)
        _check_partners(sources, targets, target_folder)
        _check_partners(targets, sources, source_folder)
        names = sorted(targets)
        self._files = _Images([targets[name] for name in names], channels, size)
        super().__init__(
            sample_shape=self._files.sample_shape,
            source=_Images([sources[name] for name in names], channels, size),
            paired=True,
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Tensor:
        return self._files[index]


class _Images(MapDataset):
    """Image files, in this order."""

    def __init__(self, files: Sequence[Path], channels: Channels, size: int | None) -> None:
        self.files = files
        self.channels = channels
        self.size = None if size is None else (size, size)
        self.wanted = self.size or _common_size(files)
        super().__init__(sample_shape=(channels, self.wanted[1], self.wanted[0]))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        path = self.files[index]
        try:
            with Image.open(path) as opened:
                image = opened.convert("L" if self.channels == 1 else "RGB")
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
        if self.size is not None:
            image = image.resize(self.size, Image.Resampling.BICUBIC)
        if image.size != self.wanted:  # it was another one when the run began
            raise _other_size(path, image.size, self.wanted)
        pixels = np.array(image).reshape(image.height, image.width, self.channels)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without endings.

    Raises:
        DataError: There is no such folder, it holds none, or two of the same name.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise DataError(
            f"paired_folder: the folder '{folder}' cannot be read: {error.strerror or error}",
            hint="Correct `root`, `source_folder` or `target_folder`.",
        ) from error
    if not found:
        raise DataError(
            f"paired_folder: '{folder}' holds no images",
            hint=f"Images are files that end in {', '.join(SUFFIXES)}.",
        )
    by_name: dict[str, Path] = {}
    for path in found:
        if path.stem in by_name:
            raise DataError(
                f"paired_folder: '{by_name[path.stem]}' and '{path}' have the same name",
                hint="Keep one of them: a pair is found by its name without the ending.",
            )
        by_name[path.stem] = path
    return by_name


def _check_partners(ours: dict[str, Path], theirs: dict[str, Path], their_folder: str) -> None:
    alone = [path for name, path in ours.items() if name not in theirs]
    if alone:
        more = f", nor have {len(alone) - 1:,} others" if len(alone) > 1 else ""
        raise DataError(
            f"paired_folder: '{alone[0]}' has no partner in '{their_folder}'{more}",
            hint=f"Put an image named '{alone[0].stem}' there, or take this one away.",
        )


def _common_size(files: Sequence[Path]) -> tuple[int, int]:
    """Width and height of all images.

    Raises:
        DataError: They are not all alike, or one cannot be read.
    """
    wanted: tuple[int, int] | None = None
    for path in files:
        try:
            with Image.open(path) as opened:  # reads the head only
                size = opened.size
        except _UNREADABLE as error:
            raise _unreadable(path, error) from error
        wanted = wanted or size
        if size != wanted:
            raise _other_size(path, size, wanted)
    assert wanted is not None  # a folder without images was refused
    return wanted


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"paired_folder: '{path}' is no image that can be read: {error}",
        hint="Replace it, or take it and its partner away.",
    )


def _other_size(path: Path, size: tuple[int, int], wanted: tuple[int, int]) -> DataError:
    return DataError(
        f"paired_folder: '{path}' is {size[0]}x{size[1]}, and should be {wanted[0]}x{wanted[1]} "
        "as the first one",
        hint="Set `size` to resize all images.",
    )
