"""The transformations of adaptive discriminator augmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from ganforge_augmentations.resample import Affine, resample
from ganforge_augmentations.rows import Numbers

Group = Literal["blit", "geometry", "color"]
Transform = Literal[
    "x_flip",
    "rotate_90",
    "integer_translation",
    "isotropic_scale",
    "rotation",
    "anisotropic_scale",
    "fractional_translation",
    "brightness",
    "contrast",
    "luma_flip",
    "hue",
    "saturation",
]
Choice = Literal[Group, Transform]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)
GROUPS: dict[str, tuple[Transform, ...]] = {
    "blit": TRANSFORMS[:3],
    "geometry": TRANSFORMS[3:7],
    "color": TRANSFORMS[7:],
}
_CHANCES = len(TRANSFORMS) + 1  # there are two rotations
_ROOT = 1 / math.sqrt(3)

Spread = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Strength(BaseModel):
    """How far the transformations go; the defaults are those of the paper's appendix B.

    Args:
        integer_translation: Farthest move, as a share of the width and of the height.
        isotropic_scale: Standard deviation of the base-2 logarithm of the factor.
        rotation: Largest angle, as a share of half a turn.
        anisotropic_scale: As ``isotropic_scale``, of what one side grows and the other shrinks.
        fractional_translation: Standard deviation of the move, as a share of width and height.
        brightness: Standard deviation of what is added.
        contrast: Standard deviation of the base-2 logarithm of the factor.
        hue: Largest angle, as a share of half a turn.
        saturation: Standard deviation of the base-2 logarithm of the factor.
    """

    integer_translation: Share = 0.125
    isotropic_scale: Spread = 0.2
    rotation: Share = 1.0
    anisotropic_scale: Spread = 0.2
    fractional_translation: Spread = 0.125
    brightness: Spread = 0.2
    contrast: Spread = 0.5
    hue: Share = 1.0
    saturation: Spread = 1.0


def chosen(names: Sequence[Choice]) -> frozenset[str]:
    """The transformations that are named, by themselves or by their group."""
    return frozenset(one for name in names for one in GROUPS.get(name, (name,)))


class Pipeline:
    """Each transformation is done to an image with probability p, by itself.

    Args:
        transforms: Which.
        strength: How far they go.
    """

    def __init__(self, transforms: frozenset[str], strength: Strength) -> None:
        self.transforms = transforms
        self.strength = strength
        self.moves = not transforms.isdisjoint(GROUPS["blit"] + GROUPS["geometry"])
        self.colors = not transforms.isdisjoint(GROUPS["color"])

    def __call__(self, images: Tensor, numbers: Numbers, p: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` as they are shown; C is 1 or 3 if colors change."""
        # What is drawn does not depend on what is done, so that choosing changes nothing else.
        chances = numbers.uniform("chance", _CHANCES)
        uniform = numbers.uniform("uniform", 8)
        normal = numbers.normal("normal", 7)
        if self.moves:
            images = resample(images, self.maps(images, chances, uniform, normal, p))
        if self.colors:
            done = self._done(chances, p)
            images = self._colored(images, done, uniform[:, 6:], normal[:, 4:])
        return images

    def _done(self, chances: Tensor, p: Tensor) -> dict[str, Tensor]:
        """By transformation, to which images it is done, ``(N,)``."""
        return {
            name: chances[:, number] < (p if name in self.transforms else torch.zeros_like(p))
            for number, name in enumerate(TRANSFORMS)
        }

    def maps(
        self, images: Tensor, chances: Tensor, uniform: Tensor, normal: Tensor, p: Tensor
    ) -> Affine:
        """Where the pixels of the results come from.

        The last transformation is done first, as the paper's code multiplies the inverses.
        """
        height, width = images.shape[2:]
        amount, done = self.strength, self._done(chances, p)
        maps = Affine.identity(len(images), uniform)

        flips = torch.where(done["x_flip"], (uniform[:, 0] * 2).floor(), 0.0)
        maps = maps.scaled(1 - 2 * flips, torch.ones_like(flips))
        quarters = torch.where(done["rotate_90"], (uniform[:, 1] * 4).floor(), 0.0)
        angle = quarters * (math.pi / 2)
        maps = maps.turned(angle.cos().round(), angle.sin().round())
        move = (uniform[:, 2:4] * 2 - 1) * amount.integer_translation
        move = torch.where(done["integer_translation"][:, None], move, 0.0)
        maps = maps.moved(-(move[:, 0] * width).round(), -(move[:, 1] * height).round())

        factor = (normal[:, 0] * amount.isotropic_scale).exp2()
        factor = torch.where(done["isotropic_scale"], factor, 1.0)
        maps = maps.scaled(1 / factor, 1 / factor)
        # Twice with this probability is once at least with p.
        turns = 1 - (1 - p).sqrt() if "rotation" in self.transforms else torch.zeros_like(p)
        angles = (uniform[:, 4:6] * 2 - 1) * (math.pi * amount.rotation)
        before = torch.where(chances[:, TRANSFORMS.index("rotation")] < turns, angles[:, 0], 0.0)
        after = torch.where(chances[:, -1] < turns, angles[:, 1], 0.0)
        factor = (normal[:, 1] * amount.anisotropic_scale).exp2()
        factor = torch.where(done["anisotropic_scale"], factor, 1.0)
        maps = maps.turned(before.cos(), before.sin()).scaled(1 / factor, factor)
        maps = maps.turned(after.cos(), after.sin())
        move = normal[:, 2:4] * amount.fractional_translation
        move = torch.where(done["fractional_translation"][:, None], move, 0.0)
        return maps.moved(-move[:, 0] * width, -move[:, 1] * height)

    def _colored(
        self, images: Tensor, done: dict[str, Tensor], uniform: Tensor, normal: Tensor
    ) -> Tensor:
        """Colors changed by ``A x + k``.

        Brightness, contrast and luma flip act on the grey axis, contrast, hue and saturation around
        it, so the product of the paper's matrices can be written down at once. What is done to no
        color leaves A the identity, to the bit.
        """
        amount = self.strength
        bright = torch.where(done["brightness"], normal[:, 0] * amount.brightness, 0.0)
        contrast = torch.where(done["contrast"], (normal[:, 1] * amount.contrast).exp2(), 1.0)
        flip = torch.where(done["luma_flip"], (uniform[:, 0] * 2).floor(), 0.0)
        grey = contrast * (1 - 2 * flip)
        offset = (grey * bright)[:, None, None, None]
        if images.shape[1] == 1:
            return (images * grey[:, None, None, None] + offset).to(images.dtype)
        turn = torch.where(done["hue"], (uniform[:, 1] * 2 - 1) * (math.pi * amount.hue), 0.0)
        stretch = torch.where(done["saturation"], (normal[:, 2] * amount.saturation).exp2(), 1.0)
        around = contrast * stretch
        same = around * turn.cos()
        every = (around * (1 - turn.cos()) + (grey - around)) / 3
        cross = around * turn.sin() * _ROOT
        # Rows of A: its diagonal, the next color and the one after it, in turns.
        own, following, last = (
            part[:, None, None, None] for part in (same + every, every - cross, every + cross)
        )
        colored = images * own + images.roll(-1, 1) * following + images.roll(-2, 1) * last
        return (colored + offset).to(images.dtype)
