"""A hinge loss of many classes, one of which is 'fake'."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.api import AdversarialLoss, AdversarialRound, Side, UsageError


class MultiHinge(AdversarialLoss):
    """Each sample's own class must beat all others by a margin of 1.

    ``C_k`` are the discriminator's ``class_logits`` of K classes and, as number K + 1, of 'fake'.
    The margin is that of Crammer and Singer, ``h(x, k) = max(0, 1 + max_{j != k} C_j(x) -
    C_k(x))``.

    Source: Kavalerov et al. 2021, "A Multi-Class Hinge Loss for Conditional GANs",
    arXiv:1912.04216. Its first version, "cGANs with Multi-Hinge Loss", has the classifier of K + 1
    classes that stands here (github.com/ilyakava/BigGAN-PyTorch, ``crammer_singer_criterion``);
    later ones put it beside a projection discriminator.

    Raises:
        UsageError: The discriminator has no ``class_logits``, or the data have no labels.
    """

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """h(x, y) + h(g, K + 1)."""
        of_real, of_fake = class_logits(round, "real"), class_logits(round, "fake")
        fake = torch.full_like(labels(round), of_fake.shape[1] - 1)
        return hinge(of_real, labels(round)) + hinge(of_fake, fake)

    def generator(self, round: AdversarialRound) -> Tensor:
        """h(g, y)."""
        return hinge(class_logits(round, "fake"), labels(round))

    def belief(self, scores: Tensor) -> Tensor:
        return scores


def hinge(logits: Tensor, targets: Tensor) -> Tensor:
    """max(0, 1 + the best other logit - that of the target), ``(N,)``.

    Args:
        logits: ``(N, K)``, at least two for each sample.
        targets: Indices ``(N,)``.
    """
    place = targets[:, None]
    own = logits.gather(1, place).squeeze(1)
    best_other = logits.scatter(1, place, -torch.inf).amax(dim=1)
    return torch.relu(1.0 + best_other - own)


def labels(round: AdversarialRound) -> Tensor:
    """The classes ``(N,)`` of the real samples, and of those that were generated beside them."""
    if round.labels is None:
        raise UsageError(
            "loss multi_hinge needs classes, and the data set has none",
            hint="Choose a data set that has labels, or loss hinge.",
        )
    return round.labels


def class_logits(round: AdversarialRound, side: Side) -> Tensor:
    """What the discriminator says of each class, and of 'fake', ``(N, K + 1)``."""
    heads = round.outputs(side)
    found = heads.get("class_logits")
    if found is None:
        raise UsageError(
            "loss multi_hinge needs the discriminator's 'class_logits'; this one returns "
            f"{', '.join(sorted(heads))}",
            hint="Choose discriminator multi_hinge.",
        )
    return found
