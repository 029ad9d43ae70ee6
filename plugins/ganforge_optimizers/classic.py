"""torch's ASGD and Rprop as components."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import optim

from ganforge.api import UsageError
from ganforge_optimizers.common import NotNegative, Parameters, Rate


def asgd(
    *,
    params: Parameters,
    lr: Rate = 1e-2,
    lambd: NotNegative = 1e-4,
    alpha: NotNegative = 0.75,
    t0: NotNegative = 1e6,
    weight_decay: NotNegative = 0.0,
) -> optim.Optimizer:
    """Averaged gradient descent: Polyak and Juditsky 1992, 'Acceleration of stochastic
    approximation by averaging'.

    The network trains on with the weights of its last step. torch keeps their average in the
    optimizer's state, where nothing uses it; for an average that is used, set ``ema`` in the
    recipe.

    Args:
        lr: Learning rate at the start.
        lambd: Share of each parameter, times ``lr``, that a step takes off.
        alpha: Step t, counted from 0, takes lr / (1 + lambd * lr * t) ** alpha.
        t0: Step from which the weights are averaged.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
    """
    return optim.ASGD(params, lr, lambd, alpha, t0, weight_decay)


def rprop(
    *,
    params: Parameters,
    lr: Rate = 1e-2,
    etas: tuple[
        Annotated[float, Field(gt=0, lt=1)],
        Annotated[float, Field(gt=1)],
    ] = (0.5, 1.2),
    step_sizes: tuple[Rate, Rate] = (1e-6, 50.0),
) -> optim.Optimizer:
    """Resilient propagation: Riedmiller and Braun 1993, 'A direct adaptive method for faster
    backpropagation learning: the RPROP algorithm'.

    It looks at the signs of the gradients only, and was made for gradients of the whole data set.

    Args:
        lr: Size of the first step of each weight. A schedule changes nothing after it.
        etas: Factors of a weight's step where its gradient's sign has changed, and where not.
        step_sizes: The smallest step and the largest.
    Raises:
        UsageError: The smallest step is above the largest.
    """
    if step_sizes[0] > step_sizes[1]:
        raise UsageError(
            f"step_sizes: the smallest step, {step_sizes[0]}, is above the largest, "
            f"{step_sizes[1]}",
            hint="Write the smallest first: step_sizes: [1.0e-6, 50].",
        )
    return optim.Rprop(params, lr, etas, step_sizes)
