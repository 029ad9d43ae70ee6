"""torch's optimizers that scale each weight's step by its gradients so far, beside Adam's own.

Without fused kernels on a GPU, an update there is waited for; see ``optimizers`` for those with.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import optim

from ganforge_optimizers.common import NotNegative, Parameters, Rate, Share


def adadelta(
    *,
    params: Parameters,
    lr: Rate = 1.0,
    rho: Share = 0.9,
    eps: Rate = 1e-6,
    weight_decay: NotNegative = 0.0,
) -> optim.Optimizer:
    """Adadelta: Zeiler 2012, arXiv:1212.5701, algorithm 1.

    Args:
        lr: Multiplies the step; the paper has none, which is 1.
        rho: Share of the old mean squares, of gradients and of steps, that a step keeps.
        eps: Added to both mean squares before their roots are taken.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
    """
    return optim.Adadelta(params, lr, rho, eps, weight_decay)


def adafactor(
    *,
    params: Parameters,
    lr: Rate = 1e-2,
    beta2_decay: Annotated[float, Field(le=0)] = -0.8,
    eps: tuple[Rate | None, NotNegative] = (None, 1e-3),
    d: Annotated[float, Field(ge=1)] = 1.0,
    weight_decay: NotNegative = 0.0,
) -> optim.Optimizer:
    """Adafactor: Shazeer and Stern 2018, arXiv:1804.04235, algorithms 4 and 5.

    Of a weight with more than one axis, it keeps the mean squares along the last two axes only. So
    its state is small. The step of a weight is relative to the weight's own root mean square.

    Args:
        lr: The largest relative step; step t takes min(lr, 1 / sqrt(t)).
        beta2_decay: Step t keeps ``1 - t ** beta2_decay`` of the old mean square.
        eps: The smallest root mean square that gradients are taken to have, and the smallest that
            weights are. ``null`` is the rounding error of the weights' type.
        d: The largest root mean square of a step before ``lr``; above it, the step is scaled down.
        weight_decay: Share of each parameter, times ``lr``, that a step takes off.
    """
    return optim.Adafactor(params, lr, beta2_decay, eps, d, weight_decay)


def adagrad(
    *,
    params: Parameters,
    lr: Rate = 1e-2,
    lr_decay: NotNegative = 0.0,
    weight_decay: NotNegative = 0.0,
    initial_accumulator_value: NotNegative = 0.0,
    eps: Rate = 1e-10,
) -> optim.Optimizer:
    """Adagrad: Duchi, Hazan and Singer 2011, 'Adaptive subgradient methods for online learning and
    stochastic optimization', figure 1 with diagonal matrices.

    Args:
        lr: Learning rate.
        lr_decay: Step t, counted from 0, takes lr / (1 + t * lr_decay).
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
        initial_accumulator_value: Where the sum of squared gradients starts.
        eps: Added to the root of that sum, so that it is never 0.
    """
    return optim.Adagrad(params, lr, lr_decay, weight_decay, initial_accumulator_value, eps)


def adamax(
    *,
    params: Parameters,
    lr: Rate = 2e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optim.Optimizer:
    """Adamax, Adam by the largest gradient: Kingma and Ba 2015, arXiv:1412.6980, algorithm 2.

    Args:
        lr: Learning rate.
        betas: Shares of the old mean of the gradients, and of their largest size, that a step
            keeps.
        eps: Added to the size of each gradient, so that the largest is never 0.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
    """
    return optim.Adamax(params, lr, betas, eps, weight_decay)


def nadam(
    *,
    params: Parameters,
    lr: Rate = 2e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: NotNegative = 0.0,
    momentum_decay: NotNegative = 4e-3,
    decoupled_weight_decay: bool = False,
) -> optim.Optimizer:
    """Adam with Nesterov's momentum: Dozat 2016, 'Incorporating Nesterov momentum into Adam'.

    Args:
        lr: Learning rate.
        betas: Shares of the old mean of the gradients, and of their squares, that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
        momentum_decay: How fast momentum grows: step t keeps
            ``betas[0] * (1 - 0.96 ** (t * momentum_decay) / 2)`` of the mean.
        decoupled_weight_decay: ``weight_decay`` is the share of each parameter, times ``lr``, that
            a step takes off, as in AdamW.
    """
    return optim.NAdam(params, lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay)


def radam(
    *,
    params: Parameters,
    lr: Rate = 1e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: NotNegative = 0.0,
    decoupled_weight_decay: bool = False,
) -> optim.Optimizer:
    """Rectified Adam: Liu et al. 2020, arXiv:1908.03265, algorithm 2.

    Its first steps, in which few gradients have been seen, are taken without the mean square.

    Args:
        lr: Learning rate.
        betas: Shares of the old mean of the gradients, and of their squares, that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
        decoupled_weight_decay: ``weight_decay`` is the share of each parameter, times ``lr``, that
            a step takes off, as in AdamW.
    """
    return optim.RAdam(params, lr, betas, eps, weight_decay, decoupled_weight_decay)
