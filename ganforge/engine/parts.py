"""Names the parts of a step, for whoever measures where its time goes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch.profiler import record_function

PREFIX = "ganforge: "
"""Before the names of parts in a profile."""

_NOBODY_LOOKS = nullcontext()


class Parts:
    """Marks what the engine is at; costs next to nothing while nobody looks."""

    def __init__(self) -> None:
        self.watched = False

    def __call__(self, name: str) -> AbstractContextManager[object]:
        """Within it, the engine is at this part of the step."""
        if not self.watched:
            return _NOBODY_LOOKS
        range_: AbstractContextManager[object] = record_function(PREFIX + name)
        return range_
