"""How the mathematics of a play is carried out: its precision, and compiled or not.

It changes how long a step takes and how its numbers are rounded, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from ganforge.engine.game import Term
from ganforge.errors import UsageError

Precision = Literal["auto", "fp32", "tf32", "bf16"]

TF32_SINCE = (8, 0)
"""The compute capability from which on NVIDIA's GPUs have TF32 and bfloat16."""

_AS_IT_IS = nullcontext()


@dataclass(frozen=True)
class Execution:
    """How plays are carried out.

    Args:
        device: Where.
        precision: ``fp32``; ``tf32``, in which a GPU multiplies with 10 bits of mantissa; or
            ``bf16``: networks compute in bfloat16 wherever torch's autocast finds that safe, while
            weights, what networks return, losses and terms of second order stay float32.
        compiled: Networks are compiled, which terms of second order do without: torch cannot go
            backward twice through what it compiled.
    """

    device: torch.device
    precision: Precision = "fp32"
    compiled: bool = False

    def in_order(self, terms: Sequence[Term]) -> Sequence[Term]:
        """Terms of second order first, where that matters: what they look at is in full precision,
        and then it is for those that follow."""
        if self.precision != "bf16":
            return terms
        return sorted(terms, key=lambda term: not term.second_order)

    def term(self, term: Term) -> AbstractContextManager[object]:
        """Within it, a term is computed."""
        if self.precision != "bf16":
            return _AS_IT_IS
        # No cache: weights that were cast where no graph is made would have no gradient after it.
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=not term.second_order, cache_enabled=False
        )

    def play(self, terms: Sequence[Term]) -> AbstractContextManager[object]:
        """Within it, all terms of one play are computed."""
        if self.compiled and any(term.second_order for term in terms):
            stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
            return stance
        return _AS_IT_IS

    @contextmanager
    def switches(self) -> Iterator[None]:
        """torch's own switches, for a block: they are the process's."""
        if self.device.type != "cuda":
            yield
            return
        matmul, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
        before = matmul.fp32_precision, convolutions.fp32_precision
        wanted = "tf32" if self.precision in ("tf32", "bf16") else "ieee"
        matmul.fp32_precision = convolutions.fp32_precision = wanted
        try:
            yield
        finally:
            matmul.fp32_precision, convolutions.fp32_precision = before


def chosen(precision: Precision, device: torch.device) -> Precision:
    """What ``auto`` is on a device, or the precision that was asked for.

    Raises:
        UsageError: The device does not have it.
    """
    has_tf32 = (
        device.type == "cuda"
        and torch.version.hip is None
        and torch.cuda.get_device_capability(device) >= TF32_SINCE
    )
    if precision == "auto":
        return "tf32" if has_tf32 else "fp32"
    if precision == "tf32" and not has_tf32:
        raise UsageError(
            f"train.precision: device '{device}' has no tf32",
            hint="NVIDIA's GPUs have it from compute capability 8.0 on. Write fp32, or auto, which "
            "takes tf32 where there is such a GPU.",
        )
    if precision == "bf16" and device.type == "mps":
        raise UsageError(
            "train.precision: bf16 is not supported on device 'mps'", hint="Write fp32."
        )
    return precision
