"""What both games need: samples to start from, and pictures in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganforge.api import AdversarialRound, Panel, Play, UsageError

Shape = tuple[int, ...]


class TranslationRound(AdversarialRound):
    """A round whose generator starts from samples, not from latents."""

    @property
    def latent(self) -> Tensor:
        """There are none.

        Raises:
            UsageError: A term asks for them.
        """
        raise UsageError(
            f"phase '{self.play.phase}': a term asks for latents, and generators that translate "
            "start from samples",
            hint="Leave out regularizers of latents, such as path_length and latent_consistency.",
        )


def narrowed(play: Play, generator: str, discriminator: str) -> Play:
    """A play as one pair of networks sees it: the others do not learn in it."""
    return replace(play, learning=play.learning & {generator, discriminator})


def source_of(play: Play, game: str) -> Tensor:
    """The samples of the other domain.

    Raises:
        UsageError: There are none.
    """
    if play.batch.source is None:
        raise no_source(game)
    return play.batch.source


def no_source(game: str, choices: str = "unpaired, paired or paired_folder") -> UsageError:
    """What the user is told whose data set has no source."""
    return UsageError(
        f"game '{game}' translates samples of a source, and the data set has none",
        hint=f"Choose a data set that has one: {choices}.",
    )


def check_made(network: str, made: Tensor, wanted: Tensor) -> None:
    """See that a generator makes samples of the right shape, which would broadcast otherwise.

    Raises:
        UsageError: It does not.
    """
    if made.shape != wanted.shape:
        raise UsageError(
            f"'{network}' makes samples of shape {tuple(made.shape[1:])}, where "
            f"{tuple(wanted.shape[1:])} is wanted",
            hint="Choose a generator that translates, such as resnet or unet, or change its "
            "options.",
        )


def distance(first: Tensor, second: Tensor) -> Tensor:
    """The mean absolute difference of each sample's numbers, ``(N,)``."""
    return (first - second).abs().flatten(1).mean(dim=1)


def in_rows(samples: Sequence[Tensor], columns: int | None) -> Panel:
    """A panel in which a row of each, one below the other, is followed by the next rows.

    Args:
        samples: ``(N, C, H, W)`` each: what is started from, what is made of it, and a third. Grey
            ones are made coloured where others are; of different sizes, only what is made is shown.
        columns: Samples in a row; 8 if not given.
    """
    channels = max(each.shape[1] for each in samples)
    alike = [
        each.expand(-1, channels, *each.shape[2:]) if each.shape[1] == 1 else each
        for each in samples
    ]
    if len({each.shape for each in alike}) > 1:
        return Panel(samples[1], columns)
    columns = min(columns or 8, len(alike[0]))
    rows = [
        each[first : first + columns]
        for first in range(0, len(alike[0]) - columns + 1, columns)
        for each in alike
    ]
    return Panel(torch.cat(rows), columns)
