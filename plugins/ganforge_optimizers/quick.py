"""torch's Adam and AdamW, with a shorter way to their fused kernels.

Where networks are small, most of a step of torch's is spent on the way: it opens a range for the
profiler, asks the compiler to look away, and sorts all tensors by device and type. Nothing of it
changes a number. The short way leaves that out where nobody needs it, and is torch's own where
somebody does: hooks, a profiler, or options that few set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, is_, itemgetter
from typing import Any, cast

import torch
from torch import Tensor, optim
from torch.autograd import profiler
from torch.optim import optimizer as shared


def _with_hooks(step: Any) -> Any:
    """A step that calls the hooks, as torch makes one of each class when it is first used."""
    return step if getattr(step, "hooked", False) else optim.Optimizer.profile_hook_step(step)


_count = itemgetter("step")
_kind = attrgetter("dtype", "device")
_TORCHS = _with_hooks(optim.Adam.step)


class _Counts:
    """How often each weight of a group has been moved, counted at once.

    The counts are torch's, a scalar in the state of each weight, and lie together in one tensor.

    Args:
        states: Of the weights; their counts are put together.
    """

    def __init__(self, states: Sequence[dict[str, Any]]) -> None:
        self.together = torch.stack([state["step"] for state in states])
        self.each = [self.together[number] for number in range(len(states))]
        # A number would be made a tensor in each step, which takes twice as long as adding it.
        self.one = torch.ones((), device=self.together.device)
        for state, count in zip(states, self.each, strict=True):
            state["step"] = count

    def are_of(self, states: Sequence[dict[str, Any]]) -> bool:
        """Whether these are still the counts of these weights: a state may have been loaded."""
        return len(states) == len(self.each) and all(map(is_, map(_count, states), self.each))


_Found = tuple[list[Tensor], list[dict[str, Any]], _Counts]


class QuickAdam(optim.Adam):
    """Adam, made as ``torch.optim.Adam`` is, with the same numbers and the same state."""

    _counts: dict[int, _Counts] | None = None
    """By the number of the group; made when they are needed, as copies come without."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every weight that has a gradient."""
        if closure is None and self._nobody_looks():
            with torch.no_grad():
                found = [self._found(*each) for each in enumerate(self.param_groups)]
                if None not in found:
                    for group, moved in zip(self.param_groups, found, strict=True):
                        self._move(group, *cast(_Found, moved))
                    return None
        return _TORCHS(self, closure)

    step.hooked = True  # type: ignore[attr-defined]  # torch would put its range around it

    def _nobody_looks(self) -> bool:
        return not (
            profiler._is_profiler_enabled
            or self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or shared._global_optimizer_pre_hooks
            or shared._global_optimizer_post_hooks
        )

    def _found(self, number: int, group: dict[str, Any]) -> _Found | None:
        """Gradients, states and counts of a group, or None where the short way is not for them."""
        if not group["fused"] or group["amsgrad"] or group["maximize"] or group["differentiable"]:
            return None
        if group["capturable"] or not isinstance(group["lr"], float):
            return None
        weights = group["params"]
        states = [state for state in map(self.state.get, weights) if state]
        if not weights or len(states) < len(weights):
            return None
        gradients = [weight.grad for weight in weights]
        if any(gradient is None or gradient.is_sparse for gradient in gradients):
            return None
        if self._counts is None:
            self._counts = {}
        counts = self._counts.get(number)
        if counts is None or not counts.are_of(states):
            steps = [state["step"] for state in states]
            if len(set(map(_kind, weights))) > 1 or len(set(map(_kind, steps))) > 1:
                return None
            if any(step.dim() for step in steps):
                return None
            counts = self._counts[number] = _Counts(states)
        return gradients, states, counts

    def _move(
        self,
        group: dict[str, Any],
        gradients: list[Tensor],
        states: list[dict[str, Any]],
        counts: _Counts,
    ) -> None:
        bad: Tensor | None = getattr(self, "found_inf", None)
        kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        beta1, beta2 = group["betas"]
        counts.together.add_(counts.one)
        kernel(
            group["params"],
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            counts.each,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=bad,
        )
        if bad is not None:  # the kernel has left the weights alone, and this was no step
            counts.together.sub_(bad)


class QuickAdamW(QuickAdam, optim.AdamW):
    """The same of AdamW."""
