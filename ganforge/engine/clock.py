"""Where a run is: steps and epochs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Clock:
    """A moment of a run.

    Args:
        step: Steps completed.
        total_steps: Steps of the whole run.
        steps_per_epoch: Steps in which the feed goes once through the data.
    """

    step: int
    total_steps: int
    steps_per_epoch: Fraction

    @property
    def epoch(self) -> float:
        """Epochs completed, with the fraction of the one under way."""
        return float(self.step / self.steps_per_epoch)

    def epochs_completed(self, step: int | None = None) -> int:
        """Whole epochs completed after ``step`` steps; now, if no step is given."""
        return int((self.step if step is None else step) / self.steps_per_epoch)

    @property
    def finished(self) -> bool:
        return self.step >= self.total_steps

    @property
    def ended_epochs(self) -> range:
        """The epochs, counted from 1, that the step just completed has ended; mostly none."""
        before = self.epochs_completed(max(self.step - 1, 0))
        return range(before + 1, self.epochs_completed() + 1)
