"""The feature networks ``mnist_classifier`` and ``stacked_mnist_classifier``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors.torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.api import DataError, UsageError

WEIGHTS = Path(__file__).parent / "data" / "mnist_classifier.safetensors"
SHA256 = "12981ee7bbba0b4b8ec4350d4d576862514cbc37a4745746b6054cb6a53ae672"
"""Of the weights; ``python -m benchmarks.mnist_classifier`` prints it."""

SIZE = 28
DIGITS = 10
FEATURES = 64


class DigitNetwork(nn.Module):
    """A small convolutional classifier of grey 28x28 images of digits, with weights at random.

    4 million multiplications an image, so that 10,000 images take about a second on a laptop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, 16, kernel=5, stride=2),  # 14x14
            *_block(16, 32, kernel=3),
            nn.MaxPool2d(2),  # 7x7
            *_block(32, 64, kernel=3),
            *_block(64, 64, kernel=3),
        )
        self.features = nn.Linear(64 * 7 * 7, FEATURES)
        self.logits = nn.Linear(FEATURES, DIGITS)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        """Features ``(N, 64)`` and logits ``(N, 10)`` of images ``(N, 1, 28, 28)`` in [-1, 1]."""
        maps = self.convolutions(samples)
        features = F.relu(self.features(maps.flatten(1)))
        return {"features": features, "logits": self.logits(features)}


class MNISTClassifier(DigitNetwork):
    """A small classifier of digits: 64 features, and logits of 10 classes.

    The weights ship with the package; ``python -m benchmarks.mnist_classifier`` trained them, and
    ``docs/metrics.md`` says how well it does. Grey images of another size are resized to 28 x 28.

    Raises:
        DataError: The file of the weights is not the one that was shipped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.load_state_dict(_shipped())
        self.eval().requires_grad_(False)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        """Features ``(N, 64)`` and logits ``(N, 10)`` of images ``(N, 1, H, W)`` in [-1, 1].

        Raises:
            UsageError: The samples are no grey images.
        """
        if samples.dim() != 4 or samples.shape[1] != 1:
            raise UsageError(
                f"mnist_classifier looks at grey images (1, H, W), not {tuple(samples.shape[1:])}",
                hint="Choose another network with features: {use: NAME}.",
            )
        return super().forward(_sized(samples))


class StackedMNISTClassifier(nn.Module):
    """The classifier of digits on each of three channels: 192 features, logits of 1,000 classes.

    The class is the number that the three digits write, first channel first. Its logit is the sum
    of the logarithms of the three digits' probabilities.

    Raises:
        DataError: The file of the weights is not the one that was shipped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.digits = MNISTClassifier()

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        """Features ``(N, 192)`` and logits ``(N, 1000)`` of images ``(N, 3, H, W)`` in [-1, 1].

        Raises:
            UsageError: The samples are no images of three channels.
        """
        if samples.dim() != 4 or samples.shape[1] != 3:
            raise UsageError(
                "stacked_mnist_classifier looks at images (3, H, W), not "
                f"{tuple(samples.shape[1:])}"
            )
        found = self.digits(samples.flatten(0, 1)[:, None])
        first, second, third = found["logits"].log_softmax(1).unflatten(0, (-1, 3)).unbind(1)
        joint = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        return {
            "features": found["features"].unflatten(0, (-1, 3)).flatten(1),
            "logits": joint.flatten(1),
        }


def _shipped() -> dict[str, Tensor]:
    """The weights, if they are the ones that were shipped."""
    data = WEIGHTS.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise DataError(
            f"{WEIGHTS} is damaged or modified: its SHA-256 is not the shipped file's",
            hint="Install ganforge again.",
        )
    tensors: dict[str, Tensor] = safetensors.torch.load(data)
    return tensors


def _sized(samples: Tensor) -> Tensor:
    if samples.shape[-2:] == (SIZE, SIZE):
        return samples
    return F.interpolate(samples, (SIZE, SIZE), mode="bilinear", antialias=True)


def _block(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
