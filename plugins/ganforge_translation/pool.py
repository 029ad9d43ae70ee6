"""The history of generated images from which CycleGAN's discriminators learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganforge.api import Draw


class ImagePool:
    """Keeps some generated samples, and mixes old ones among new ones.

    Until it is full, each sample that comes is kept and given back. Then each is, with probability
    1/2, exchanged for a random one of those kept, else given back and not kept: the rule of the
    authors' code (github.com/junyanz/pytorch-CycleGAN-and-pix2pix, ``util/image_pool.py``). Samples
    come one after the other, so a batch may get back one of its own, and micro-batches change
    nothing.

    Source: Zhu et al. 2017, arXiv:1703.10593, section 4; Shrivastava et al. 2017, arXiv:1612.07828,
    section 2.3.

    Args:
        size: How many are kept; 0 gives back what comes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[Tensor] = []

    def exchange(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        """What the discriminator is to see instead of these samples ``(N, ...)``, as many.

        Args:
            samples: New ones; their graph is left behind.
            draw: Where random numbers come from: two for each sample, of which the first says
                whether it is exchanged, and the second for which one.
            stream: The name under which they are drawn.
        """
        if self.size == 0:
            return samples
        given = []
        for sample, (chance, place) in zip(
            samples.detach(), draw.uniform(stream, 2).tolist(), strict=True
        ):
            if len(self.kept) < self.size:
                self.kept.append(sample.clone())  # not a view, which would be saved with its batch
                given.append(sample)
            elif chance < 0.5:
                chosen = int(place * self.size)
                given.append(self.kept[chosen])
                self.kept[chosen] = sample.clone()
            else:
                given.append(sample)
        return torch.stack(given)

    def state_dict(self) -> dict[str, Any]:
        """The samples, in their places."""
        return {"kept": list(self.kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.kept = list(state["kept"])
