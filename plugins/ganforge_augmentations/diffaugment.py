"""Differentiable augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import Augmentation, Draw, UsageError
from ganforge_augmentations.rows import Numbers, check_images

Part = Literal["color", "translation", "cutout"]
Amount = Annotated[float, Field(ge=0)]
Ratio = Annotated[float, Field(gt=0, le=1)]


class DiffAugment(Augmentation):
    """DiffAugment: each image gets a random color, place and hole, real and generated alike.

    ``color`` is three things, one after the other: ``x + b``; then each pixel's distance from the
    mean of its channels times ``s``; then each value's distance from the image's mean times ``c``.
    With one channel a pixel is its own mean, so saturation changes nothing. ``translation`` moves
    by whole pixels, and ``cutout`` blanks a rectangle whose centre is anywhere in the image. What
    comes in from outside, and the hole, are 0: the middle of the range -1 to 1, not black. Each
    image ``(C, H, W)``, of any number of channels, has its own random numbers.

    Source: Zhao et al. 2020, arXiv:2006.10738, section 3.2; the definitions and constants are those
    of the authors' code (github.com/mit-han-lab/data-efficient-gans).

    Args:
        policy: What is done, in this order.
        brightness: ``b`` is uniform between minus this and this.
        saturation: ``s`` is uniform between these.
        contrast: ``c`` is uniform between these.
        translation: Farthest move, up or down and left or right, as a share of the height and the
            width; rounded to whole pixels, each of which is as likely.
        cutout: Height and width of the hole, as shares of the image's; rounded to whole pixels.
    Raises:
        UsageError: ``policy`` is empty or names something twice, or a range ends before it starts.
    """

    def __init__(
        self,
        *,
        policy: tuple[Part, ...] = ("color", "translation", "cutout"),
        brightness: Amount = 0.5,
        saturation: tuple[Amount, Amount] = (0.0, 2.0),
        contrast: tuple[Amount, Amount] = (0.5, 1.5),
        translation: Ratio = 0.125,
        cutout: Ratio = 0.5,
    ) -> None:
        if not policy or len(set(policy)) < len(policy):
            fault = "names something twice" if policy else "is empty"
            raise UsageError(
                f"policy {list(policy)} {fault}", hint="Choose of color, translation and cutout."
            )
        for name, (low, high) in (("saturation", saturation), ("contrast", contrast)):
            if low > high:
                raise UsageError(
                    f"{name} [{low}, {high}] ends before it starts", hint=f"Write [{high}, {low}]."
                )
        self.policy = policy
        self.brightness = brightness
        self.saturation = saturation
        self.contrast = contrast
        self.translation = translation
        self.cutout = cutout

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        check_images(samples, "diffaugment")
        numbers = Numbers(draw, stream, samples)
        parts: dict[str, Callable[[Tensor, Numbers], Tensor]] = {
            "color": self._color,
            "translation": self._translation,
            "cutout": self._cutout,
        }
        for name in self.policy:
            samples = parts[name](samples, numbers)
        return samples

    def _color(self, samples: Tensor, numbers: Numbers) -> Tensor:
        shares = numbers.uniform("color", 3, 1, 1, 1).to(samples.dtype).unbind(1)
        samples = samples + (shares[0] * 2 - 1) * self.brightness
        factor = _between(shares[1], self.saturation)
        samples = _spread(samples, samples.mean(dim=1, keepdim=True), factor)
        factor = _between(shares[2], self.contrast)
        return _spread(samples, samples.mean(dim=(1, 2, 3), keepdim=True), factor)

    def _translation(self, samples: Tensor, numbers: Numbers) -> Tensor:
        shares = numbers.uniform("translation", 2)
        for axis in (2, 3):
            size = samples.shape[axis]
            farthest = int(size * self.translation + 0.5)
            moves = (shares[:, axis - 2] * (2 * farthest + 1)).floor().long() - farthest
            samples = _moved(samples, moves, axis)
        return samples

    def _cutout(self, samples: Tensor, numbers: Numbers) -> Tensor:
        shares = numbers.uniform("cutout", 2)
        inside = []
        for axis in (0, 1):
            size = samples.shape[2 + axis]
            length = int(size * self.cutout + 0.5)
            # As many places as keep the hole's centre in the image: one more if it has no pixel.
            centres = (shares[:, axis] * (size + 1 - length % 2)).floor().long()
            start = (centres - length // 2)[:, None]
            places = torch.arange(size, device=samples.device)
            inside.append((places >= start) & (places < start + length))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return samples.masked_fill(hole, 0.0)


def _between(shares: Tensor, ends: tuple[float, float]) -> Tensor:
    return ends[0] + shares * (ends[1] - ends[0])


def _spread(samples: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    return (samples - centre) * factor + centre


def _moved(samples: Tensor, moves: Tensor, axis: int) -> Tensor:
    """Images ``(N, C, H, W)``, each moved along an axis by so many pixels; 0 comes in."""
    size = samples.shape[axis]
    places = torch.arange(size, device=samples.device) - moves[:, None]
    shape = [len(samples), 1, 1, 1]
    shape[axis] = size
    outside = ((places < 0) | (places >= size)).view(shape)
    found = samples.gather(axis, places.clamp(0, size - 1).view(shape).expand_as(samples))
    return found.masked_fill(outside, 0.0)
