"""Where a run is: steps and epochs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property


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

    @cached_property
    def epoch(self) -> float:
        """Epochs completed, with the fraction of the one under way."""
        # Each step asks for it, and a Fraction takes its time to divide.
        return self.step * self.steps_per_epoch.denominator / self.steps_per_epoch.numerator

    def epochs_completed(self, step: int | None = None) -> int:
        """Whole epochs completed after ``step`` steps; now, if no step is given."""
        step = self.step if step is None else step
        return step * self.steps_per_epoch.denominator // self.steps_per_epoch.numerator

    @property
    def finished(self) -> bool:
        return self.step >= self.total_steps

    @cached_property
    def ended_epochs(self) -> range:
        """The epochs, counted from 1, that the step just completed has ended; mostly none."""
        before = self.epochs_completed(max(self.step - 1, 0))
        return range(before + 1, self.epochs_completed() + 1)
