"""What ``generate`` and ``interpolate`` share: a generator from a file, and its samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganforge.cli.context import registry
from ganforge.errors import GanforgeError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ganforge.export import Exported

CHUNK = 256
"""Samples made at once; fixed, as another number may round differently."""


def load_generator(source: Path, device: torch.device) -> tuple[Exported, Path]:
    """The generator that a run's folder or a file holds, and its file.

    Raises:
        UsageError: There is none.
        GanforgeError: It is damaged, or needs a plugin that is not there.
    """
    from ganforge.export import read
    from ganforge.plugins import add_named
    from ganforge.resuming import check_plugins_inside
    from ganforge.runfolder import RECIPE, own_plugins

    plugins = registry()
    path = _generator_file(source)
    home = path.parent
    if not (home / RECIPE).is_file() and (home.parent / RECIPE).is_file():
        home = home.parent  # the best networks lie in a folder of their run's
    named = own_plugins(home)
    check_plugins_inside(home, named)
    for name in named:
        add_named(plugins, name, folder=home)
    generator = read(path, plugins, device=device)
    if generator.facts["kind"] != "generator":
        raise UsageError(
            f"the network in '{path}' is of kind {generator.facts['kind']} and makes no samples",
            hint="Name the run's folder or its generator.safetensors.",
        )
    return generator, path


def load_judge(generator: Path, device: torch.device) -> Exported:
    """The discriminator that lies beside a generator's file.

    Raises:
        UsageError: There is none.
    """
    from ganforge.export import describes, read

    usual = generator.with_name("discriminator.safetensors")
    others = sorted(generator.parent.glob("*.safetensors"))
    for path in ([usual] if usual.is_file() else []) + others:
        if path != generator and describes(path, "judge"):
            return read(path, registry(), device=device)
    raise UsageError(
        f"--best-of needs the discriminator, and there is no '{usual}'",
        hint="Name the run's folder, or copy its discriminator.safetensors beside this file. "
        "Not every game has one that can rank samples.",
    )


def _generator_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    path = source / "generator.safetensors"
    if path.is_file():
        return path
    from ganforge.export import describes

    # Games name their sampling network as they like, and may have several generators.
    for other in sorted(source.glob("*.safetensors")):
        if describes(other, "sampler") and not describes(other, "judge"):
            return other
    raise UsageError(
        f"'{source}' has no generator.safetensors",
        hint="Name a run folder whose run has saved at least once, or an exported file.",
    )


def labels_by_class(generator: Exported, count: int, only: int | None) -> Tensor | None:
    """A class index for each of ``count`` samples ``(count,)``: one class, or all in blocks.

    None for a generator that takes none.

    Raises:
        UsageError: A class is wanted that the generator does not have.
    """
    import torch

    classes: int | None = generator.facts["num_classes"]
    if not generator.conditional or classes is None:
        if only is not None:
            raise UsageError(
                f"--class {only}: this generator is not class-conditional",
                hint="Leave --class out, or train a generator whose forward takes labels.",
            )
        return None
    check_class("--class", only, classes)
    if only is not None:
        return torch.full((count,), only)
    return torch.arange(count) // block(count, classes)


def block(count: int, classes: int) -> int:
    """How many of so many samples stand in the row of a class."""
    return max(1, -(-count // classes))


def check_class(option: str, wanted: int | None, classes: int) -> None:
    """See that there is such a class.

    Raises:
        UsageError: There is not.
    """
    if wanted is not None and wanted >= classes:
        raise UsageError(f"{option} {wanted}: the classes are numbered from 0 to {classes - 1}")


def make(
    generator: Exported,
    inputs: Tensor,
    labels: Tensor | None,
    *,
    seed: int,
    device: torch.device,
    judge: Exported | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Samples ``(N, ...)`` of inputs ``(N, ...)``, and the judge's scores ``(N,)`` of them."""
    import torch

    from ganforge.engine.game import rank
    from ganforge.engine.streams import Streams

    kept: list[Tensor] = []
    scores: list[Tensor] = []
    with Streams(seed).isolated("modules"):
        for start in range(0, len(inputs), CHUNK):
            where = slice(start, start + CHUNK)
            beside = None if labels is None else labels[where].to(device)
            samples = generator(inputs[where].to(device), labels=beside)
            kept.append(samples.cpu())
            if judge is not None:
                scores.append(rank(judge.network, samples, labels=beside).cpu())
    return torch.cat(kept), torch.cat(scores) if scores else None


def saving(target: Path, save: Callable[[], Any]) -> None:
    """Write a file, and tell in words if that fails.

    Raises:
        GanforgeError: It does.
    """
    try:
        save()
    except OSError as error:
        raise GanforgeError(f"cannot write '{target}': {error.strerror}") from error
