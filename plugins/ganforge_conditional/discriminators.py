"""Discriminators that know of classes: by input, by projection, or as classifiers.

All of them have the convolutions of DCGAN (arXiv:1511.06434).
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganforge_conditional.blocks import Norm, as_weights, downsampling, head, needed_classes

Channels = Annotated[int, Field(ge=1)]


class ConditionalDCGANDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` and their classes ``(N,)`` to logits ``(N,)``.

    The class stands beside the image as K more channels, of which that of the class is 1
    everywhere and the others are 0.

    Source: Mirza and Osindero 2014, arXiv:1411.1784, equation 2; for convolutions the classes
    became maps.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        num_classes: How many classes, K.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` as in DCGAN, ``spectral`` normalisation of every layer, or ``none``.
    Raises:
        UsageError: The data have no classes, or the architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        num_classes: int | None,
        channels: Channels = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        name = "conditional_dcgan"
        self.num_classes = needed_classes(num_classes, name)
        self.downsample, features = downsampling(
            image_shape, name, channels=channels, norm=norm, more_channels=self.num_classes
        )
        self.judge = head(features, 1, norm)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        classes = as_weights(labels, self.num_classes, images)
        maps = classes[:, :, None, None].expand(-1, -1, *images.shape[2:])
        logits: Tensor = self.judge(self.downsample(torch.cat([images, maps], dim=1)))
        return logits.flatten()


class ProjectionDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` and their classes ``(N,)`` to logits ``(N,)``.

    ``y^T V phi(x) + psi(phi(x))``, where ``y`` is the class as one-hot, ``V`` a vector for each
    class, ``phi`` the convolutions and ``psi`` a linear layer. ``phi(x)`` is all of the last
    feature maps; the paper's networks sum each map up first.

    Source: Miyato and Koyama 2018, arXiv:1802.05637, equation 3.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        num_classes: How many classes, K.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``spectral`` normalisation of every layer and of V, as in the paper, ``batch`` as in
            DCGAN, or ``none``.
    Raises:
        UsageError: The data have no classes, or the architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        num_classes: int | None,
        channels: Channels = 64,
        norm: Norm = "spectral",
    ) -> None:
        super().__init__()
        self.num_classes = needed_classes(num_classes, "projection")
        self.downsample, features = downsampling(
            image_shape, "projection", channels=channels, norm=norm
        )
        self.judge = head(features, 1, norm)
        self.project = head(features, self.num_classes, norm, bias=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.downsample(images)
        classes = as_weights(labels, self.num_classes, images)
        of_class: Tensor = (classes * self.project(features)).sum(dim=1)
        logits: Tensor = of_class + self.judge(features).flatten()
        return logits


class ACGANDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to ``logits`` ``(N,)``, ``class_logits`` ``(N, K)`` and ``features``.

    It is not told the class but guesses it; the regularizer ``auxiliary_classifier`` teaches it to.
    ``features`` ``(N, F)`` are the last feature maps, for ``feature_matching``.

    Source: Odena et al. 2017, arXiv:1610.09585, section 3.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        num_classes: How many classes, K.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` as in DCGAN, ``spectral`` normalisation of every layer, or ``none``.
    Raises:
        UsageError: The data have no classes, or the architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        num_classes: int | None,
        channels: Channels = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.downsample, features = downsampling(image_shape, "acgan", channels=channels, norm=norm)
        self.judge = head(features, 1, norm)
        self.classify = head(features, needed_classes(num_classes, "acgan"), norm)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.downsample(images)
        return {
            "logits": self.judge(features).flatten(),
            "class_logits": self.classify(features),
            "features": features,
        }


class MultiHingeDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to ``class_logits`` ``(N, K + 1)``, the last of them that of 'fake'.

    One classifier judges class and reality at once; the loss ``multi_hinge`` trains it.
    ``logits`` ``(N,)`` say by how much the image's own class, the label's, beats 'fake'.
    ``features`` ``(N, F)`` are the last feature maps, for ``feature_matching``.

    Source: Kavalerov et al. 2021, arXiv:1912.04216, whose first version has one classifier of
    K + 1 classes.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        num_classes: How many classes, K.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` as in DCGAN, ``spectral`` normalisation of every layer, or ``none``.
    Raises:
        UsageError: The data have no classes, or the architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        num_classes: int | None,
        channels: Channels = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.num_classes = needed_classes(num_classes, "multi_hinge")
        self.downsample, features = downsampling(
            image_shape, "multi_hinge", channels=channels, norm=norm
        )
        self.classify = head(features, self.num_classes + 1, norm)

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        features = self.downsample(images)
        class_logits = self.classify(features)
        classes = as_weights(labels, self.num_classes, images)
        own = (classes * class_logits[:, :-1]).sum(dim=1)
        return {
            "logits": own - class_logits[:, -1],
            "class_logits": class_logits,
            "features": features,
        }
