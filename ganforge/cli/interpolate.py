"""``ganforge interpolate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganforge.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from ganforge.export import Exported

FRAME = 80
"""Milliseconds that a GIF shows a picture."""


@click.command()
@click.argument("source", metavar="RUN_OR_FILE", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="How many pairs of latents, a row each.",
)
@click.option(
    "--steps",
    type=click.IntRange(2, 1000),
    default=10,
    show_default=True,
    help="Pictures from one end to the other, both included.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--class",
    "only",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="Of this class; by default the rows go through all classes.",
)
@click.option(
    "--classes",
    "ends",
    type=click.IntRange(0),
    nargs=2,
    metavar="FROM TO",
    help="From one class to another, with one latent a row.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("interpolation.png"),
    show_default=True,
    help="A .png of rows, or a .gif that goes there and back.",
)
@click.option("--device", default="cpu", show_default=True)
def interpolate(
    source: Path,
    rows: int,
    steps: int,
    seed: int,
    only: int | None,
    ends: tuple[int, int] | None,
    out: Path,
    device: str,
) -> None:
    """Show the way from one sample to another.

    RUN_OR_FILE is a run's folder, or a generator.safetensors by itself. Between latents of normal
    noise the way is an arc, as what lies on the straight line is too close to 0 (White 2016,
    arXiv:1609.04468); codes and uniform noise go straight.
    """
    if out.suffix.lower() not in (".png", ".gif"):
        raise UsageError(f"--out must name a .png or .gif file, not '{out}'")
    if ends is not None and only is not None:
        raise UsageError("--class and --classes exclude each other")
    from ganforge.cli.sampling import load_generator, make, saving
    from ganforge.device import choose
    from ganforge.engine.streams import Streams
    from ganforge.pictures import grid, save_gif, save_png

    where = choose(device)
    generator, _ = load_generator(source, where)
    if generator.facts["samples_of"] == "source":
        raise UsageError("this generator starts from pictures; there are no latents to go between")
    stream = Streams(seed).generator("interpolate")
    first = generator.latent.sample(rows, stream)
    second = first if ends is not None else generator.latent.sample(rows, stream)
    latents = generator.latent.between(first, second, steps)
    labels = _labels(generator, rows, steps, only, ends)
    samples, _ = make(generator, latents.flatten(0, 1), labels, seed=seed, device=where)
    if out.suffix.lower() == ".png":
        saving(out, lambda: save_png(grid(samples, columns=steps), out))
    else:
        frames = [grid(samples[step::steps]) for step in range(steps)]
        there_and_back: list[Image.Image] = frames + frames[-2:0:-1]
        saving(out, lambda: save_gif(there_and_back, out, milliseconds=FRAME))
    click.echo(str(out))


def _labels(
    generator: Exported, rows: int, steps: int, only: int | None, ends: tuple[int, int] | None
) -> Tensor | None:
    """Class indices ``(rows * steps,)``; between classes, weights ``(rows * steps, K)`` of each.

    Raises:
        UsageError: The generator cannot do that.
    """
    import torch

    from ganforge.cli.sampling import check_class, labels_by_class
    from ganforge.engine.calling import class_weights

    if ends is None:
        labels = labels_by_class(generator, rows, only)
        if labels is not None and only is None:
            labels = torch.arange(rows) % generator.facts["num_classes"]
        return None if labels is None else labels.repeat_interleave(steps)
    classes: int | None = generator.facts["num_classes"]
    if not generator.conditional or classes is None:
        raise UsageError("--classes: this generator is not class-conditional")
    if not getattr(generator.network, "takes_class_weights", False):
        raise UsageError(
            f"--classes: '{generator.facts['use']}' takes class indices only, and there is nothing "
            "between two of those",
            hint="A generator whose class says takes_class_weights = True can mix classes.",
        )
    for end in ends:
        check_class("--classes", end, classes)
    one, other = class_weights(torch.tensor(ends), classes)
    shares = torch.linspace(0.0, 1.0, steps)[:, None]
    mixed: Tensor = (1.0 - shares) * one + shares * other
    return mixed.repeat(rows, 1)
