"""The kinds of components for which there is an example to start from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ganforge.errors import UsageError

DEFAULT = ("generator", "discriminator")


class Example(NamedTuple):
    """The example of one kind.

    Args:
        target: Its class or function.
        summary: What it is, as ``list-plugins`` and the README show it.
        words: The kind with its article.
    """

    target: str
    summary: str
    words: str


EXAMPLES = {
    "dataset": Example("Shapes", "discs and squares, drawn and labelled", "a data set"),
    "generator": Example("Generator", "upsampling and convolutions", "a generator"),
    "discriminator": Example(
        "Discriminator", "strided convolutions without batch norm", "a discriminator"
    ),
    "encoder": Example("Encoder", "strided convolutions, to latents", "an encoder"),
    "game": Example("Regression", "an encoder learns to undo the generator (2017)", "a game"),
    "loss": Example("SmoothedLabels", "non-saturating, with labels below 1 (2016)", "a loss"),
    "regularizer": Example(
        "Consistency", "noise must not change what D says (2020)", "a regularizer"
    ),
    "augmentation": Example("Brightness", "brighter or darker at random (2020)", "an augmentation"),
    "optimizer": Example("OptimisticAdam", "Adam for games of two (2018)", "an optimizer"),
    "schedule": Example("warmup_cosine", "up along a line, down along a cosine", "a schedule"),
    "feature_network": Example("Patches", "answers to random patches (2009)", "a feature network"),
    "metric": Example(
        "NearestNeighbour", "two samples told apart by nearest neighbours (2017)", "a metric"
    ),
    "callback": Example("Movement", "how far the samples move, as CSV", "a callback"),
}
"""By kind, in the order in which a recipe names them."""


def chosen(kinds: Iterable[str]) -> list[str]:
    """The kinds that a user wants, each once and in the order of recipes.

    An encoder brings a game that has a place for it.

    Raises:
        UsageError: There is no such kind.
    """
    wanted = set(kinds) or set(DEFAULT)
    for kind in sorted(wanted - set(EXAMPLES)):
        raise UsageError(
            f"there is no kind '{kind}'",
            hint=f"Kinds that can be made: {', '.join(EXAMPLES)}.",
        )
    if "encoder" in wanted:
        wanted.add("game")
    return [kind for kind in EXAMPLES if kind in wanted]


def listed(kinds: Iterable[str]) -> str:
    """Kinds in words: ``a generator, a discriminator and a loss``."""
    *most, last = [EXAMPLES[kind].words for kind in kinds]
    return f"{', '.join(most)} and {last}" if most else last
