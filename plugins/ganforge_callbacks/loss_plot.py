"""The losses over the steps, as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ganforge.api import Callback, Every, Run, UsageError, Values, write_atomic
from ganforge_callbacks.history import Curve, History, Series
from ganforge_callbacks.metrics import FILE, Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
SHADES = ("#e69f00", "#cc79a7", "#999999", "#56b4e9")
SHORT = {"discriminator": "d_loss", "generator": "g_loss"}


def smoothed(values: Series, window: int) -> Series:
    """Centred moving average, with a shorter window at both ends."""
    kernel = np.ones(window)
    counts = np.convolve(np.ones(len(values)), kernel, mode="same")
    return np.convolve(values, kernel, mode="same") / counts


def plot(
    losses: Mapping[str, Curve],
    *,
    title: str,
    steps_per_epoch: float,
    spans: Sequence[tuple[str, int, int]] = (),
) -> bytes:
    """A PNG: every phase's loss as it was, pale, and smoothed; steps below, epochs above.

    Args:
        losses: By phase.
        title: Above it.
        steps_per_epoch: For the scale of epochs.
        spans: States of the run that were not ok, which are shaded.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # 0.3 s: only when first needed
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for colour, (name, curve) in zip(COLOURS * 2, losses.items(), strict=False):
        _draw(axes, colour, SHORT.get(name, f"{name} loss"), curve)
    shades = dict(zip(dict.fromkeys(name for name, _, _ in spans), SHADES * 2, strict=False))
    for number, (name, first, last) in enumerate(spans):
        label = name if name not in [other for other, _, _ in spans[:number]] else None
        axes.axvspan(first, max(last, first + 1), color=shades[name], alpha=0.25, lw=0, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    figure.suptitle(title, y=0.98, fontsize="large")
    axes.grid(alpha=0.25)
    if losses:
        axes.legend(loc="best")

    def to_epochs(steps: ArrayLike) -> Series:
        return np.asarray(steps, np.float64) / steps_per_epoch

    def to_steps(epochs: ArrayLike) -> Series:
        return np.asarray(epochs, np.float64) * steps_per_epoch

    epochs = axes.secondary_xaxis("top", functions=(to_epochs, to_steps))
    epochs.set_xlabel("epoch")
    axes.yaxis.get_offset_text().set_x(-0.06)  # such as 1e6, beside the epochs and not upon them
    # To ask how wide the numbers on the left are takes as long as a fifth of the drawing, and one
    # of matplotlib's layout engines longer than all of it. Seven digits and a sign have room.
    figure.subplots_adjust(left=0.115, right=0.965, bottom=0.1, top=0.835)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})  # a third of the time
    return buffer.getvalue()


def _draw(axes: Axes, colour: str, label: str, curve: Curve) -> None:
    axes.plot(*curve.samples, color=colour, alpha=0.25, linewidth=0.7)
    steps, values = curve.means
    window = max(1, len(values) // 50)
    axes.plot(steps, smoothed(values, window), color=colour, linewidth=1.8, label=label)


class LossPlot(Callback):
    """Writes ``plots/losses.png`` from the run's ``metrics.jsonl``; bad health is shaded.

    Args:
        every: How often the picture is made anew; it is also made at the end.
    Raises:
        UsageError: The recipe has switched the callback ``metrics`` off.
    """

    def __init__(self, *, every: Every = Every(1, "epochs")) -> None:
        self.every = every

    def on_start(self, run: Run) -> None:
        if not any(isinstance(callback, Metrics) for callback in run.callbacks.values()):
            raise UsageError(
                "callback 'loss_plot' draws what the callback 'metrics' writes, which is off",
                hint="Switch 'metrics' on, or add {use: loss_plot, enabled: false}.",
            )
        self.on_rollback(run)

    def on_step(self, run: Run, values: Values) -> None:
        if self.every.due(run.clock):
            self._draw(run)

    def on_rollback(self, run: Run) -> None:
        """The rows behind the checkpoint are gone."""
        self._history = History(run.folder / FILE)

    def on_end(self, run: Run) -> None:
        if (run.folder / FILE).exists():
            self._draw(run)

    def _draw(self, run: Run) -> None:
        target = run.folder / "plots" / "losses.png"
        target.parent.mkdir(exist_ok=True)
        self._history.read()
        picture = plot(
            self._history.losses,
            spans=self._history.spans(),
            title=run.facts.name,
            steps_per_epoch=float(run.clock.steps_per_epoch),
        )
        write_atomic(target, picture)
