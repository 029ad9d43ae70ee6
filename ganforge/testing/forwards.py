"""What a network's ``forward`` asks for beside its input, and whether ganforge has that."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.engine.calling import OFFERED
from ganforge.testing.findings import Remark, Wrong, listed

OTHER_NAMES = {
    "labels": "y label class classes class_label class_labels class_id class_ids targets digit c "
    "cls cond condition",
    "latents": "z latent noise noises code codes w",
    "source": "src sources source_images input_image cond_image condition_image image_a",
}
"""Spellings that other code bases have for what ganforge offers."""

_MEANT = {other: name for name, others in OTHER_NAMES.items() for other in others.split()}

_OFFER = f"ganforge offers {', '.join(OFFERED)}"

_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def asked(network: nn.Module) -> list[inspect.Parameter]:
    """The arguments of its ``forward``, as the engine reads them: without ``self``."""
    forward: Callable[..., Any] = type(network).forward
    return list(inspect.signature(forward).parameters.values())[1:]


def optional(network: nn.Module) -> list[str]:
    """What ganforge offers that it takes, and can do without."""
    return [p.name for p in asked(network)[1:] if p.name in OFFERED and p.default is not p.empty]


def refuse_unknown(network: nn.Module) -> None:
    """See that it can be called with what ganforge has.

    Raises:
        Wrong: Its ``forward`` needs something else.
    """
    arguments = asked(network)
    if arguments and arguments[0].name == "labels":
        raise Wrong(
            "the first argument of forward is 'labels', and what comes first is the input",
            "Put labels behind it: forward(self, latents, labels) of a generator, "
            "forward(self, samples, labels) of others.",
        )
    needed = [p for p in arguments[1:] if p.default is p.empty and p.kind not in _OPEN]
    strange = [p.name for p in needed if p.name not in OFFERED]
    if strange:
        raise Wrong(
            f"forward takes {listed([repr(name) for name in strange])}, {_OFFER}",
            " ".join(_remedy(name) for name in strange),
        )
    placed = [p.name for p in needed if p.kind is _POSITIONAL]
    if placed:
        raise Wrong(
            f"forward takes '{placed[0]}' by its place only, and ganforge gives it by name",
            "Take the '/' out of the signature.",
        )


def remark_misspelt(network: nn.Module) -> str | None:
    """Tell what it asks for.

    Raises:
        Remark: Something that it can do without may be what ganforge has by another name.
    """
    rest = [p for p in asked(network)[1:] if p.kind not in _OPEN]
    told = [
        f"if '{p.name}' of forward is what ganforge calls '{meant}', ask for it by that name"
        for p in rest
        if p.name not in OFFERED and (meant := _meant(p.name))
    ]
    if told:
        raise Remark("; ".join(told))
    wanted = [p.name for p in rest if p.name in OFFERED]
    return f"it takes {', '.join(wanted)}" if wanted else None


def _remedy(name: str) -> str:
    meant = _meant(name)
    if meant:
        return f"Rename '{name}' to '{meant}', if it is that; else give it a default."
    return f"Give '{name}' a default, or make it an option of the constructor."


def _meant(name: str) -> str | None:
    """What ganforge offers, under another spelling of ``name``."""
    if found := _MEANT.get(name.lower()):
        return found
    alike = difflib.get_close_matches(name.lower(), OFFERED, n=1, cutoff=0.75)
    return alike[0] if alike else None


def labels_of(inputs: Tensor, num_classes: int) -> Tensor:
    """A class index for each input ``(N,)``, int64, that only the input decides."""
    return (_first(inputs)[:, 0].abs() * 997.0).long() % num_classes


def waves_of(inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers ``(N, *shape)`` in [-1, 1] for each input, that only the input decides."""
    size = torch.Size(shape).numel()
    steps = torch.arange(1, size + 1, device=inputs.device, dtype=inputs.dtype)
    return torch.sin(_first(inputs) * steps).reshape(len(inputs), *shape)


def _first(inputs: Tensor) -> Tensor:
    return inputs.detach().flatten(1)[:, :1]
