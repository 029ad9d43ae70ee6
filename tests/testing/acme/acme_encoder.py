"""A plugin with an encoder that keeps its contract."""

import torch
from torch import Tensor, nn

from ganforge import Register, hookimpl


@hookimpl
def register_encoders(register: Register) -> None:
    register("acme", "acme_encoder:AcmeEncoder", summary="two layers")


class AcmeEncoder(nn.Module):
    """Samples of any size to latents.

    Args:
        width: Units of the hidden layer.
    """

    def __init__(self, *, image_shape: tuple[int, ...], latent_dim: int, width: int = 8) -> None:
        super().__init__()
        size = torch.Size(image_shape).numel()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(size, width), nn.LeakyReLU(0.2), nn.Linear(width, latent_dim)
        )

    def forward(self, samples: Tensor) -> Tensor:
        return self.layers(samples)
