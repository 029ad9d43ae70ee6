"""Checks that generators and discriminators have in common."""

from __future__ import annotations

import copy
import inspect
import io
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.engine.calling import call as offer
from ganforge.errors import UsageError
from ganforge.testing.bench import SEED, Bench, Heads
from ganforge.testing.devices import MixedDevicesError, OneDevice
from ganforge.testing.findings import Remark, Unchecked, Wrong, fault, listed
from ganforge.testing.isolation import kept_settings, seed, settings

AMPLIFIED = 30.0
TOLERANCE = 1e-4
"""Relative to the largest output: another batch size may round differently."""


@contextmanager
def amplified(network: nn.Module) -> Iterator[nn.Module]:
    """The network with far larger weights: what only they keep small becomes large."""
    weights = [parameter.detach().clone() for parameter in network.parameters()]
    try:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(AMPLIFIED)
        yield network
    finally:
        with torch.no_grad():
            for parameter, weight in zip(network.parameters(), weights, strict=True):
                parameter.copy_(weight)


def output_dtype(bench: Bench) -> None:
    """float32 in, float32 out."""
    for shape in bench.references:
        for name, head in bench.outputs[shape]["evaluation"].items():
            if head.dtype != torch.float32:
                raise Wrong(
                    f"float32 inputs become {name} of {head.dtype}",
                    "Keep the type of the input: convert with .to(inputs.dtype), and make new "
                    "tensors with dtype=inputs.dtype.",
                )


def output_finite(bench: Bench) -> None:
    """No NaN and no infinity from inputs of a usual size."""
    for shape in bench.references:
        for mode, heads in bench.outputs[shape].items():
            bad = [name for name, head in heads.items() if not head.isfinite().all()]
            if bad:
                raise Wrong(
                    f"in {mode} mode, {listed(bad)} for samples of shape {shape} hold NaN or "
                    "infinity",
                    "Look for logarithms, roots and divisions of what can be 0, and for "
                    "weights that are never initialised (torch.empty).",
                )


def batch_of_one(bench: Bench) -> None:
    """In evaluation mode a sample's output is its own, whatever else is in the batch."""
    bench.check_steady()
    for shape in bench.references:
        network, inputs = bench.shared(shape), bench.inputs(shape)
        whole = bench.eval_call(network, inputs)
        parts = [bench.eval_call(network, inputs[i : i + 1]) for i in range(len(inputs))]
        for name, head in whole.items():
            alone = torch.cat([part[name] for part in parts])
            if head.shape == alone.shape and not _close(head, alone):
                _depends_on_others(bench, name)


def _depends_on_others(bench: Bench, name: str) -> None:
    told = f"in evaluation mode, {name} of a sample depend on the others in its batch"
    if not bench.is_generator:  # a mini-batch statistic may be meant
        raise Remark(f"{told}: generate --best-of and gradient penalties take them as independent")
    raise Wrong(
        told,
        "Compute no statistic over the batch there: batch norm does it right if it is a module, "
        "functional.batch_norm if it is given training=self.training.",
    )


def eval_deterministic(bench: Bench) -> None:
    """In evaluation mode the same input gives the same output."""
    for shape in bench.references:
        network, inputs = bench.shared(shape), bench.inputs(shape)
        seed(1)
        first = bench.eval_call(network, inputs)
        seed(2)
        if not _equal(first, bench.eval_call(network, inputs)):
            bench.steady = False
            raise Wrong(
                "in evaluation mode, the same input gives other outputs each time",
                "Switch dropout and noise off there: nn.Dropout does it by itself, "
                "functional.dropout if it is given training=self.training.",
            )


def input_untouched(bench: Bench) -> None:
    """The input is what it was: the engine hands the same tensor to others."""
    for shape in bench.references:
        network, inputs = bench.shared(shape), bench.inputs(shape)
        before = inputs.clone()
        with torch.no_grad(), kept_settings():
            offer(network, inputs, **bench.beside(inputs))
        if not torch.equal(before, inputs):
            raise Wrong(
                "forward changes its input in place",
                "Give the first operation no inplace=True, and use x = x + y in place of x += y.",
            )


def state_dict(bench: Bench) -> None:
    """What it has learned is all in its ``state_dict``: saved, and read into a fresh one."""
    bench.check_steady()
    shape = bench.references[0]
    trained, inputs = bench.fresh(shape), bench.inputs(shape)
    for number in range(2):  # so that running statistics move
        with torch.no_grad():
            bench.call(trained, bench.inputs(shape, seed=number + 1))
    state = trained.state_dict()
    odd = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if odd:
        raise Wrong(
            f"its state_dict holds what is no tensor: {listed(odd)}",
            "Keep tensors alone there; numbers can be registered as buffers.",
        )
    fresh = bench.fresh(shape, seed=SEED + 1)
    _load(fresh, _saved(state))
    if not _equal(bench.eval_call(trained, inputs), bench.eval_call(fresh, inputs)):
        loose = _loose_tensors(trained)
        told = f" (plain tensors: {listed(loose)})" if loose else ""
        raise Wrong(
            "its weights, saved and read into a fresh network, give other outputs: something "
            f"that matters is not in its state_dict{told}",
            "Keep what is random or learned in nn.Parameter or register_buffer(name, tensor), "
            "not in a plain attribute.",
        )


