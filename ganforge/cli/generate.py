"""``ganforge generate``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganforge.cli.say import say
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ganforge.export import Exported


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def _finite(ctx: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """nan is within any bounds."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("is no number above 0", ctx, option)
    return value


@click.command()
@click.argument("source", metavar="RUN_OR_FILE", type=click.Path(path_type=Path))
@click.option("-n", "--count", type=click.IntRange(1, 1_000_000), default=64, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="One picture of all samples; a .npy file keeps the numbers. [default: generated.png]",
)
@click.option(
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for one picture a sample.",
)
@click.option(
    "--class",
    "only",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="Samples of one class, of a class-conditional generator; by default as many of each.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 10, min_open=True),
    callback=_finite,
    metavar="LIMIT",
    help="Bound on the noise: lower is cleaner and less varied. Uniform noise is within 1 anyway.",
)
@click.option(
    "--source",
    "pictures",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A picture, or a folder of them, for a generator that translates.",
)
@click.option(
    "--best-of",
    type=click.IntRange(1, 10_000),
    default=1,
    metavar="K",
    help="Make K times as many and keep those that the discriminator likes best.",
)
@click.option("--device", default="cpu", show_default=True)
def generate(
    source: Path,
    count: int,
    seed: int,
    out: Path | None,
    out_dir: Path | None,
    only: int | None,
    truncation: float | None,
    pictures: Path | None,
    best_of: int,
    device: str,
) -> None:
    """Make pictures with a trained generator.

    RUN_OR_FILE is a run's folder, or a generator.safetensors by itself. The same seed gives the
    same picture.
    """
    if out is not None and out.suffix.lower() not in (".png", ".npy"):
        raise UsageError(f"--out must name a .png or .npy file, not '{out}'")
    if out is not None and out_dir is not None:
        raise UsageError("--out and --out-dir exclude each other")
    from ganforge.cli.sampling import block, labels_by_class, load_generator, load_judge, make
    from ganforge.device import choose

    where = choose(device)
    generator, path = load_generator(source, where)
    if generator.facts["samples_of"] == "source":
        _check_translating(only, truncation, best_of)
        inputs = _pictures(generator, pictures, count)
        samples, _ = make(generator, inputs, None, seed=seed, device=where)
        _write(samples, None, out, out_dir)
        return
    if pictures is not None:
        raise UsageError("--source: this generator starts from noise, not from pictures")
    labels = labels_by_class(generator, count, only)
    if labels is not None and only is None and count < generator.facts["num_classes"]:
        say(f"There are more classes than samples: these are of the first {count} only.", err=True)
    judge = load_judge(path, where) if best_of > 1 else None
    every = None if labels is None else labels.repeat_interleave(best_of)
    latents = _latents(generator, count * best_of, seed, truncation)
    samples, scores = make(generator, latents, every, seed=seed, device=where, judge=judge)
    if scores is not None:
        samples = samples[_best(scores, every, best_of)]
    rows = None
    if labels is not None and only is None:
        rows = block(count, generator.facts["num_classes"])
    _write(samples, rows, out, out_dir)


def _latents(generator: Exported, count: int, seed: int, truncation: float | None) -> Tensor:
    from ganforge.engine.streams import Streams

    stream = Streams(seed).generator("generate")
    if truncation is None:
        return generator.latent.sample(count, stream)
    return generator.latent.truncated(count, stream, truncation)


def _best(scores: Tensor, labels: Tensor | None, best_of: int) -> Tensor:
    """Places of the samples with the highest scores: one in ``best_of``, in each class."""
    import torch

    if labels is None:
        return scores.argsort(descending=True, stable=True)[: len(scores) // best_of]
    kept = []
    for label in torch.unique(labels):
        places = (labels == label).nonzero().flatten()
        order = scores[places].argsort(descending=True, stable=True)
        kept.append(places[order[: len(places) // best_of]])
    return torch.cat(kept)


def _check_translating(only: int | None, truncation: float | None, best_of: int) -> None:
    given = {
        "--class": only is not None,
        "--truncation": truncation is not None,
        "--best-of": best_of > 1,
    }
    for option, there in given.items():
        if there:
            raise UsageError(f"{option}: this generator starts from pictures, not from noise")


def _pictures(generator: Exported, path: Path | None, count: int) -> Tensor:
    """Pictures ``(N, C, H, W)`` in [-1, 1] to translate, at most ``count``.

    Raises:
        UsageError: They cannot be read, or are not of the generator's size.
    """
    from ganforge.pictures import read_pictures

    shape = generator.facts["source_shape"]
    if path is None:
        raise UsageError(
            "this generator translates pictures, and none are given",
            hint="Name a picture, or a folder of them: --source FOLDER",
        )
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise UsageError(f"--source: there are no pictures in '{path}'")
    return read_pictures(files[:count], tuple(shape))


def _write(samples: Tensor, columns: int | None, out: Path | None, out_dir: Path | None) -> None:
    """Write one file of all samples, or a picture each, and tell where."""
    import numpy as np

    from ganforge.cli.sampling import saving
    from ganforge.pictures import grid, save_png

    if out_dir is None:
        target = out or Path("generated.png")
        if target.suffix.lower() == ".npy":
            saving(target, lambda: np.save(target, samples.numpy()))
        else:
            saving(target, lambda: save_png(grid(samples, columns=columns), target))
        click.echo(str(target))
        return
    for index, sample in enumerate(samples):
        file = out_dir / f"{index:0{max(4, len(str(len(samples) - 1)))}d}.png"
        picture = grid(sample[None], padding=0)
        saving(file, lambda picture=picture, file=file: save_png(picture, file))  # type: ignore[misc]
    click.echo(str(out_dir))
