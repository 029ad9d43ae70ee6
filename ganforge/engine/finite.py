"""Notices when training has diverged, before a bad number is stepped on or saved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganforge.errors import GanforgeError


class NotFiniteError(GanforgeError):
    """Training diverged: something became infinite or not a number."""

    def __init__(self, where: str, what: list[str], step: int) -> None:
        super().__init__(
            f"step {step}: not finite any more: {where} ({', '.join(what)})",
            hint="Lower the learning rate, or regularise the discriminator; what the run has saved "
            "before is untouched.",
        )


def check_objective(phase: str, values: Mapping[str, Tensor], step: int) -> None:
    """See that the objective of a phase is finite, where looking costs nothing.

    Reading a value makes an accelerator wait, so there the check is left to the weights, which are
    looked at before each save.

    Args:
        phase: The phase's name.
        values: What it measured; ``loss`` is the objective.
        step: The step under way, counted from 1.
    Raises:
        NotFiniteError: It is not; the terms that are to blame are named.
    """
    loss = values.get("loss")
    if loss is None or loss.device.type != "cpu" or torch.isfinite(loss):
        return
    bad = [name for name, value in values.items() if not torch.isfinite(value)]
    raise NotFiniteError(f"phase '{phase}'", bad, step)


def check_weights(networks: Mapping[str, nn.Module], step: int) -> None:
    """See that every weight and buffer is finite.

    Raises:
        NotFiniteError: Some network's is not.
    """
    for name, network in networks.items():
        state = network.state_dict().values()
        finite = [value.isfinite().all() for value in state if value.is_floating_point()]
        if finite and not torch.stack(finite).all():
            raise NotFiniteError(f"network '{name}'", ["weights"], step)
