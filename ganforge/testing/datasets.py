"""Checks of data sets: what they hold, and that it is the same each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from PIL.Image import Image
from torch import Tensor

from ganforge.engine.data import AnyDataset, Dataset, MapDataset, normalised
from ganforge.testing.findings import Remark, Unchecked, Wrong, checks
from ganforge.testing.isolation import seed, settings
from ganforge.testing.subject import Subject

EXCERPT = 64


class Bench:
    """A data set, made once and looked at; a second one is made only to be compared."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.whole: AnyDataset | None = None
        self.dataset: Dataset | None = None

    def known(self) -> Dataset:
        if self.dataset is None:
            raise Unchecked("it could not be made, or its samples are not what they should be")
        return self.dataset


@dataclass(frozen=True)
class Content:
    """What two data sets must have in common to be the same."""

    length: int
    samples: str
    labels: str
    source: str


def excerpt(dataset: AnyDataset) -> Dataset:
    """The data set, or the first samples of one that reads them when they are asked for."""
    if not isinstance(dataset, MapDataset):
        return dataset
    rows = torch.arange(min(len(dataset), EXCERPT))
    samples, labels = dataset.gather(rows)
    return Dataset(samples=samples, labels=labels, num_classes=dataset.num_classes)


def build(bench: Bench) -> None:
    """It can be made, and is a ``ganforge.api.Dataset``."""
    seed(1)
    bench.whole = bench.subject.build()
    bench.dataset = excerpt(bench.whole)


def samples(bench: Bench) -> str:
    """uint8 images ``(N, C, H, W)``, or finite float32 samples of any shape; at least one."""
    dataset = bench.known()
    bench.dataset = None  # unless all is well: the other checks rely on it
    found = getattr(dataset, "samples", None)
    if not isinstance(found, Tensor):
        raise Wrong(
            "it has no tensor of samples",
            "Call super().__init__(samples=..., labels=..., num_classes=...) at the end of the "
            "constructor.",
        )
    told = _check_samples(found)
    bench.dataset = dataset
    return told


def _check_samples(found: Tensor) -> str:
    """Samples as the engine takes them.

    Raises:
        Wrong: They are something else.
    """
    if found.dtype not in (torch.uint8, torch.float32):
        raise Wrong(
            f"its samples are {found.dtype}",
            "Give images as uint8 in 0..255 (.to(torch.uint8)), anything else as float32.",
        )
    shape = tuple(found.shape)
    if found.dtype == torch.uint8 and found.dim() != 4:
        raise Wrong(
            f"its uint8 samples have the shape {shape}",
            "Give images as (N, C, H, W); grey ones have C = 1: images.unsqueeze(1).",
        )
    if found.dim() < 2 or len(found) == 0:
        raise Wrong(f"its samples have the shape {shape}", "Give at least one sample: (N, ...).")
    if found.is_floating_point() and not found.isfinite().all():
        raise Wrong("its samples hold NaN or infinity", "Leave such samples out, or repair them.")
    return f"{len(found):,} samples {shape[1:]}, {str(found.dtype).removeprefix('torch.')}"


def channels_first(bench: Bench) -> None:
    """Images have their channels before their rows."""
    shape = bench.known().samples.shape[1:]
    if len(shape) == 3 and shape[-1] in (1, 3) and shape[0] > 4:
        raise Wrong(
            f"samples of shape {tuple(shape)} look like (H, W, C)",
            "Put the channels first: images.permute(0, 3, 1, 2).contiguous().",
        )


def image_range(bench: Bench) -> None:
    """Images given as float32 are used as they are, so they must be in [-1, 1] already."""
    found = bench.known().samples
    if not found.is_floating_point() or found.dim() != 4:
        return
    low, high = found.min().item(), found.max().item()
    if low < -1.0 or high > 1.0 or low >= 0.0:
        raise Remark(
            f"float32 images from {low:.3g} to {high:.3g} are not scaled by ganforge; generators "
            "make [-1, 1]"
        )


def length(bench: Bench) -> None:
    """``len`` is the number of samples."""
    dataset = bench.known()
    if len(dataset) != len(dataset.samples):
        raise Wrong(
            f"len() is {len(dataset)}, but there are {len(dataset.samples)} samples",
            "Leave __len__ to ganforge.api.Dataset.",
        )
    if tuple(dataset.sample_shape) != tuple(dataset.samples.shape[1:]):
        raise Wrong(
            f"sample_shape is {dataset.sample_shape}, but samples are "
            f"{tuple(dataset.samples.shape[1:])}",
            "Leave sample_shape to ganforge.api.Dataset.",
        )


