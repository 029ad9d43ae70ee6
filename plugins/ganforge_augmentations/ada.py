"""Adaptive discriminator augmentation."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, Augmentation, Draw, Side, UsageError
from ganforge_augmentations.pipeline import Choice, Pipeline, Strength, chosen
from ganforge_augmentations.rows import Numbers, check_images


class AdaptiveAugmentation(Augmentation):
    """ADA: images are transformed with a probability p that follows D's overfitting.

    Each of twelve transformations is done with probability p to an image ``(C, H, W)``, by itself:
    pixel blits (mirror, quarter turns, whole-pixel moves), general geometry (scale, rotation,
    stretch, moves by fractions of pixels), and color (brightness, contrast, luma flip, hue,
    saturation). With one channel hue and saturation do nothing; color needs 1 or 3 channels.

    ``r_t`` is the mean sign of D's logits for real images since the last adjustment. After every
    ``interval`` plays of the discriminator, p moves by ``images seen in them / speed``: up if
    ``r_t`` is above ``target``, else down, and stays in 0 to 1. It starts at 0. The loss must be
    one whose scores are logits, so that their sign means real or fake; those of a Wasserstein
    critic or of a relativistic loss are not. The values ``augmentation_p`` and ``r_t`` of a step
    are the p that was used, and the mean sign in that play.

    Source: Karras et al. 2020, arXiv:2006.06676, section 3, equation 1 and appendix B. Three
    things differ from the authors' code (github.com/NVlabs/stylegan2-ada-pytorch). It resamples at
    twice the resolution, between two wavelet filters, and this bilinearly, so that shrunk images
    alias a little and others blur. Farther out than one image it shows 0, where this goes on
    mirroring. It lets p grow above 1, where it does no more but takes longer to come back.

    Args:
        transforms: What may be done: the groups ``blit``, ``geometry`` and ``color``, or single
            transformations. The paper's bg is ``[blit, geometry]``, its bgc all three.
        target: Of ``r_t``.
        interval: Plays of the discriminator between two adjustments.
        speed: Real images that take p from 0 to 1.
        p: Keep this probability, and adjust nothing.
        strength: How far the transformations go.
    Raises:
        UsageError: ``transforms`` is empty.
    """

    def __init__(
        self,
        *,
        transforms: tuple[Choice, ...] = ("blit", "geometry", "color"),
        target: Annotated[float, Field(gt=-1, lt=1)] = 0.6,
        interval: Annotated[int, Field(ge=1)] = 4,
        speed: Annotated[int, Field(ge=1)] = 500_000,
        p: Annotated[float, Field(ge=0, le=1)] | None = None,
        strength: Strength = Strength(),  # noqa: B008 - nobody changes it
    ) -> None:
        if not transforms:
            raise UsageError(
                "transforms is empty, so nothing would ever be done",
                hint="Choose of blit, geometry and color, or leave 'transforms' out for all.",
            )
        self.pipeline = Pipeline(chosen(transforms), strength)
        self.target = target
        self.interval = interval
        self.speed = speed
        self.fixed = p is not None
        self._p = torch.tensor(p or 0.0)
        self._latest: Tensor | None = None
        self._signs = torch.tensor(0.0)
        self._scores = 0
        self._images = 0
        self._plays = 0
        self._play: list[int | str] = []

    @property
    def needs_signs(self) -> bool:
        """It counts how many real samples have a score above 0, unless p is fixed."""
        return not self.fixed

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        check_images(samples, "ada", (1, 3) if self.pipeline.colors else ())
        self._p = self._p.to(samples.device)
        # Not when the last score is in: what is left of its play must still see the old p.
        if self._plays >= self.interval and list(draw.counters) != self._play:
            self._adjust()
        return self.pipeline(samples, Numbers(draw, stream, samples), self._p)

    def judged(self, side: Side, logits: Tensor, round: AdversarialRound) -> None:
        """Count what D said of real images; micro-batches of one play are one play."""
        if side != "real":
            return
        signs = logits.float().sign()
        self._latest = signs.mean()
        if self.fixed:
            return
        play = list(round.play.draw.counters)
        if play != self._play:
            self._play = play
            self._plays += 1
            self._images += round.play.draw.total
        self._signs = self._signs.to(signs.device) + signs.sum()
        self._scores += signs.numel()

    def _adjust(self) -> None:
        """Move p; on its device, without looking at it."""
        towards = (self._signs / self._scores - self.target).sign()
        self._p = (self._p + towards * (self._images / self.speed)).clamp(0, 1)
        self._signs = torch.zeros_like(self._signs)
        self._scores = self._images = self._plays = 0

    def observe(self) -> dict[str, Tensor]:
        return {"augmentation_p": self._p} | ({} if self._latest is None else {"r_t": self._latest})

    def state_dict(self) -> dict[str, Any]:
        """p, and the sums since its last adjustment; nothing if p is fixed."""
        if self.fixed:
            return {}
        return {
            "p": self._p,
            "latest": self._latest,
            "signs": self._signs,
            "scores": self._scores,
            "images": self._images,
            "plays": self._plays,
            "play": list(self._play),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.fixed:
            return  # the checkpoint is of a recipe that adjusted it
        self._p, self._latest, self._signs = state["p"], state["latest"], state["signs"]
        self._scores, self._images = int(state["scores"]), int(state["images"])
        self._plays, self._play = int(state["plays"]), list(state["play"])
