"""A plugin with a feature network that keeps its contract."""

import torch
from torch import Tensor, nn

from ganforge import Register, hookimpl


@hookimpl
def register_feature_networks(register: Register) -> None:
    register("acme", "acme_feature_network:Blocks", summary="means of blocks of pixels")


class Blocks(nn.Module):
    """Features ``(N, S * S)`` of images: the means of blocks; and logits of two classes.

    Args:
        side: S.
    """

    def __init__(self, *, side: int = 4) -> None:
        super().__init__()
        self.side = side
        self.classes = nn.Parameter(torch.linspace(-1.0, 1.0, 2 * side * side).view(2, -1))

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        grey = samples.mean(dim=1, keepdim=True)
        means = nn.functional.adaptive_avg_pool2d(grey, self.side).flatten(1)
        return {"features": means, "logits": means @ self.classes.T}
