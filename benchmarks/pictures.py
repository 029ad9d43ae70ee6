"""``python -m benchmarks.pictures runs``: the pictures of docs/methods.md, from finished runs.

``ganforge run`` each of the recipes first. A row of ``rows.png`` is what ``ganforge generate RUN
-n 16 --seed 0`` makes; the other pictures are parts of the last ones that the runs have drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from ganforge.engine.streams import Streams
from ganforge.export import read
from ganforge.pictures import grid, save_png
from ganforge.plugins import load_registry

TARGET = Path(__file__).parents[1] / "docs" / "images" / "methods"
CPU = torch.device("cpu")
COUNT = 16
LABEL = 132
"""Pixels for the name before a row."""

ROWS = (
    "hinge minimax lsgan wgan wgan_gp wgan_lp rsgan ragan r1 r3gan dragan lecam crgan icr "
    "feature_matching path_length orthogonal pacgan topk two_rates optimistic instance_noise"
)
"""Recipes of which a row is shown; all have one epoch but the three of Wasserstein."""

TOPS = {
    # Picture: the run's last one, and how much of its height is shown.
    "acgan": ("", 1.0),
    "projection": ("", 1.0),
    "infogan": ("", 1.0),
    "infogan_codes": ("codes", 0.5),
    "bigan": ("reconstructions", 0.5),
    "pix2pix": ("", 1.0),
    "cyclegan": ("", 1.0),
    "progressive": ("", 0.5),
}


def last(runs: Path, name: str) -> Path:
    """The newest run of a recipe."""
    found = sorted((runs / name).iterdir())
    return found[-1]


def row(run: Path) -> Image.Image:
    """Sixteen samples of a run, side by side."""
    generator = read(run / "generator.safetensors", load_registry(), device=CPU)
    latents = generator.latent.sample(COUNT, Streams(0).generator("latents"))
    return grid(generator(latents), columns=COUNT)


def rows(runs: Path) -> Image.Image:
    """A row for each recipe, its name before it."""
    found = [(name, row(last(runs, f"mnist_{name}"))) for name in ROWS.split()]
    width, height = found[0][1].size
    picture = Image.new("L", (LABEL + width, height * len(found)), 255)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for number, (name, samples) in enumerate(found):
        draw.text((2, number * height + height // 2), name, fill=0, font=font, anchor="lm")
        picture.paste(samples, (LABEL, number * height))
    return picture


def top(run: Path, panel: str, share: float) -> Image.Image:
    """The upper part of the last picture that a run has drawn."""
    pattern = f"step_*_{panel}.png" if panel else "step_" + "[0-9]" * 7 + ".png"
    picture = Image.open(sorted((run / "samples").glob(pattern))[-1])
    return picture.crop((0, 0, picture.width, int(picture.height * share)))


def main() -> None:
    runs = Path(sys.argv[1])
    save_png(rows(runs), TARGET / "rows.png")
    for name, (panel, share) in TOPS.items():
        recipe = name.removesuffix("_codes")
        save_png(top(last(runs, f"mnist_{recipe}"), panel, share), TARGET / f"{name}.png")
    save_png(top(last(runs, "spiral_gan"), "", 1.0), TARGET / "spiral.png")


if __name__ == "__main__":
    main()
