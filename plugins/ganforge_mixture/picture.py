"""Draws samples of a mixture over its density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ganforge_mixture.dataset import HIGH_QUALITY, PIXELS, Mixture, hits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 480
DPI = 96
LEFT, BOTTOM = 40, 46
"""Where the square begins, in pixels."""

PAPER, INK, FRAME = "#fcfbf8", "#3b4252", "#d5d8de"
RECOVERED, LOST, POINTS = "#5b7fbf", "#8a8f9c", "#d1495b"
DENSITY = LinearSegmentedColormap.from_list("density", [PAPER, "#cfdcf3", "#6f93d2", "#2f569c"])


def draw(mixture: Mixture, samples: Tensor) -> Image.Image:
    """The picture of :meth:`Mixture.picture`."""
    # Objects of its own and no pyplot: nothing global, and nothing that asks for a screen.
    figure = Figure(figsize=(SIDE / DPI, SIDE / DPI), dpi=DPI, facecolor=PAPER)
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT / SIDE, BOTTOM / SIDE, PIXELS / SIDE, PIXELS / SIDE))
    _frame(axes, mixture)
    points = samples.detach().cpu().double().numpy()
    size = 10.0 if len(points) <= 500 else 4.0
    axes.scatter(
        points[:, 0], points[:, 1], s=size, color=POINTS, alpha=0.5, linewidths=0, zorder=2
    )
    found = _circles(axes, mixture, samples) if mixture.num_classes is not None else []
    caption = "  ·  ".join([f"{len(points):,} samples", *found, *_outside(mixture, samples)])
    figure.text(LEFT / SIDE, 9 / SIDE, caption, color=INK, fontsize=8.5)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())


def _frame(axes: Axes, mixture: Mixture) -> None:
    """The density as a colour, and quiet axes around it."""
    reach = mixture.reach
    box = (-reach, reach, -reach, reach)
    axes.imshow(
        mixture.shading.numpy(),
        cmap=DENSITY,
        vmin=0.0,
        vmax=1.0,
        origin="lower",
        extent=box,
        interpolation="nearest",
        aspect="auto",
    )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.tick_params(labelcolor=INK, labelsize=8, color=FRAME, length=3)
    for side in axes.spines.values():
        side.set_color(FRAME)


def _circles(axes: Axes, mixture: Mixture, samples: Tensor) -> list[str]:
    """A circle around each mode, dashed around those that no sample recovers; what was counted."""
    counts = hits(samples, mixture.centers, mixture.std)
    for lost in (False, True):
        some = mixture.centers[(counts == 0) == lost].numpy()
        axes.scatter(
            some[:, 0],
            some[:, 1],
            s=190,
            facecolors="none",
            edgecolors=LOST if lost else RECOVERED,
            linestyles=(0, (2.5, 2)) if lost else "solid",
            linewidths=1.1,
            zorder=3,
        )
    share = int(counts.sum()) / max(1, len(samples))
    return [
        f"{int((counts > 0).sum())} of {len(counts)} modes",
        f"{share:.1%} within {HIGH_QUALITY:.0f} std",
    ]


def _outside(mixture: Mixture, samples: Tensor) -> list[str]:
    """How many samples the picture does not show; what is not finite is among them."""
    count = int((~(samples.abs() <= mixture.reach).all(dim=1)).sum())
    return [f"{count:,} outside"] if count else []
