"""torch's optimizers for some parameters only, each with one for the others, so that a whole
network can be given to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import optim

from ganforge.api import UsageError
from ganforge_optimizers.common import NotNegative, Parameters, Rate, Share, has_fused

Group = dict[str, Any]


class Divided(optim.Optimizer):
    """Several optimizers as one, with one state and one list of groups.

    So a schedule sees all learning rates, and a checkpoint holds one state. A subclass says who
    steps which parameters.

    Args:
        groups: The groups of all of them; each has the keys of the optimizer that steps it.
    """

    def __init__(self, groups: list[Group]) -> None:
        super().__init__(groups, {})

    def division(self) -> Iterator[tuple[optim.Optimizer, Group]]:
        """Each optimizer, and a group that it is to step now."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # none is ever given
        """Let each optimizer step its own parameters."""
        for optimizer, group in self.division():
            # Loading a state replaces both, and so they are handed over anew.
            optimizer.state = self.state
            optimizer.param_groups = [group]
            optimizer.step()


class MuonAndAdamW(Divided):
    """Muon for the parameters of the first group, AdamW for those of the second.

    Args:
        muon: Has the matrices.
        adamw: Has all other parameters.
    """

    def __init__(self, muon: optim.Muon, adamw: optim.AdamW) -> None:
        super().__init__([*muon.param_groups, *adamw.param_groups])
        self._optimizers = (muon, adamw)

    def division(self) -> Iterator[tuple[optim.Optimizer, Group]]:
        """As the two groups are."""
        yield from zip(self._optimizers, self.param_groups, strict=True)


class SparseAdamAndAdam(Divided):
    """SparseAdam where a gradient is sparse, Adam where it is not.

    Args:
        sparse: Has all parameters.
        dense: Has them too.
    """

    def __init__(self, sparse: optim.SparseAdam, dense: optim.Adam) -> None:
        super().__init__(dense.param_groups)  # which have all keys of the other's
        self._sparse, self._dense = sparse, dense

    def division(self) -> Iterator[tuple[optim.Optimizer, Group]]:
        """By the gradients as they are now; a module always makes the same kind."""
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            sparse = [p for p in learning if p.grad.is_sparse]
            dense = [p for p in learning if not p.grad.is_sparse]
            yield self._sparse, {**group, "params": sparse}
            yield self._dense, {**group, "params": dense}


def muon(
    *,
    params: Parameters,
    lr: Rate = 1e-3,
    weight_decay: NotNegative = 0.1,
    momentum: Share = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
    eps: Rate = 1e-7,
    ns_steps: Annotated[int, Field(ge=1, lt=100)] = 5,
    adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
    rest_lr: Rate = 1e-3,
    rest_betas: tuple[Share, Share] = (0.9, 0.999),
    rest_eps: Rate = 1e-8,
    rest_weight_decay: NotNegative = 1e-2,
) -> optim.Optimizer:
    """Muon for matrices, AdamW for the rest: Jordan et al. 2024, 'Muon: An optimizer for hidden
    layers in neural networks'; Liu et al. 2025, arXiv:2502.16982.

    A step of Muon moves a matrix by its momentum, made nearly orthogonal. It is defined for
    parameters of two axes, such as the weight of a linear layer ``(out, in)``. All others are
    stepped by AdamW, as torch advises: biases, the weights of norms, and the kernels of
    convolutions ``(out, in, height, width)``. So it suits networks of linear layers or of
    attention, and refuses one that has convolutions alone. Weights of embeddings are
    matrices too, and are stepped by Muon. torch computes it in bfloat16, at which many CPUs are
    slow: a matrix of some thousand rows and columns can take them most of a minute a step.

    Args:
        lr: Learning rate of matrices.
        weight_decay: Share of each matrix, times ``lr``, that a step takes off.
        momentum: Share of the old mean of the gradients that a step keeps.
        nesterov: Take the gradient where the momentum leads (Nesterov 1983).
        ns_coefficients: Of the Newton-Schulz polynomial a x + b x^3 + c x^5.
        eps: The smallest norm by which the momentum is divided.
        ns_steps: How many times the polynomial is applied.
        adjust_lr_fn: How ``lr`` follows the shape (A, B) of a matrix: ``original`` multiplies it
            by sqrt(max(1, A / B)), ``match_rms_adamw`` by 0.2 sqrt(max(A, B)), which makes steps
            as large as AdamW's. ``null`` is ``original``.
        rest_lr: Learning rate of the rest.
        rest_betas: Of the rest: shares of the old mean of the gradients, and of their squares,
            that a step keeps.
        rest_eps: Of the rest: added to the root of the mean square, so that it is never 0.
        rest_weight_decay: Share of each parameter of the rest, times ``rest_lr``, that a step
            takes off.
    Raises:
        UsageError: No parameter is a matrix.
    """
    matrices = [p for p in params if p.ndim == 2]
    rest = [p for p in params if p.ndim != 2]
    if not matrices:
        raise UsageError(
            f"muon steps matrices, and none of the network's {len(params)} parameters is one: "
            f"their shapes are {_shapes(params)}",
            hint="Take adamw, which would step all of them; or a network with linear layers.",
        )
    for_matrices = optim.Muon(
        matrices,
        lr,
        weight_decay,
        momentum,
        nesterov,
        ns_coefficients,
        eps,
        ns_steps,
        adjust_lr_fn,
    )
    if not rest:
        return for_matrices
    for_rest = optim.AdamW(
        rest, rest_lr, rest_betas, rest_eps, rest_weight_decay, fused=has_fused(rest)
    )
    return MuonAndAdamW(for_matrices, for_rest)


def sparse_adam(
    *,
    params: Parameters,
    lr: Rate = 1e-3,
    betas: tuple[Share, Share] = (0.9, 0.999),
    eps: Rate = 1e-8,
) -> optim.Optimizer:
    """Adam that leaves alone what a sparse gradient does not name: Kingma and Ba 2015,
    arXiv:1412.6980, in torch's version for sparse gradients.

    Sparse gradients come from ``nn.Embedding(sparse=True)``. torch's SparseAdam takes no others;
    here the parameters with other gradients are stepped by Adam, with the same options.

    Args:
        lr: Learning rate.
        betas: Shares of the old mean of the gradients, and of their squares, that a step keeps.
        eps: Added to the root of the mean square, so that it is never 0.
    """
    return SparseAdamAndAdam(
        optim.SparseAdam(params, lr, betas, eps),
        optim.Adam(params, lr, betas, eps, fused=has_fused(params)),
    )


def _shapes(params: Parameters, shown: int = 6) -> str:
    """The first few shapes, in words."""
    told = [str(tuple(p.shape)) for p in params[:shown]]
    return ", ".join(told) + (", ..." if len(params) > shown else "")
