"""The data set ``mnist``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import DataError, Dataset
from ganforge_mnist.files import NUM_DIGITS, SHIPPED, open_folder, read_pair
from ganforge_mnist.resize import resize

_PREFIXES = {"train": ["train"], "test": ["t10k"], "all": ["train", "t10k"]}


class MNIST(Dataset):
    """Handwritten digits: grey images ``(N, 1, 28, 28)``, uint8 in 0..255, digits light on black.

    Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document
    recognition". The four files ship with the package; nothing is downloaded.

    Args:
        split: ``train`` has 60,000 images, ``test`` 10,000, and ``all`` is train followed by test.
        size: Resize to ``size`` x ``size`` pixels, once and antialiased.
        classes: Keep only these digits. Labels become their places in this list: with
            ``[7, 1]`` a seven has label 0, a one has label 1, and there are two classes.
        root: A folder with your own copy of the four files, plain or gzipped (``.gz`` is looked
            for first). A relative path starts at the working folder.
        checksum: Refuse files whose unpacked content is not the original's, by SHA-256.
    Raises:
        DataError: A file is missing, unreadable, damaged or modified; ``classes`` is empty or
            names a digit twice; the resized images would not fit in memory.
    """

    feature_network: ClassVar[str] = "mnist_classifier"
    metrics: ClassVar[Sequence[str]] = ("frechet_distance", "precision_recall", "class_modes")

    def __init__(
        self,
        *,
        split: Literal["train", "test", "all"] = "train",
        size: Annotated[int, Field(ge=4, le=1024)] | None = None,
        classes: list[Annotated[int, Field(ge=0, le=9)]] | None = None,
        root: str | None = None,
        checksum: bool = True,
    ) -> None:
        if classes is not None:
            _check_classes(classes)
        samples, labels = _load(split, root, checksum)
        if classes is not None:
            samples, labels = _select(samples, labels, classes)
        if size is not None and samples.shape[-1] != size:
            samples = resize(samples, size)
        self._options: dict[str, Any] = {
            "size": size,
            "classes": classes,
            "root": root,
            "checksum": checksum,
        }
        self._split = split
        num_classes = NUM_DIGITS if classes is None else len(classes)
        super().__init__(samples=samples, labels=labels, num_classes=num_classes)

    def held_out(self) -> MNIST | None:
        """The test images for the training ones, and the other way about."""
        other: dict[str, Literal["train", "test"]] = {"train": "test", "test": "train"}
        if self._split not in other:
            return None
        return MNIST(split=other[self._split], **self._options)


def _check_classes(classes: list[int]) -> None:
    if not classes:
        raise DataError(
            "mnist: classes is an empty list, which leaves no images",
            hint="Name at least one digit from 0 to 9, or leave `classes` out to keep all ten.",
        )
    twice = sorted({digit for digit in classes if classes.count(digit) > 1})
    if twice:
        raise DataError(
            f"mnist: classes names {', '.join(map(str, twice))} more than once in {classes}",
            hint="Name each digit once; its place in the list becomes its label.",
        )


def _load(split: str, root: str | None, checksum: bool) -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, 28, 28)`` uint8 and labels ``(N,)`` int64 of one split."""
    folder = SHIPPED if root is None else open_folder(root)
    pairs = [read_pair(folder, prefix, checksum=checksum) for prefix in _PREFIXES[split]]
    images = [torch.from_numpy(images).unsqueeze(1) for images, _ in pairs]
    labels = [torch.from_numpy(labels).long() for _, labels in pairs]
    # Joining one tensor would copy it for nothing.
    return (images[0], labels[0]) if len(pairs) == 1 else (torch.cat(images), torch.cat(labels))


def _select(samples: Tensor, labels: Tensor, classes: list[int]) -> tuple[Tensor, Tensor]:
    """Only the samples of ``classes``, in their order in the files, with labels 0..k-1."""
    places = torch.full((NUM_DIGITS,), -1)
    places[classes] = torch.arange(len(classes))
    labels = places[labels]
    kept = labels >= 0
    if not kept.any():
        raise DataError(
            f"mnist: the files hold no image of the classes {classes}",
            hint="Choose digits that this copy of the data holds.",
        )
    return samples[kept], labels[kept]
