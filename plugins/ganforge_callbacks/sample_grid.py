"""Pictures of what the generator makes, always from the same latents."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ganforge.api import Callback, Every, Run, UsageError, Values, draw, save_png

Count = Annotated[int, Field(ge=1)]


class SampleGrid(Callback):
    """Writes ``samples/step_0000100.png``: a grid of samples from fixed latents.

    The latents are the same in the whole run, so that the pictures show one sample growing up. A
    class-conditional generator gets a row for each class. A game that has more to show, such as
    reconstructions, adds its name: ``step_0000100_reconstructions.png``; a data set of vectors
    draws them as it says.

    Args:
        every: How often.
        count: How many samples.
        columns: Samples in a row; a near-square grid if not given.
        truncation: Bound on the normal noise of the latents (Brock et al. 2019, arXiv:1809.11096);
            lower is cleaner and less varied.
        at_epochs: After these epochs a picture named ``epoch_0030.png`` is written as well.
    Raises:
        UsageError: The samples are no pictures.
    """

    def __init__(
        self,
        *,
        every: Every = Every(1, "epochs"),
        count: Count = 64,
        columns: Count | None = None,
        truncation: Annotated[float, Field(gt=0, le=10)] | None = None,
        at_epochs: list[Count] | None = None,
    ) -> None:
        self.every = every
        self.count = count
        self.columns = columns
        self.truncation = truncation
        self.at_epochs = frozenset(at_epochs or ())
        self._last: int | None = None

    def on_start(self, run: Run) -> None:
        """Refuse what cannot be drawn before any time is spent on it."""
        shape = run.facts.sample_shape
        if run.facts.picture is None and (len(shape) != 3 or shape[0] not in (1, 3)):
            raise UsageError(
                f"callback 'sample_grid' cannot draw samples of shape {shape}: pictures are "
                "(C, H, W) with one or three channels",
                hint="Switch it off with callbacks: [{use: sample_grid, enabled: false}].",
            )

    def on_step(self, run: Run, values: Values) -> None:
        clock = run.clock
        if self.every.due(clock):
            self._draw(run)
        for epoch in self.at_epochs.intersection(clock.ended_epochs):
            self._draw(run, f"epoch_{epoch:04d}")

    def on_rollback(self, run: Run) -> None:
        self._last = None

    def on_end(self, run: Run) -> None:
        """The last state is shown too, unless the run broke."""
        if run.outcome in ("finished", "stopped") and self._last != run.clock.step:
            self._draw(run)

    def _draw(self, run: Run, name: str | None = None) -> None:
        stem = name or f"step_{run.clock.step:07d}"
        shown = run.pictures(self.count, columns=self.columns, truncation=self.truncation)
        for what, panel in shown.items():
            picture = draw(panel.samples, panel.columns, run.facts.picture)
            file = f"{stem}.png" if what == "samples" else f"{stem}_{what}.png"
            save_png(picture, run.folder / "samples" / file)
        if name is None:
            self._last = run.clock.step
