"""``ganforge generate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.context import registry
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ganforge.export import Exported

CHUNK = 256
"""Samples made at once; fixed, as another number may round differently."""


@click.command()
@click.argument("source", metavar="RUN_OR_FILE", type=click.Path(path_type=Path))
@click.option("-n", "--count", type=click.IntRange(1, 1_000_000), default=64, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="One picture of all samples. [default: generated.png]",
)
@click.option(
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for one picture a sample.",
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
    best_of: int,
    device: str,
) -> None:
    """Make pictures with a trained generator.

    RUN_OR_FILE is a run's folder, or a generator.safetensors by itself. The same seed gives the
    same picture.
    """
    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"--out must name a .png file, not '{out}'")
    if out is not None and out_dir is not None:
        raise UsageError("--out and --out-dir exclude each other")
    from ganforge.device import choose
    from ganforge.export import read
    from ganforge.pictures import grid, save_png
    from ganforge.plugins import add_named
    from ganforge.resuming import check_plugins_inside
    from ganforge.runfolder import own_plugins

    plugins, where = registry(), choose(device)
    path = _generator_file(source)
    named = own_plugins(path.parent)
    check_plugins_inside(path.parent, named)
    for name in named:
        add_named(plugins, name, folder=path.parent)
    generator = read(path, plugins, device=where)
    if generator.facts["kind"] != "generator":
        raise UsageError(
            f"'{path}' holds a {generator.facts['kind']}, which makes no samples",
            hint="Name the run's folder or its generator.safetensors.",
        )
    judge = None
    if best_of > 1:
        judge = read(_judge_file(path), plugins, device=where)
    samples = _samples(generator, judge, count=count, seed=seed, best_of=best_of, device=where)
    if out_dir is None:
        target = out or Path("generated.png")
        _saving(target, lambda: save_png(grid(samples), target))
        click.echo(str(target))
        return
    for index, sample in enumerate(samples):
        target = out_dir / f"{index:0{max(4, len(str(count - 1)))}d}.png"
        picture = grid(sample[None], padding=0)
        _saving(target, lambda picture=picture, target=target: save_png(picture, target))
    click.echo(str(out_dir))


def _generator_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    path = source / "generator.safetensors"
    if not path.is_file():
        raise UsageError(
            f"'{source}' has no generator.safetensors",
            hint="Name a run folder whose run has saved at least once, or an exported file.",
        )
    return path


def _judge_file(generator: Path) -> Path:
    path = generator.with_name("discriminator.safetensors")
    if not path.is_file():
        raise UsageError(
            f"--best-of needs the discriminator, and there is no '{path}'",
            hint="Name the run's folder, or copy its discriminator.safetensors beside this file.",
        )
    return path


def _samples(
    generator: Exported,
    judge: Exported | None,
    *,
    count: int,
    seed: int,
    best_of: int,
    device: Any,
) -> Tensor:
    """Samples ``(count, C, H, W)``; the judge's favourites of ``best_of`` times as many."""
    import torch

    from ganforge.engine.game import rank
    from ganforge.engine.streams import Streams

    streams = Streams(seed)
    latents = generator.latent.sample(count * best_of, streams.generator("generate"))
    kept: list[Tensor] = []
    scores: list[Tensor] = []
    with streams.isolated("modules"):
        for chunk in latents.split(CHUNK):  # type: ignore[no-untyped-call]
            samples = generator(chunk.to(device))
            kept.append(samples.cpu())
            if judge is not None:
                scores.append(rank(judge.network, samples).cpu())
    everything = torch.cat(kept)
    if judge is None:
        return everything
    return everything[torch.cat(scores).argsort(descending=True, stable=True)[:count]]


def _saving(target: Path, save: Any) -> None:
    from ganforge.errors import GanforgeError

    try:
        save()
    except OSError as error:
        raise GanforgeError(f"cannot write '{target}': {error.strerror}") from error
