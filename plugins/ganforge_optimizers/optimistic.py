"""Adam for games: optimistic Adam."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, optim

from ganforge.api import UsageError
from ganforge_optimizers.common import Parameters, Rate, Share


class OptimisticAdam(optim.Optimizer):
    """Optimistic Adam: Daskalakis et al. 2018, arXiv:1711.00141, algorithm 1.

    With u(t) as the direction of Adam's step t, a weight moves by -lr (2 u(t) - u(t - 1)), and
    u(0) = 0. In a bilinear game, gradient descent circles away from the equilibrium; a step that
    counts on the next gradient to change as the last one did gets there. Momentum works against
    that: in such a game, a ``betas[0]`` of 0 arrives where one of 0.9 circles away as Adam does.
    The defaults are those of the authors' experiment on CIFAR-10.

    Unlike in ``adam``, an update on a GPU is waited for: there is no fused kernel that could leave
    it out on the device.

    Args:
        params: The parameters.
        lr: Learning rate, which is of both directions where a schedule changes it.
        betas: Shares of the old mean of the gradients, and of their squares, that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
    Raises:
        UsageError: A parameter is complex; in ``step``, a gradient is sparse.
    """

    def __init__(
        self,
        *,
        params: Parameters,
        lr: Rate = 1e-4,
        betas: tuple[Share, Share] = (0.5, 0.9),
        eps: Rate = 1e-8,
    ) -> None:
        if any(p.is_complex() for p in params):
            raise UsageError(
                "optimistic_adam: a parameter of the network is complex",
                hint="Take adam, which knows complex numbers.",
            )
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # none is ever given
        """Move each weight that has a gradient."""
        for group in self.param_groups:
            weights: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            grads: list[Tensor] = [p.grad for p in group["params"] if p.grad is not None]
            if any(grad.is_sparse for grad in grads):
                raise UsageError(
                    "optimistic_adam: a gradient is sparse",
                    hint="Make the embedding without sparse=True.",
                )
            if weights:
                self._move(weights, grads, group)

    def _move(self, weights: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        """One step of some weights, each operation for all of them at once."""
        beta1, beta2 = group["betas"]
        states = [self._state(weight) for weight in weights]
        for state in states:
            state["step"] += 1
        steps = [state["step"] for state in states]
        means = [state["mean"] for state in states]
        squares = [state["square"] for state in states]
        last = [state["direction"] for state in states]

        torch._foreach_lerp_(means, grads, 1.0 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1.0 - beta2)
        # Both means start at 0, and are divided by what they have seen.
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, [math.sqrt(1.0 - beta2**step) for step in steps])
        torch._foreach_add_(roots, group["eps"])
        directions = torch._foreach_div(means, [1.0 - beta1**step for step in steps])
        torch._foreach_div_(directions, roots)

        torch._foreach_add_(weights, directions, alpha=-2.0 * group["lr"])
        torch._foreach_add_(weights, last, alpha=group["lr"])
        for state, direction in zip(states, directions, strict=True):
            state["direction"] = direction

    def _state(self, weight: Tensor) -> dict[str, Any]:
        """What is remembered of a weight: steps, both means, and the last direction."""
        state: dict[str, Any] = self.state[weight]
        if not state:
            state["step"] = 0
            for name in ("mean", "square", "direction"):
                state[name] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        return state
