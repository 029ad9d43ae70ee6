"""What checks of losses and of regularizers have in common: a term of a phase's objective."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganforge.engine.adversarial import AdversarialRound
from ganforge.testing import standins
from ganforge.testing.findings import Remark, Unchecked, Wrong
from ganforge.testing.isolation import seed
from ganforge.testing.subject import Subject

Function = Callable[[AdversarialRound], Any]


class Bench:
    """A loss or regularizer: made, and asked for values."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.computes = False
        self.shapes: set[tuple[int, ...]] = set()

    def made(self) -> Any:
        return self.subject.remade()

    def value(self, function: Function, round: AdversarialRound) -> Any:
        """Call a term; what only a plugin's own game has in its rounds cannot be tried here."""
        try:
            return function(round)
        except AttributeError as error:
            if error.obj is round and self.subject.has_own_game:
                raise Unchecked(
                    f"it needs round.{error.name}, which the plugin's own game must have"
                ) from error
            raise


def check_value(value: Any, what: str) -> Tensor:
    """A finite number for each sample, or one for all.

    Raises:
        Wrong: It is something else.
    """
    if not isinstance(value, Tensor):
        raise Wrong(
            f"{what} is a {type(value).__name__}, not a tensor",
            "Give back a tensor: (N,), or one number; no .item() and no float().",
        )
    if value.shape not in ((standins.BATCH,), ()):
        raise Wrong(
            f"{what} of {standins.BATCH} samples has the shape {tuple(value.shape)}",
            "Give back one number for each sample, (N,), or their mean.",
        )
    if not value.is_floating_point() or not value.isfinite().all():
        raise Wrong(
            f"{what} is {'not finite' if value.is_floating_point() else value.dtype}",
            "Look for logarithms, roots and divisions of what can be 0; functional.softplus and "
            "functional.logsigmoid are safe where log(sigmoid(x)) is not.",
        )
    return value


def check_learning(value: Tensor, round: AdversarialRound, what: str) -> None:
    """It teaches the network that learns in this phase, and leaves ``backward`` to the engine.

    Raises:
        Wrong: It does not.
    """
    parameters = {
        f"{name}.{key}": parameter
        for name, network in round.play.networks.items()
        for key, parameter in network.named_parameters()
    }
    if any(parameter.grad is not None for parameter in parameters.values()):
        raise Wrong(
            f"{what} has left gradients in the networks: it calls backward",
            "Give the value back and leave backward to ganforge; for gradients by an input take "
            "torch.autograd.grad(..., create_graph=True).",
        )
    (learner,) = round.play.learning
    mine = [p for name, p in parameters.items() if name.startswith(f"{learner}.")]
    cut = (
        f"no gradient of {what} reaches the {learner}",
        "Compute it from round.scores(...), round.fake and the like with torch's operations: no "
        ".detach(), .data, .item() or comparisons on the way.",
    )
    if not value.requires_grad:
        raise Wrong(*cut)
    gradients = torch.autograd.grad(value.mean(), mine, allow_unused=True)
    found = [gradient for gradient in gradients if gradient is not None]
    if not any(gradient.any() for gradient in found):
        raise Wrong(*cut)
    if not all(gradient.isfinite().all() for gradient in found):
        raise Wrong(
            f"the gradient of {what} holds NaN or infinity",
            "Look for roots and norms of what can be 0: add a small number inside them.",
        )


def check_streams(
    bench: Bench,
    function: Function,
    phase: str,
    needed: frozenset[str],
    shape: tuple[int, ...] = standins.POINT,
) -> None:
    """Random numbers come from the run's streams, which do not change with the micro-batches.

    Raises:
        Remark: They come from elsewhere.
    """
    values = []
    for number in (1, 2):
        round = standins.round_of(phase, shape, differentiates=needed)
        seed(number)
        values.append(bench.value(function, round))
    if isinstance(values[0], Tensor) and not torch.equal(values[0], values[1]):
        raise Remark(
            "it draws random numbers of its own: round.play.draw.uniform(...) and .normal(...) "
            "give a sample the same ones however the batch is cut"
        )


def state_dict(bench: Bench) -> str | None:
    """If it has a state, that can be saved and taken back."""
    first, second = bench.made(), bench.made()
    if not hasattr(first, "state_dict"):
        return "it has none"
    if not hasattr(second, "load_state_dict"):
        raise Wrong("it has state_dict but no load_state_dict", "Write load_state_dict(state).")
    second.load_state_dict(saved(first.state_dict()))
    return None


def saved(state: Any) -> Any:
    """A state as a checkpoint gives it back.

    Raises:
        Wrong: A checkpoint would not give it back.
    """
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
        buffer.seek(0)
        return torch.load(buffer, weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()
        told = next((line for line in reason if "Unsupported" in line or "GLOBAL" in line), "")
        raise Wrong(
            f"its state_dict cannot be saved and read back: {(told or repr(error))[:200].strip()}",
            "Keep plain values in it: numbers, text, lists, dicts and tensors; str(path) for a "
            "Path, list(...) for a set.",
        ) from error
