"""Optimizers that one can differentiate through: new parameters as functions of old ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


class Descent:
    """Plain gradient descent: ``p - lr * g``.

    Args:
        lr: Step size.
    """

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def start(self) -> Descent:
        """What takes the steps of one look ahead."""
        return self

    def step(self, parameters: Parameters, gradients: Mapping[str, Tensor]) -> Parameters:
        """Parameters after a step, with the graph that leads to them."""
        return {name: value - self.lr * gradients[name] for name, value in parameters.items()}


class Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1), with moments that last.

    A look ahead begins with the moments that the first steps of those before it have left, as the
    authors' code begins with the moments of the discriminator's own Adam, which a game does not
    see. With moments of 0, Adam's first step would be the gradient's sign, which has no derivative.

    The epsilon stands under the root, ``sqrt(v + eps^2)`` for ``sqrt(v) + eps``: the two differ by
    less than eps, and a root has no derivative at 0, where the weights of idle units are.

    Args:
        lr: Step size.
        betas: Decay of the two moments.
        eps: Least denominator.
    """

    def __init__(self, lr: float, betas: tuple[float, float], eps: float = 1e-8) -> None:
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.count = 0
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}

    def start(self) -> AdamSteps:
        """What takes the steps of one look ahead."""
        return AdamSteps(self)

    def keep(self, moments: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Remember the moments after the first step of a look ahead."""
        self.count += 1
        self.moments = {
            name: (first.detach().clone(), second.detach().clone())
            for name, (first, second) in moments.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """How many gradients the moments have seen, and both moments by parameter."""
        first = {name: pair[0] for name, pair in self.moments.items()}
        second = {name: pair[1] for name, pair in self.moments.items()}
        return {"count": self.count, "first": first, "second": second}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.count = int(state["count"])
        self.moments = {name: (m, state["second"][name]) for name, m in state["first"].items()}


class AdamSteps:
    """The steps of one look ahead with :class:`Adam`.

    Args:
        settings: What it begins with.
    """

    def __init__(self, settings: Adam) -> None:
        self.settings = settings
        self.count = settings.count
        self.moments = settings.moments
        self.taken = 0

    def step(self, parameters: Parameters, gradients: Mapping[str, Tensor]) -> Parameters:
        """As :meth:`Descent.step`."""
        self.count += 1
        before, (one, two) = self.moments, self.settings.betas
        self.moments = {}
        for name, gradient in gradients.items():
            zero = torch.zeros_like(gradient)
            first, second = before.get(name, (zero, zero))
            self.moments[name] = (
                one * first + (1.0 - one) * gradient,
                two * second + (1.0 - two) * gradient.square(),
            )
        if self.taken == 0:
            self.settings.keep(self.moments)
        self.taken += 1
        return {name: value - self._change(name) for name, value in parameters.items()}

    def _change(self, name: str) -> Tensor:
        first, second = self.moments[name]
        one, two = (1.0 - beta**self.count for beta in self.settings.betas)
        floor = math.pow(self.settings.eps, 2)
        return self.settings.lr * (first / one) / (second / two + floor).sqrt()
