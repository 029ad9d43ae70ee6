"""The four files of MNIST: where to look for them, and what they must contain."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganforge.api import DataError
from ganforge_mnist.idx import IMAGES, LABELS, IdxKind, idx_header, read_idx
from ganforge_mnist.unpacked import kept

SHIPPED = Path(__file__).parent / "data"

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the unpacked files, so that it doesn't matter how a copy was compressed."""

SIDE = 28
NUM_DIGITS = 10

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def open_folder(root: str) -> Path:
    """The user's folder.

    Raises:
        DataError: It doesn't exist, is no folder, or can't be looked into.
    """
    hint = "Correct `root`, or leave it out to use the copy that ships with ganforge."
    try:
        folder = Path(root).expanduser()
        if folder.is_dir():
            return folder
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
    except (OSError, RuntimeError) as error:
        raise DataError(f"mnist: the root {root!r} cannot be read: {error}", hint=hint) from error
    raise DataError(f"mnist: the root {root!r} {problem}", hint=hint)


def read_pair(folder: Path, prefix: str, *, checksum: bool) -> Arrays:
    """Images ``(N, 28, 28)`` and labels ``(N,)`` of the files named with ``prefix``.

    Raises:
        DataError: A file is missing, damaged or of another kind, its check sum is wrong, or
            images and labels don't belong together.
    """
    images_path, images = _read(folder, f"{prefix}-images-idx3-ubyte", IMAGES, checksum)
    labels_path, labels = _read(folder, f"{prefix}-labels-idx1-ubyte", LABELS, checksum)
    if images.shape[1:] != (SIDE, SIDE):
        height, width = images.shape[1:]
        raise DataError(
            f"{images_path} holds images of {height} x {width} pixels, not of {SIDE} x {SIDE}",
            hint="Keep the files at their own size; `size` resizes the images.",
        )
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images):,} images, but {labels_path} holds "
            f"{len(labels):,} labels",
            hint="Use an images file and a labels file that were made together.",
        )
    if labels.max() >= NUM_DIGITS:
        raise DataError(
            f"{labels_path} holds the label {labels.max()}, but labels go from 0 to "
            f"{NUM_DIGITS - 1}",
            hint="Use labels of the ten digits.",
        )
    return images, labels


def _read(folder: Path, name: str, kind: IdxKind, checksum: bool) -> tuple[Path, NDArray[np.uint8]]:
    path = _find(folder, name)

    def unpack() -> tuple[NDArray[np.uint8], bytes]:
        values = read_idx(path, kind)
        if checksum:
            _verify(path, values, kind, SHA256[name])
        return values, idx_header(values, kind)

    if folder == SHIPPED and checksum:
        return path, kept(name, kind, SHA256[name], unpack)
    return path, unpack()[0]


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")  # the spelling of some unpacked copies
    names = [f"{name}.gz", name, f"{dotted}.gz", dotted]
    try:
        for path in (folder / candidate for candidate in names):
            if path.is_file():
                return path
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror or error}",
            hint="Check that you may open this folder.",
        ) from error
    raise DataError(
        f"{folder} has no file {name}; looked for {', '.join(names)}",
        hint="Copy the missing file there, or point `root` to the folder that holds the files "
        "themselves (torchvision keeps them in MNIST/raw).",
    )


def _verify(path: Path, values: NDArray[np.uint8], kind: IdxKind, expected: str) -> None:
    digest = hashlib.sha256(idx_header(values, kind))
    digest.update(values.data)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{path} is not the original MNIST file: the SHA-256 of its unpacked content is "
            f"{digest.hexdigest()}, expected {expected}",
            hint="Replace it with the original, or set `checksum: false` to accept a modified "
            "copy on purpose.",
        )
