"""The networks ``dcgan_fast``: patches, shapes, and what cannot be cut."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganforge.api import UsageError
from ganforge_dcgan.fast import FastDiscriminator, FastGenerator, from_patches, to_patches

IMAGES = torch.arange(2 * 3 * 8 * 12, dtype=torch.float32).reshape(2, 3, 8, 12)


def test_a_patch_is_one_place() -> None:
    places = to_patches(IMAGES, 4)
    assert places.shape == (2, 48, 2, 3)
    patch = IMAGES[1, :, 4:8, 8:12]
    assert torch.equal(places[1, :, 1, 2], patch.permute(1, 2, 0).flatten())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_images_come_back_from_their_patches(layout: torch.memory_format) -> None:
    images = IMAGES.to(memory_format=layout)
    assert torch.equal(from_patches(to_patches(images, 2), 2), IMAGES)


@pytest.mark.parametrize(
    ("shape", "patch"), [((1, 28, 28), 4), ((3, 64, 64), 8), ((1, 28, 28), 7), ((2, 6, 10), 2)]
)
def test_shapes(shape: tuple[int, int, int], patch: int) -> None:
    generator = FastGenerator(image_shape=shape, latent_dim=5, channels=6, patch=patch)
    discriminator = FastDiscriminator(image_shape=shape, channels=6, patch=patch, features=True)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    judged = discriminator(images)
    assert judged["logits"].shape == (3,)
    assert judged["features"].shape == (3, 6, shape[1] // patch, shape[2] // patch)


def test_depth_is_a_number_of_convolutions() -> None:
    for depth in (1, 3):
        made = FastGenerator(image_shape=(1, 8, 8), latent_dim=2, channels=4, depth=depth)
        judge = FastDiscriminator(image_shape=(1, 8, 8), channels=4, depth=depth)
        for network in (made, judge):
            convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
            assert len(convolutions) == depth + 1


def test_weights_start_as_he_and_others_say() -> None:
    """Variance 2 / fan-in: a convolution of kernel 3 over 64 maps has 576 inputs."""
    torch.manual_seed(0)
    made = FastGenerator(image_shape=(1, 28, 28), latent_dim=32)
    weight = next(m for m in made.modules() if isinstance(m, nn.Conv2d)).weight
    assert weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.02)


def test_images_that_cannot_be_cut_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot cut 28x28 images into patches of 5x5") as caught:
        FastGenerator(image_shape=(1, 28, 28), latent_dim=2, patch=5)
    assert caught.value.hint == "Write patch: 7, or resize the images."
    with pytest.raises(UsageError, match="cannot cut 30x28 images into patches of 4x4") as caught:
        FastDiscriminator(image_shape=(1, 30, 28))
    assert "patch: 2" in str(caught.value.hint)
    with pytest.raises(UsageError, match=r"makes and judges images \(C, H, W\)"):
        FastDiscriminator(image_shape=(2,))  # type: ignore[arg-type]
