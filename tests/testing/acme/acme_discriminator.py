"""A plugin with a discriminator that keeps its contract."""

import torch
from torch import Tensor, nn

from ganforge import Register, hookimpl


@hookimpl
def register_discriminators(register: Register) -> None:
    register("acme", "acme_discriminator:AcmeDiscriminator", summary="two layers and classes")


class Square(torch.autograd.Function):
    """x * x, with a derivative of its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient


class AcmeDiscriminator(nn.Module):
    """Images of any size to logits and class logits.

    Args:
        width: Units of the hidden layer.
    """

    def __init__(
        self, *, image_shape: tuple[int, ...], num_classes: int | None, width: int = 8
    ) -> None:
        super().__init__()
        size = torch.Size(image_shape).numel()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.LeakyReLU(0.2))
        self.logit = nn.Linear(width, 1)
        self.classes = nn.Linear(width, num_classes or 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.hidden(images)
        features = features + 0.1 * Square.apply(features)
        return {"logits": self.logit(features), "class_logits": self.classes(features)}