def labels(bench: Bench) -> str:
    """int64 class indices ``(N,)`` below ``num_classes``, or none."""
    dataset = bench.known()
    found, classes = dataset.labels, dataset.num_classes
    if found is None:
        if classes is not None:
            raise Wrong("it has num_classes but no labels", "Give both, or neither.")
        return "it has none"
    if found.dtype != torch.int64:
        raise Wrong(f"its labels are {found.dtype}", "Convert them: labels.long().")
    if tuple(found.shape) != (len(dataset.samples),):
        raise Wrong(
            f"its labels have the shape {tuple(found.shape)}",
            f"Give one class index for each sample: ({len(dataset.samples)},).",
        )
    low, high = int(found.min()), int(found.max())
    if classes is None or low < 0 or high >= classes:
        raise Wrong(
            f"its labels go from {low} to {high}, and num_classes is {classes}",
            "Number the classes from 0, and give num_classes as the largest label + 1 or more.",
        )
    return f"{classes} classes"


def source(bench: Bench) -> str:
    """The data set of the other domain, if there is one, is sound; pairs are as many."""
    bench.known()
    assert bench.whole is not None
    other = bench.whole.source_dataset
    if other is None:
        return "it has none"
    if not isinstance(other, AnyDataset):
        raise Wrong(
            f"its source is a {type(other).__name__}",
            "Give a data set: source=Dataset(samples=...).",
        )
    try:
        told = _check_samples(excerpt(other).samples)
    except Wrong as wrong:
        raise Wrong(f"its source: {wrong.message}", wrong.change) from wrong
    if not bench.whole.source_paired:
        return f"not paired; {told}"
    count, others = _rows(bench.whole), _rows(other)
    if count != others:
        raise Wrong(
            f"it is paired, and has {count} samples, its source {others}",
            "Give the n-th sample of one that of the other, or leave paired=True out.",
        )
    return f"paired; {told}"


def _rows(dataset: AnyDataset) -> int:
    """How many samples there are, whatever ``len`` says."""
    return len(dataset.samples) if isinstance(dataset, Dataset) else len(dataset)


def picture(bench: Bench) -> str:
    """A way of its own to draw samples gives a picture, and leaves the samples alone."""
    samples = normalised(bench.known().samples[:EXCERPT])
    assert bench.whole is not None
    before = samples.clone()
    found = None
    for columns in (None, 3):
        found = bench.whole.picture(samples, columns)
        if found is not None and not isinstance(found, Image):
            raise Wrong(
                f"picture() gives a {type(found).__name__}",
                "Give back a PIL.Image, or None where samples are images already.",
            )
    if not torch.equal(before, samples):
        raise Wrong(
            "picture() changes the samples in place", "Compute new tensors: others look at them."
        )
    return "in a grid" if found is None else f"{found.width}x{found.height} pixels"


def variety(bench: Bench) -> None:
    """Not all samples are the same one."""
    found = bench.known().samples
    if len(found) > 1 and bool((found == found[0]).all()):
        raise Wrong(
            "all its samples are equal", "See that each sample is read from a place of its own."
        )


def reproducible(bench: Bench) -> None:
    """Made again, it has the same samples and labels in the same order."""
    bench.known()
    assert bench.whole is not None
    first = _content(bench.whole)
    seed(2)
    second = _content(bench.subject.remade())
    if first.length != second.length:
        raise Wrong(
            f"made twice, it has {first.length} samples, then {second.length}",
            "Let nothing but its options and its files decide which samples it has.",
        )
    if first != second:
        what = next(name for name in vars(first) if vars(first)[name] != vars(second)[name])
        raise Wrong(
            f"made twice, it has {'another' if what == 'source' else 'other'} {what}, or another "
            "order",
            "Sort file names, and draw random numbers from a generator of its own: "
            "torch.Generator().manual_seed(...).",
        )


def global_state(bench: Bench) -> None:
    """Making it changes no setting of the process."""
    bench.known()
    before = settings()
    bench.subject.make(raw=True)
    after = settings()
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise Wrong(
            f"it changes {', '.join(changed)}, for everything else too", "Take that out of it."
        )


CHECKS = checks(
    build,
    samples,
    channels_first,
    image_range,
    length,
    labels,
    source,
    picture,
    variety,
    reproducible,
    global_state,
)


def _content(whole: AnyDataset) -> Content:
    """Checksums, so that two large data sets need not be kept."""
    dataset, other = excerpt(whole), whole.source_dataset
    labels = dataset.labels
    return Content(
        len(whole),
        _digest(dataset.samples),
        "" if labels is None else _digest(labels),
        "" if other is None else _digest(excerpt(other).samples),
    )


def _digest(values: Tensor) -> str:
    plain = values.detach().cpu().contiguous().numpy()
    return hashlib.blake2b(plain.data).hexdigest()
