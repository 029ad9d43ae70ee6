"""How tensors of images lie in memory: channels first, or channels last.

Convolutions are faster where the channels of a pixel lie together, on CPUs (oneDNN) and on GPUs
with tensor cores; see PyTorch's tutorial "Channels Last Memory Format". Shapes
and values are the same either way, up to rounding: only strides differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

MemoryFormat = Literal["auto", "contiguous", "channels_last"]


def lay_out(networks: Iterable[nn.Module], wanted: MemoryFormat) -> bool:
    """Put the weights of convolutions into a layout, which what they compute then follows.

    Args:
        networks: All that play; they stay the same objects with the same parameters.
        wanted: ``auto`` is channels last wherever there are convolutions over images.
    Returns:
        Whether the channels come last.
    """
    networks = list(networks)
    last = wanted == "channels_last" or (wanted == "auto" and any(map(_convolves, networks)))
    layout = torch.channels_last if last else torch.contiguous_format
    for network in networks:
        network.to(memory_format=layout)  # type: ignore[call-overload]
    return last


def has_channels_last(network: nn.Module) -> bool:
    """Whether a network's weights lie that way."""
    return any(weight.dim() == 4 and not weight.is_contiguous() for weight in network.parameters())


def _convolves(network: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in network.modules())


@torch.no_grad()
def follow_parameters(optimizer: Optimizer) -> None:
    """Lay out what an optimizer remembers of each parameter as the parameter is.

    A checkpoint may have been written with another layout, and fused optimizers go through both in
    the order of memory.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if _lies_otherwise(value, parameter):
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _lies_otherwise(value: Any, parameter: Tensor) -> bool:
    return (
        isinstance(value, Tensor)
        and value.shape == parameter.shape
        and value.stride() != parameter.stride()
    )
