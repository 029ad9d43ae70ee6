"""Judging several samples together, as PacGAN does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganforge.api import AdversarialRound, Play, UsageError, asks_for


class PackedRound(AdversarialRound):
    """A round whose discriminator judges ``pack`` samples as one, and gives one score to all.

    They are concatenated along their first axis, which of images are the channels. Source: Lin et
    al. 2018, "PacGAN", arXiv:1712.04086, section 2.

    Args:
        play: What the engine knows about this micro-batch.
        pack: How many samples make a pack.
        options: As :class:`ganforge.api.AdversarialRound` takes them.
    Raises:
        UsageError: The samples are no whole packs, or the discriminator asks for what belongs to
            one sample, such as its class.
    """

    def __init__(self, play: Play, *, pack: int, **options: Any) -> None:
        super().__init__(play, **options)
        self.pack = pack

    def presented(
        self, samples: Tensor, beside: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, Mapping[str, Tensor | None], int]:
        """Packs ``(N / pack, pack * C, ...)`` of samples ``(N, C, ...)``, with nothing beside."""
        count, rest = divmod(len(samples), self.pack)
        if rest:
            raise UsageError(
                f"{len(samples)} samples cannot be judged in packs of {self.pack}",
                hint=f"Choose a train.batch_size that is a multiple of {self.pack}.",
            )
        if asked := asks_for(self.network(self.discriminator)):
            raise UsageError(
                f"the discriminator takes {' and '.join(sorted(asked))}, and a pack of {self.pack} "
                "samples has none of its own",
                hint="Write game: {pack: 1}, or choose a discriminator that judges samples alone.",
            )
        return samples.reshape(count, -1, *samples.shape[2:]), {}, count
