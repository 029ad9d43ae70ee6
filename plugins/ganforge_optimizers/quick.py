"""torch's Adam and AdamW, with a shorter way to their fused kernels.

Where networks are small, most of a step of torch's is spent on the way: it opens a range for the
profiler, asks the compiler to look away, and sorts all tensors by device and type. Nothing of it
changes a number. The short way leaves that out where nobody needs it, and is torch's own where
somebody does: hooks, a profiler, or options that few set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, optim
from torch.autograd import profiler
from torch.optim import optimizer as shared


def _with_hooks(step: Any) -> Any:
    """A step that calls the hooks, as torch makes one of each class when it is first used."""
    return step if getattr(step, "hooked", False) else optim.Optimizer.profile_hook_step(step)


_TORCHS = _with_hooks(optim.Adam.step)


class QuickAdam(optim.Adam):
    """Adam, made as ``torch.optim.Adam`` is, with the same numbers and the same state."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every weight that has a gradient."""
        if closure is None and self._nobody_looks():
            tensors = [self._tensors(group) for group in self.param_groups]
            if all(tensors):
                with torch.no_grad():
                    for group, found in zip(self.param_groups, tensors, strict=True):
                        self._move(group, *found)
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

    def _tensors(self, group: dict[str, Any]) -> tuple[list[Tensor], ...]:
        """Gradients, both moments and counts of steps; nothing where the short way is not for
        them."""
        if not group["fused"] or group["amsgrad"] or group["maximize"] or group["differentiable"]:
            return ()
        if group["capturable"] or not isinstance(group["lr"], float) or not group["params"]:
            return ()
        gradients, firsts, seconds, steps = [], [], [], []
        dtype, device = group["params"][0].dtype, group["params"][0].device
        for weight in group["params"]:
            gradient, state = weight.grad, self.state.get(weight)
            if gradient is None or not state or gradient.is_sparse:
                return ()
            if weight.dtype != dtype or weight.device != device:
                return ()
            gradients.append(gradient)
            firsts.append(state["exp_avg"])
            seconds.append(state["exp_avg_sq"])
            steps.append(state["step"])
        return gradients, firsts, seconds, steps

    def _move(
        self,
        group: dict[str, Any],
        gradients: list[Tensor],
        firsts: list[Tensor],
        seconds: list[Tensor],
        steps: list[Tensor],
    ) -> None:
        bad: Tensor | None = getattr(self, "found_inf", None)
        kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        beta1, beta2 = group["betas"]
        # A number would be made a tensor for each of them, which takes as long as the kernel.
        torch._foreach_add_(steps, [torch.ones((), device=steps[0].device)] * len(steps))
        kernel(
            group["params"],
            gradients,
            firsts,
            seconds,
            [],
            steps,
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
            torch._foreach_sub_(steps, [bad] * len(steps))


class QuickAdamW(QuickAdam, optim.AdamW):
    """The same of AdamW."""
