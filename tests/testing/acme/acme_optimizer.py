"""A plugin with an optimizer that keeps its contract."""

import torch
from torch import nn

from ganforge import Register, hookimpl


@hookimpl
def register_optimizers(register: Register) -> None:
    register("acme", "acme_optimizer:acme", summary="gradient descent that slows down")


class Slowing(torch.optim.Optimizer):
    """Each step is shorter than the one before."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["steps"] = state.get("steps", 0) + 1
                parameter.sub_(parameter.grad, alpha=group["lr"] / state["steps"])


def acme(*, params: list[nn.Parameter], lr: float = 0.1) -> torch.optim.Optimizer:
    """Gradient descent.

    Args:
        lr: Length of the first step.
    """
    return Slowing(params, lr)
