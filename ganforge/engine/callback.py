"""Callbacks: what watches a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ganforge.engine.data import Batch
from ganforge.engine.tally import Values
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from ganforge.engine.run import Run


class Callback:
    """Watches a run; never part of its mathematics. The base of components of kind ``callback``.

    Methods are called in the order in which the recipe lists the callbacks. One that works for long
    asks ``run.stopping`` now and then, and returns when it is true.
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, also of a resumed run."""

    def on_step(self, run: Run, values: Values) -> None:
        """After each step; ``values`` are tensors on the device, and reading one may wait."""

    def on_record(self, run: Run, row: Mapping[str, Any]) -> None:
        """When something other than a step has numbers or words worth keeping (``run.record``)."""

    def before_save(self, run: Run) -> None:
        """Before a checkpoint is written: put down what is still in memory."""

    def after_save(self, run: Run, path: Path) -> None:
        """After a checkpoint was written to the folder ``path``."""

    def on_rollback(self, run: Run) -> None:
        """After the run went back to an earlier step: forget what came behind it."""

    def on_end(self, run: Run) -> None:
        """When the run ends, in whatever way (``run.outcome`` tells); in reverse order."""

    def summary(self, run: Run) -> Sequence[str]:
        """Lines that the user is shown when the run has ended."""
        return ()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know: plain containers, numbers, texts and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


def no_examples(count: int) -> Batch:
    """What a run says that was made without a data set.

    Raises:
        UsageError: Always.
    """
    raise UsageError("this run has no real samples to show")


@dataclass(frozen=True)
class Facts:
    """What a callback may want to show of a run, told in words and numbers.

    Args:
        name: The recipe's name.
        batch_size: Samples in a batch.
        sample_shape: Shape of one sample, ``(C, H, W)`` for images.
        quiet: The user asked for no progress on the terminal.
        num_classes: How many classes the data have, or None.
        examples: Gives so many real samples, always the same ones.
        picture: Draws samples as the data set says (a ``PIL.Image``, from samples and columns), or
            None where they are images that make a grid.
        evaluator: Makes what measures samples: of metrics, or of None for what the data set
            suggests, and of how many samples of the data set are the reference.
        feature_network: Makes the one that the data set suggests, or gives None.
    """

    name: str
    batch_size: int
    sample_shape: tuple[int, ...]
    quiet: bool = False
    num_classes: int | None = None
    examples: Callable[[int], Batch] = no_examples
    picture: Callable[[Tensor, int | None], Any] | None = None
    evaluator: Callable[[Any, int], Any] | None = None
    feature_network: Callable[[], nn.Module | None] = lambda: None
