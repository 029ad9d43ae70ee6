"""``python -m benchmarks.mnist_classifier``: trains the network by which digits are measured.

It writes ``ganforge_mnist/data/mnist_classifier.safetensors`` and prints its accuracy on the
10,000 test images and its SHA-256, which ``ganforge_mnist/classifier.py`` holds. The test images
are looked at once, when all is done; nothing was chosen by them.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.engine.average import Average
from ganforge.engine.data import normalised
from ganforge_mnist.classifier import WEIGHTS, DigitNetwork
from ganforge_mnist.dataset import MNIST

EPOCHS = 20
BATCH = 128
RATE = 2e-3
DECAY = 0.999
"""Of the moving average of the weights, which is what is kept."""


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images turned by up to 12 degrees, scaled by up to 12 %, sheared and shifted by 2 pixels."""

    def between(low: float, high: float) -> Tensor:
        return torch.empty(len(images)).uniform_(low, high, generator=generator)

    angle, scale, shear = between(-0.21, 0.21), between(0.88, 1.12), between(-0.15, 0.15)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    pixels = 2.0 / images.shape[-1]
    across, down = between(-2.0, 2.0) * pixels, between(-2.0, 2.0) * pixels
    upper = torch.stack([cosine, -sine + shear, across], dim=1)
    lower = torch.stack([sine, cosine, down], dim=1)
    grid = F.affine_grid(torch.stack([upper, lower], 1), list(images.shape), align_corners=False)
    # Outside an image it is black, which is -1.
    return F.grid_sample(images + 1.0, grid, align_corners=False) - 1.0


def train(*, epochs: int = EPOCHS, seed: int = 0) -> DigitNetwork:
    """A network after so many passes through the 60,000 training images, in evaluation mode."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    data, network = MNIST(split="train"), DigitNetwork()
    assert data.labels is not None
    average = Average(network, decay=DECAY)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    steps = epochs * (len(data) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        began, total = time.monotonic(), 0.0
        order = torch.randperm(len(data), generator=generator)
        for rows in order[: len(data) // BATCH * BATCH].split(BATCH):
            images = moved(normalised(data.samples[rows]), generator)
            logits = network(images)["logits"]
            loss = F.cross_entropy(logits, data.labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update()
            total += loss.item()
        seconds = time.monotonic() - began
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / (len(data) // BATCH):.4f}, {seconds:.0f} s"
        )
    return average.network  # type: ignore[return-value]


@torch.no_grad()
def accuracy(network: torch.nn.Module, data: MNIST) -> float:
    """Share of the images that are named rightly."""
    assert data.labels is not None
    guesses = [network(normalised(part))["logits"].argmax(1) for part in data.samples.split(1000)]
    return float((torch.cat(guesses) == data.labels).double().mean())


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS
    network = train()
    # Half the bytes, and none of the accuracy; it still computes in float32.
    tensors = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    target.write_bytes(safetensors.torch.save(tensors))
    network.load_state_dict(tensors)
    print(f"accuracy on the test images: {accuracy(network, MNIST(split='test')):.4f}")
    print(f"{target}: {target.stat().st_size:,} bytes")
    print(f"SHA-256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