def _saved(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    read: dict[str, Any] = torch.load(buffer, weights_only=True)
    return read


def _load(network: nn.Module, state: dict[str, Any]) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        told = " ".join(str(error).split())
        raise Wrong(
            f"a fresh network does not take its state_dict: {told[:300]}",
            "Make every parameter and buffer in the constructor, always with the same shape.",
        ) from error


def without_classes(bench: Bench) -> str:
    """One that says it can do without classes can, or refuses in words."""
    if not bench.asks_for("num_classes"):
        return "it does not ask for num_classes"
    target = bench.subject.known_target()
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    if NoneType not in typing.get_args(hints["num_classes"]):
        return "it is made for classes alone"
    shape = bench.references[0]
    try:
        network = bench.subject.remade(**{**bench.supply(shape), "num_classes": None})
        bench.eval_call(network, bench.inputs(shape), labels=None)
    except UsageError as error:
        return f"it refuses: {error.message}"
    except Exception as error:
        told = fault(error, bench.place, doing="num_classes is None, as data without labels have")
        advice = "Annotate it as int, if it is for classes alone: then ganforge refuses other data."
        raise Wrong(told.message, f"{told.change} {advice}") from error
    return "it can be made without"


def seed_decides(bench: Bench) -> None:
    """The same seed of torch makes the same weights, another one others."""
    shape = bench.references[0]
    seed(SEED, 1)
    first = bench.subject.remade(**bench.supply(shape)).state_dict()
    end = torch.get_rng_state()
    seed(SEED, 2)
    second = bench.subject.remade(**bench.supply(shape)).state_dict()
    other = [name for name in first if not _same_state(first[name], second.get(name))]
    if other:
        raise Wrong(
            f"made twice with the same seed, it has other weights: {listed(other)}",
            "Draw them with torch alone (torch.randn, nn.init), not with numpy, random or time.",
        )
    seed(SEED + 1, 1)
    bench.subject.remade(**bench.supply(shape))
    if torch.equal(end, torch.get_rng_state()):
        raise Wrong(
            "its constructor seeds torch, so every seed of a recipe gives the same weights",
            "Take torch.manual_seed out of it: ganforge seeds torch before it makes a network.",
        )


def copyable(bench: Bench) -> None:
    """A deep copy is another network of the same weights: moving averages are made so."""
    bench.check_steady()
    shape = bench.references[0]
    network, inputs = bench.fresh(shape), bench.inputs(shape)
    advice = "Keep no functions made at run time, no locks and no results of forward in attributes."
    try:
        twin = copy.deepcopy(network)
    except Exception as error:
        raise Wrong(f"copy.deepcopy fails: {error}", advice) from error
    before = bench.eval_call(network, inputs)
    other = bench.fresh(shape)
    for each in (twin, other):
        with torch.no_grad():
            for parameter in each.parameters():
                parameter.mul_(2.0)
    if not _equal(before, bench.eval_call(network, inputs)):
        raise Wrong("when a deep copy of it learns, it changes too", advice)
    if not _equal(bench.eval_call(other, inputs), bench.eval_call(twin, inputs)):
        raise Wrong("a deep copy of it does not compute with its own weights", advice)


def device(bench: Bench) -> None:
    """Moved to another device, it works there; torch's ``meta`` stands for one."""
    shape = bench.references[0]
    network = bench.fresh(shape).to("meta")
    inputs = bench.inputs(shape).to("meta")
    advice = (
        "Keep tensors in register_buffer(name, tensor), and make new ones where the input is: "
        "torch.randn(..., device=x.device)."
    )
    try:
        with OneDevice("meta"):
            heads = bench.call(network, inputs)
    except MixedDevicesError as error:
        loose = _loose_tensors(network)
        told = f"; plain tensors: {listed(loose)}" if loose else ""
        where = bench.place.of(error)
        raise Wrong(
            f"on another device than the CPU it fails: {error} ({where}{told})", advice
        ) from error
    except Exception as error:  # what works on real devices may have no meta form
        raise Unchecked(f"this cannot be tried without a second device: {error}") from error
    stayed = [name for name, head in heads.items() if head.device.type != "meta"]
    if stayed:
        raise Wrong(f"on another device, {listed(stayed)} come out on the CPU", advice)


def global_state(bench: Bench) -> None:
    """Making and calling it changes no setting of the process."""
    shape = bench.references[0]
    before = settings()
    network = bench.subject.make(raw=True, **bench.supply(shape))
    inputs = bench.inputs(shape)
    offer(network, inputs, **bench.beside(inputs))
    after = settings()
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise Wrong(
            f"it changes {listed(changed)}, for everything else too",
            "Take that out; torch.no_grad() and the like are context managers.",
        )


def _loose_tensors(network: nn.Module) -> list[str]:
    """Tensors that ``state_dict`` and ``to`` do not know of, by where they are."""
    return [
        f"{module_name}.{name}" if module_name else name
        for module_name, module in network.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    ]


def _same_state(first: object, second: object) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second)
    return first == second


def _equal(first: Heads, second: Heads) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name].nan_to_num(), second[name].nan_to_num()) for name in first
    )


def _close(first: Tensor, second: Tensor) -> bool:
    first, second = first.nan_to_num(), second.nan_to_num()
    scale = first.abs().max().item() or 1.0
    return torch.allclose(first, second, rtol=TOLERANCE, atol=TOLERANCE * scale)
