"""The current samples, drawn in the terminal."""

from __future__ import annotations

from typing import Annotated

from PIL import Image
from pydantic import Field
from rich.text import Text

from ganforge.api import Callback, Every, Run, Values, grid
from ganforge_callbacks.terminal import console

TILE = 16
"""Pixels that an image gets in each direction: a column of text each, half a line each."""
SHADES = " ░▒▓█"


def half_blocks(picture: Image.Image) -> Text:
    """A picture as text: each character is two pixels, one above the other."""
    rgb = picture.convert("RGB")
    text = Text()
    for top in range(0, rgb.height, 2):
        for x in range(rgb.width):
            upper = rgb.getpixel((x, top))
            lower = rgb.getpixel((x, top + 1)) if top + 1 < rgb.height else (0, 0, 0)
            text.append("▀", style=f"rgb{_triple(upper)} on rgb{_triple(lower)}")
        text.append("\n")
    return text


def shades(picture: Image.Image) -> Text:
    """A picture as characters of five densities, for terminals that show no colour."""
    grey = picture.convert("L").resize((picture.width, max(1, picture.height // 2)))
    rows = []
    for y in range(grey.height):
        levels = (int(grey.getpixel((x, y))) * len(SHADES) // 256 for x in range(grey.width))  # type: ignore[arg-type]
        rows.append("".join(SHADES[level] for level in levels))
    return Text("\n".join(rows) + "\n")


def _triple(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    return f"({','.join(str(int(part)) for part in pixel)})"


class TerminalPreview(Callback):
    """Draws some samples in the terminal with half-block characters; elsewhere it does nothing.

    Args:
        every: How often.
        rows: Rows of samples; as many in a row as the terminal's width has room for.
    """

    def __init__(
        self, *, every: Every = Every(1, "epochs"), rows: Annotated[int, Field(ge=1)] = 2
    ) -> None:
        self.every = every
        self.rows = rows

    def on_step(self, run: Run, values: Values) -> None:
        screen = console()
        if run.facts.quiet or not screen.is_terminal or not self.every.due(run.clock):
            return
        columns = max(1, min(10, screen.width // TILE))
        samples = run.pictures(columns * self.rows, columns=columns)["samples"].samples
        if run.facts.picture is None:
            picture = grid(samples[: columns * self.rows], columns=columns, padding=0)
            size = columns * TILE, self.rows * TILE
        else:
            picture = run.facts.picture(samples, None)
            size = 2 * self.rows * TILE, 2 * self.rows * TILE
        picture = picture.resize(size, Image.Resampling.BILINEAR)
        drawing = shades(picture) if screen.no_color else half_blocks(picture)
        screen.print(Text(f"step {run.clock.step}, epoch {run.clock.epoch:.2f}"))
        screen.print(drawing, end="", no_wrap=True, crop=True)
