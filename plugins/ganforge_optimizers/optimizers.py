"""torch's Adam, AdamW, RMSprop and SGD as components; each call returns one for the parameters.

torch's fused implementations do one pass over all weights and are used where the device has them.
The other optimizers of ``torch.optim`` are in ``adaptive``, ``classic`` and ``divided``. One is in
none: L-BFGS computes the objective several times within a step, through a closure that torch's
other optimizers do without. The protocol goes backward once a step, and has no such closure.
"""

from __future__ import annotations

from torch import optim

from ganforge.api import UsageError
from ganforge_optimizers.common import NotNegative, Parameters, Rate, Share
from ganforge_optimizers.common import has_fused as _fused
from ganforge_optimizers.quick import QuickAdam, QuickAdamW


def adam(
    *,
    params: Parameters,
    lr: Rate = 1e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: NotNegative = 0.0,
    amsgrad: bool = False,
) -> optim.Optimizer:
    """Adam: Kingma and Ba 2015, arXiv:1412.6980.

    Args:
        lr: Learning rate.
        betas: Shares of the old mean of the gradients, and of their squares, that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
        amsgrad: Divide by the largest mean square so far (Reddi et al. 2018).
    """
    return QuickAdam(params, lr, betas, eps, weight_decay, amsgrad=amsgrad, fused=_fused(params))


def adamw(
    *,
    params: Parameters,
    lr: Rate = 1e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
    weight_decay: NotNegative = 1e-2,
    amsgrad: bool = False,
) -> optim.Optimizer:
    """Adam with decoupled weight decay: Loshchilov and Hutter 2019, arXiv:1711.05101.

    Args:
        lr: Learning rate.
        betas: Shares of the old mean of the gradients, and of their squares, that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
        weight_decay: Share of each parameter, times ``lr``, that a step takes off.
        amsgrad: Divide by the largest mean square so far (Reddi et al. 2018).
    """
    return QuickAdamW(params, lr, betas, eps, weight_decay, amsgrad=amsgrad, fused=_fused(params))


def rmsprop(
    *,
    params: Parameters,
    lr: Rate = 1e-2,
    alpha: Share = 0.99,
    eps: Rate = 1e-8,
    weight_decay: NotNegative = 0.0,
    momentum: NotNegative = 0.0,
    centered: bool = False,
) -> optim.Optimizer:
    """RMSprop: Hinton 2012, lecture 6 of 'Neural Networks for Machine Learning'.

    Args:
        lr: Learning rate.
        alpha: Share of the old mean of the squared gradients that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
        momentum: Share of the last step that is taken again.
        centered: Divide by the standard deviation of the gradients, not by their root mean square.
    """
    return optim.RMSprop(params, lr, alpha, eps, weight_decay, momentum, centered)


def sgd(
    *,
    params: Parameters,
    lr: Rate = 1e-2,
    momentum: NotNegative = 0.0,
    nesterov: bool = False,
    weight_decay: NotNegative = 0.0,
) -> optim.Optimizer:
    """Gradient descent with momentum: Sutskever et al. 2013, 'On the importance of initialization
    and momentum in deep learning'.

    Args:
        lr: Learning rate.
        momentum: Share of the last step that is taken again.
        nesterov: Take the gradient where the momentum leads (Nesterov 1983).
        weight_decay: Weight of the squared norm of the parameters, whose gradient is added.
    Raises:
        UsageError: Nesterov's momentum without momentum.
    """
    if nesterov and momentum == 0.0:
        raise UsageError("nesterov needs a momentum", hint="Add momentum: 0.9.")
    return optim.SGD(
        params,
        lr,
        momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=_fused(params),
    )
