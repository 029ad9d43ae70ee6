"""What the networks share: their norms and their random start."""

from __future__ import annotations

from typing import Literal

from torch import nn

INIT_STD = 0.02

Norm = Literal["instance", "batch", "none"]


def norm_layers(norm: Norm, channels: int) -> list[nn.Module]:
    """The norm of so many channels, or nothing.

    Instance norm has neither scale nor shift nor running statistics, as in the authors' code
    (github.com/junyanz/pytorch-CycleGAN-and-pix2pix), so it is the same while sampling.
    """
    if norm == "instance":
        return [nn.InstanceNorm2d(channels)]
    return [nn.BatchNorm2d(channels)] if norm == "batch" else []


def initialize(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm scales from N(1, 0.02), biases 0 (both papers)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INIT_STD)
        nn.init.zeros_(module.bias)
