"""Generators of images of a given class."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_conditional.blocks import (
    ClassBatchNorm,
    as_weights,
    factorize,
    initialize,
    needed_classes,
)

NAME = "conditional_dcgan"


class ConditionalDCGANGenerator(nn.Module):
    """Latents ``(N, latent_dim)`` and classes ``(N,)`` to images ``(N, C, H, W)`` in [-1, 1].

    DCGAN's generator (arXiv:1511.06434): a dense projection to ``base x base`` maps, then
    transposed convolutions (kernel 4, stride 2), with batch norm and ReLU between them and tanh at
    the end. The class comes in at one of two places. ``concat`` joins it to the latent, as one-hot
    or as an embedding that is learned (Mirza and Osindero 2014, arXiv:1411.1784, section 3.2).
    ``batch_norm`` gives every class a scale and a shift of its own in every batch norm, and
    leaves the latent alone (Miyato and Koyama 2018, arXiv:1802.05637, section 5).

    Labels may also be weights of the classes ``(N, K)``.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        latent_dim: Length of a latent vector.
        num_classes: How many classes, K.
        by: ``concat`` or ``batch_norm``.
        embedding: With ``concat``: how many numbers a class becomes before it is joined to the
            latent; not given, it is joined as one-hot.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
    Raises:
        UsageError: The data have no classes, the architecture has no such image size, or
            ``embedding`` is given with ``batch_norm``.
    """

    takes_class_weights: ClassVar[bool] = True

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        latent_dim: int,
        num_classes: int | None,
        by: Literal["concat", "batch_norm"] = "concat",
        embedding: Annotated[int, Field(ge=1)] | None = None,
        channels: Annotated[int, Field(ge=1)] = 64,
    ) -> None:
        super().__init__()
        base, stages = factorize(image_shape, NAME)
        self.num_classes = needed_classes(num_classes, NAME)
        self.joins = by == "concat"
        if embedding is not None and not self.joins:
            raise UsageError(
                f"{NAME}: 'embedding: {embedding}' has no meaning with 'by: batch_norm'",
                hint="Leave 'embedding' out, or choose 'by: concat'.",
            )
        self.embed = (
            nn.Identity()
            if embedding is None
            else nn.Linear(self.num_classes, embedding, bias=False)
        )
        joined = (embedding or self.num_classes) if self.joins else 0
        widths = [channels << stage for stage in reversed(range(stages))]
        # Batch norm follows and would cancel a bias.
        self.project = nn.Sequential(
            nn.Linear(latent_dim + joined, widths[0] * base * base, bias=False),
            nn.Unflatten(1, (widths[0], base, base)),
        )
        self.norms = nn.ModuleList([self._norm(width) for width in widths])
        self.upsample = nn.ModuleList(
            [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False)
                for wide, narrow in pairwise(widths)
            ]
        )
        # No batch norm on the output: images need a mean and a scale of their own.
        self.draw = nn.ConvTranspose2d(channels, image_shape[0], 4, stride=2, padding=1)
        self.apply(initialize)
        if isinstance(self.embed, nn.Linear):
            nn.init.normal_(self.embed.weight)  # as large as the latents that it stands beside

    def _norm(self, width: int) -> nn.Module:
        return nn.BatchNorm2d(width) if self.joins else ClassBatchNorm(self.num_classes, width)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        classes = as_weights(labels, self.num_classes, latents)
        inputs = torch.cat([latents, self.embed(classes)], dim=1) if self.joins else latents
        maps = self._normal(0, self.project(inputs), classes)
        for number, layer in enumerate(self.upsample, start=1):
            maps = self._normal(number, layer(maps), classes)
        images: Tensor = torch.tanh(self.draw(maps))
        return images

    def _normal(self, number: int, maps: Tensor, classes: Tensor) -> Tensor:
        norm = self.norms[number]
        return torch.relu(norm(maps) if self.joins else norm(maps, classes))
