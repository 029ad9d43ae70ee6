"""A plugin with a generator that keeps its contract."""

import torch
from torch import Tensor, nn

from ganforge import Register, hookimpl
from ganforge.api import UsageError


@hookimpl
def register_generators(register: Register) -> None:
    register("acme", "acme_generator:AcmeGenerator", summary="one hidden layer and upsampling")


class AcmeGenerator(nn.Module):
    """Latents to images whose sides are multiples of 4.

    Args:
        width: Units of the hidden layer.
        noise: How much noise is added to them in training.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        width: int = 8,
        noise: float = 0.1,
    ) -> None:
        super().__init__()
        channels, height, columns = image_shape
        if height % 4 or columns % 4:
            raise UsageError("acme makes images whose sides are multiples of 4")
        self.noise = noise
        self.hidden = nn.Linear(latent_dim, width)
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, channels * height * columns // 16)
        self.grow = nn.Sequential(
            nn.Unflatten(1, (channels, height // 4, columns // 4)), nn.Upsample(scale_factor=4)
        )
        self.register_buffer("shift", torch.randn(width))
        self.last = nn.Tanh()

    def forward(self, latents: Tensor) -> Tensor:
        hidden = self.norm(self.hidden(latents)) + self.shift
        if self.training:
            hidden = hidden + self.noise * torch.randn_like(hidden)
        return self.last(self.grow(self.out(torch.relu(hidden))))
