"""What a data set gives the engine, and the feed that deals it out in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganforge.errors import DataError


class Dataset:
    """A resident data set: all samples in one tensor, copied to the training device once.

    A subclass reads its files in its constructor and hands the tensors on.

    Args:
        samples: uint8 images ``(N, C, H, W)`` in 0..255, or float32 samples ``(N, ...)`` that are
            used as they are.
        labels: int64 class indices ``(N,)``, or None.
        num_classes: How many classes the labels name, or None without labels.
        source: The data set of another domain, for games that translate from it into this one.
        paired: Whether the n-th sample of the source belongs to the n-th of this one; if not, the
            source is dealt out in an order of its own.
    Raises:
        DataError: The tensors do not fit together.
    """

    feature_network: ClassVar[str | None] = None
    """The component through which metrics look at such samples, if there is a good one."""

    metrics: ClassVar[Sequence[str]] = ()
    """The metrics that are measured if nobody says which."""

    def __init__(
        self,
        *,
        samples: Tensor,
        labels: Tensor | None = None,
        num_classes: int | None = None,
        source: AnyDataset | None = None,
        paired: bool = False,
    ) -> None:
        if samples.dtype not in (torch.uint8, torch.float32):
            raise DataError(f"samples must be uint8 or float32, not {samples.dtype}")
        if samples.dtype == torch.uint8 and samples.dim() != 4:
            raise DataError(f"uint8 samples must be (N, C, H, W), not {tuple(samples.shape)}")
        if len(samples) == 0:
            raise DataError("the data set has no samples")
        if labels is not None and len(labels) != len(samples):
            raise DataError(f"{len(samples)} samples but {len(labels)} labels")
        if (labels is None) != (num_classes is None):
            raise DataError("labels and num_classes go together: give both or neither")
        self.samples = samples
        self.labels = labels
        self.num_classes = num_classes
        self.source_dataset = source
        self.source_paired = paired
        _check_pairs(len(samples), source, paired)

    def __len__(self) -> int:
        return len(self.samples)

    def held_out(self) -> AnyDataset | None:
        """Samples of the same distribution that are not in this data set, where there are such.

        They tell what a metric says of samples that are as good as real ones.
        """
        return None

    def picture(self, samples: Tensor, columns: int | None = None) -> Any:
        """What samples ``(N, ...)`` like those of this data set look like: a ``PIL.Image``.

        None, as here, for images ``(N, C, H, W)``: they are laid out in a grid.

        Args:
            samples: Such samples.
            columns: Samples in a row, where there are rows.
        """
        return None

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(C, H, W)`` for images."""
        return tuple(self.samples.shape[1:])

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The samples ``(N, ...)`` and the labels ``(N,)`` of some rows."""
        return self.samples[rows], None if self.labels is None else self.labels[rows]


class MapDataset(ABC):
    """A data set that reads a sample when it is asked for: one that does not fit into memory.

    A subclass says how many there are and reads one. ``train.workers`` processes do so ahead of
    time. Random numbers that it draws from torch, numpy or ``random`` are a function of the seed
    and of the batch, so they are the same whichever process draws them.

    Args:
        sample_shape: Shape of one sample, ``(C, H, W)`` for images.
        num_classes: How many classes the labels name, or None without labels.
        source: As of :class:`Dataset`.
        paired: As of :class:`Dataset`.
    """

    source_dataset: AnyDataset | None = None
    source_paired = False
    feature_network: ClassVar[str | None] = None
    metrics: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        *,
        sample_shape: tuple[int, ...],
        num_classes: int | None = None,
        source: AnyDataset | None = None,
        paired: bool = False,
    ) -> None:
        self.sample_shape = tuple(sample_shape)
        self.num_classes = num_classes
        self.source_dataset = source
        self.source_paired = paired

    def held_out(self) -> AnyDataset | None:
        """As :meth:`Dataset.held_out`."""
        return None

    def picture(self, samples: Tensor, columns: int | None = None) -> Any:
        """As :meth:`Dataset.picture`."""
        return None

    @abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""

    @abstractmethod
    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        """A uint8 image ``(C, H, W)`` in 0..255 or a float32 sample; with its class if there are
        classes."""

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The samples ``(N, ...)`` and the labels ``(N,)`` of some rows.

        Raises:
            DataError: A sample cannot be read, or is not what the others are.
        """
        items = [self._item(row) for row in rows.tolist()]
        kinds = {sample.dtype for sample, _ in items}
        if len(kinds) > 1:  # torch would make floats of all, images in 0..255 too
            names = " and ".join(sorted(map(str, kinds)))
            raise DataError(f"the data set has samples of {names}; all should be of one type")
        samples = torch.stack([sample for sample, _ in items])
        if self.num_classes is None:
            return samples, None
        return samples, torch.tensor([label for _, label in items])

    def _item(self, row: int) -> tuple[Tensor, int]:
        try:
            item = self[row]
            sample, label = item if isinstance(item, tuple | list) else (item, -1)
            label = int(label)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"sample {row} of the data set cannot be read: {error!r}") from error
        wrong = None
        if not isinstance(sample, Tensor):
            wrong = f"is no tensor but {type(sample)}"
        elif sample.dtype not in (torch.uint8, torch.float32):
            wrong = f"is {sample.dtype}, not uint8 or float32"
        elif tuple(sample.shape) != self.sample_shape:
            wrong = f"has the shape {tuple(sample.shape)}, not {self.sample_shape}"
        elif self.num_classes is not None and not 0 <= label < self.num_classes:
            wrong = f"has the class {label}, but classes go from 0 to {self.num_classes - 1}"
        if wrong:
            raise DataError(f"sample {row} of the data set {wrong}")
        return sample, label


