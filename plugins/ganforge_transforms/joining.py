"""Two data sets as one with a source: ``paired`` and ``unpaired``."""

from __future__ import annotations

import copy

from ganforge.api import AnyDataset, DataError, DatasetOption


def paired(*, target: DatasetOption, source: DatasetOption) -> AnyDataset:
    """The n-th sample of the source belongs to the n-th of the target; games learn from pairs.

    Labels are those of the target. A source that one of the two has itself is left out.

    Args:
        target: What the game is to make.
        source: What it starts from.
    Raises:
        DataError: They have different numbers of samples.
    """
    if len(target) != len(source):
        raise DataError(
            f"the target has {len(target):,} samples and the source {len(source):,}, which make "
            "no pairs",
            hint="Choose the same split and classes on both sides, or 'unpaired' where the two "
            "do not correspond.",
        )
    return _with_source(target, source, paired=True)


def unpaired(*, target: DatasetOption, source: DatasetOption) -> AnyDataset:
    """Two domains whose samples do not correspond; each is dealt out in an order of its own.

    They may have different numbers of samples; an epoch is one pass through the target. Labels are
    those of the target. A source that one of the two has itself is left out.

    Args:
        target: What the game is to make.
        source: What it starts from.
    """
    return _with_source(target, source, paired=False)


def _with_source(target: AnyDataset, source: AnyDataset, *, paired: bool) -> AnyDataset:
    """A copy of the target that shares its samples: whatever its class can do is kept."""
    joined = copy.copy(target)
    joined.source_dataset = source
    joined.source_paired = paired
    return joined
