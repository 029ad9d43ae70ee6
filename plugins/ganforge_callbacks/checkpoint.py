"""When a run saves itself, and how many checkpoints it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ganforge.api import Callback, Every, Run, Values, prune_checkpoints


class Checkpoint(Callback):
    """Saves now and then; a run also saves at its end and when it is stopped.

    Args:
        every: How often to save.
        keep: How many of the newest checkpoints to keep.
    """

    def __init__(
        self, *, every: Every = Every(1, "epochs"), keep: Annotated[int, Field(ge=1)] = 3
    ) -> None:
        self.every = every
        self.keep = keep

    def on_step(self, run: Run, values: Values) -> None:
        if self.every.due(run.clock):
            run.request_save()

    def after_save(self, run: Run, path: Path) -> None:
        prune_checkpoints(path.parent, keep=self.keep)
