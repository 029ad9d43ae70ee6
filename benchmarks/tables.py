"""What the benchmarks' tables have in common."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], unit: str = "", digits: int = 1) -> str:
    """Mean and standard error, as papers give them; of one trial the value alone."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) > 1:
        mean += f" ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}"
    return mean + unit


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table, readable as plain text too."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        f"| {' | '.join(map(str.ljust, line, widths))} |"  # newline after each
        for line in lines
    ]
    return "\n".join([padded[0], f"|{'|'.join('-' * (w + 2) for w in widths)}|", *padded[1:]])