AnyDataset = Dataset | MapDataset


def _check_pairs(count: int, source: AnyDataset | None, paired: bool) -> None:
    if paired and (source is None or len(source) != count):
        other = "no source" if source is None else f"{len(source)} samples in its source"
        raise DataError(f"the data set is paired, and has {count} samples, but {other}")


@dataclass(frozen=True)
class Batch:
    """What one play sees of the data.

    Its tensors may be parts of larger ones: whoever keeps them longer than a step clones them.

    Args:
        samples: Real samples ``(N, ...)``, float32; images are in [-1, 1].
        labels: Their class indices ``(N,)``, if there are classes.
        source: Samples ``(N, ...)`` of the data set's source, if it has one.
    """

    samples: Tensor
    labels: Tensor | None = None
    source: Tensor | None = None

    @classmethod
    def of(cls, samples: Tensor, labels: Tensor | None, source: Tensor | None = None) -> Batch:
        """uint8 images are normalised to [-1, 1]; other samples are taken as they are."""
        return cls(normalised(samples), labels, None if source is None else normalised(source))

    def __len__(self) -> int:
        return len(self.samples)

    def cut(self, size: int) -> list[Batch]:
        """Batches of so many samples, in their order; what is left over is in none of them.

        They lie in the same memory, one of all samples is this batch itself. As ``.data`` they know
        nothing of each other: to autograd, who writes into one would have written into the others.
        """
        if len(self) == size:
            return [self]
        tensors = (self.samples, self.labels, self.source)
        pieces = [
            repeat(None) if each is None else (piece.data for piece in torch.split(each, size))
            for each in tensors
        ]
        count = len(self) // size
        return [Batch(*each) for each in islice(zip(*pieces, strict=False), count)]

    def part(self, where: slice) -> Batch:
        """A micro-batch of this batch."""
        labels = None if self.labels is None else self.labels[where]
        source = None if self.source is None else self.source[where]
        return Batch(self.samples[where], labels, source)


def normalised(samples: Tensor) -> Tensor:
    """uint8 images as float32 in [-1, 1]; other samples as they are."""
    if samples.dtype != torch.uint8:
        return samples
    return samples.float().div_(127.5).sub_(1.0)
