"""One play of a phase: which it is, and what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganforge.engine.data import Batch
from ganforge.engine.game import Phase, Term

Counters = tuple[int | str, ...]
"""What all random numbers of a play are a function of: step, phase, repeat."""


@dataclass(frozen=True)
class Turn:
    """A play that is to come.

    Args:
        step: The step under way, counted from 1.
        phase: Whose play it is.
        counters: Which play it is.
        terms: Those that are due.
        batch: The real samples.
    """

    step: int
    phase: Phase
    counters: Counters
    terms: Sequence[Term]
    batch: Batch
