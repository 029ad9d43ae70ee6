"""A network that is being checked, and what it is fed with."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.engine.calling import call as offer
from ganforge.engine.game import judge_scores
from ganforge.engine.latent import Latent
from ganforge.errors import UsageError
from ganforge.testing.findings import Unchecked, Wrong, fault
from ganforge.testing.isolation import kept_settings
from ganforge.testing.isolation import seed as set_seed
from ganforge.testing.places import Place
from ganforge.testing.subject import Subject

Shape = tuple[int, ...]
Heads = dict[str, Tensor]

SHAPES: tuple[Shape, ...] = ((1, 28, 28), (3, 32, 32), (3, 64, 64), (1, 48, 32))
"""Samples that a network is tried with: grey and coloured, of several sizes, one not square."""
LARGE: tuple[Shape, ...] = ((3, 128, 128), (3, 256, 256))
POINTS: Shape = (2,)
"""What is tried where a network refuses everything before: large images, then points."""

LATENT = Latent(100)
NUM_CLASSES = 10
CODES = 3
BATCH = 4
SEED = 20
SIZES = (
    "Where the architecture has no such size, raise ganforge.api.UsageError: ganforge tells the "
    "user."
)


class _NotCallable(Wrong):
    """The network was made, and fails when it is called."""


class Bench:
    """Makes a network for each shape that it takes, and calls it as the engine does.

    Args:
        subject: The generator, discriminator or encoder.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.outputs: dict[Shape, dict[str, Heads]] = {}
        self.refused: dict[Shape, str] = {}
        self.call_faults: list[Wrong] = []
        self.steady = True
        self._translates: bool | None = None
        self._shared: dict[int, tuple[Shape, nn.Module]] = {}

    @property
    def place(self) -> Place:
        return self.subject.place

    @property
    def is_generator(self) -> bool:
        return self.subject.kind == "generator"

    @property
    def asks_for_shape(self) -> bool:
        return "image_shape" in self.subject.known_signature().injected

    def try_shapes(self) -> None:
        """Make it for every shape, and call it; keep which it takes and what it returns.

        Raises:
            Wrong: Some shape is neither taken nor refused in words.
        """
        for shape in SHAPES if self.asks_for_shape else SHAPES[:1]:
            self._try(shape)
        for shape in LARGE if self.asks_for_shape else ():
            if not self.outputs and not self.call_faults:
                self._try(shape)
        if not self.outputs and not self.call_faults:
            told = next(iter(self.refused.values()))
            with suppress(Wrong):  # a network of images need not think of points
                self._try(POINTS)
            if not self.outputs:
                self.call_faults.clear()
                raise Wrong(f"it takes no images of any size that was tried: {told}", SIZES)

    def _try(self, shape: Shape) -> None:
        set_seed(SEED)
        try:
            network: nn.Module = self.subject.build(**supply(shape))
            if any(nn.parameter.is_lazy(p) for p in network.parameters()):
                raise Wrong(
                    "its parameters have no shape before the first call (lazy modules), so the "
                    "seed does not decide what they are",
                    "Compute the sizes in the constructor from image_shape and latent_dim.",
                )
            self.outputs[shape] = self._called(network.train(), shape)
        except UsageError as error:
            self.refused[shape] = error.message
        except _NotCallable as wrong:
            self.call_faults.append(wrong)
        except Wrong as wrong:
            if isinstance(wrong.__cause__, UsageError):
                self.refused[shape] = wrong.__cause__.message
            elif wrong.__cause__ is None:
                raise
            else:
                message = f"{wrong.message} [image_shape={shape}]"
                raise Wrong(message, f"{wrong.change} {SIZES}") from wrong
        else:
            self._shared.setdefault(shape[0], (shape, network))

    def _called(self, network: nn.Module, shape: Shape) -> dict[str, Heads]:
        """What it returns in training and in evaluation mode."""
        if self._translates is None:
            self._translates = self._takes_samples(network, shape)
        inputs = self.inputs(shape)
        what = "latents" if self.is_generator and not self._translates else "samples"
        found: dict[str, Heads] = {}
        for mode in ("training", "evaluation"):
            network.train(mode == "training")
            try:
                with torch.no_grad():
                    found[mode] = self.call(network, inputs)
            except UsageError:
                raise
            except Wrong as wrong:
                raise _NotCallable(wrong.message, wrong.change) from wrong
            except Exception as error:
                doing = f"called in {mode} mode with {what} {tuple(inputs.shape)}"
                told = fault(error, self.place, doing=f"made for samples {shape} and {doing}")
                raise _NotCallable(told.message, f"{told.change} {SIZES}") from error
        return found

    def _takes_samples(self, network: nn.Module, shape: Shape) -> bool:
        """Whether a generator that asks for no latent_dim turns samples into samples."""
        if not self.is_generator or "latent_dim" in self.subject.known_signature().injected:
            return False
        for translates in (False, True):
            self._translates = translates
            try:
                self.eval_call(network, self.inputs(shape))
            except Exception:  # noqa: BLE001  # it is told when it is called in earnest
                continue
            return translates
        return False

    @property
    def references(self) -> list[Shape]:
        """The first shape of each number of channels: enough for what costs time."""
        if not self._shared:
            raise Unchecked("it could not be made, or could not be called")
        return [shape for shape, _ in self._shared.values()]

    def check_steady(self) -> None:
        """See that comparing outputs means anything.

        Raises:
            Unchecked: It does not.
        """
        if not self.steady:
            raise Unchecked("its output is random in evaluation mode: see eval-deterministic")

    def shared(self, shape: Shape) -> nn.Module:
        """The one network of a reference shape, for checks that leave its weights alone."""
        _, network = self._shared[shape[0]]
        network.zero_grad(set_to_none=True)
        return network.train()

    def fresh(self, shape: Shape, *, seed: int = SEED) -> nn.Module:
        """A new network in training mode; equal seeds make equal ones."""
        set_seed(seed)
        network: nn.Module = self.subject.remade(**supply(shape))
        return network.train()

    def inputs(self, shape: Shape, *, count: int = BATCH, seed: int = 0) -> Tensor:
        """Latents ``(N, latent_dim)``; for what takes samples, such ``(N, ...)`` in [-1, 1]."""
        generator = torch.Generator().manual_seed(seed)
        if self.is_generator and not self._translates:
            return LATENT.sample(count, generator)
        return torch.empty(count, *shape).uniform_(-1.0, 1.0, generator=generator)

    def call(self, network: nn.Module, inputs: Tensor, **more: Tensor) -> Heads:
        """Everything that the network returns, by name: ``samples``, or ``logits`` and others.

        Raises:
            Wrong: It returns something else than tensors.
        """
        offered = {**self.beside(inputs), **more}
        with kept_settings():  # a copy: one that changes its input is told by one check alone
            output = offer(network, inputs.clone(), **offered)
        name = {"generator": "samples", "encoder": "codes"}.get(self.subject.kind, "logits")
        heads = dict(output) if isinstance(output, dict) else {name: output}
        odd = [(key, type(value)) for key, value in heads.items() if not isinstance(value, Tensor)]
        if odd or name not in heads or (self.is_generator and isinstance(output, dict)):
            told = f"{odd[0][1].__name__} as {odd[0][0]}" if odd else f"dict with {sorted(heads)}"
            raise Wrong(
                f"it returns a {told}",
                "Return the samples as one tensor."
                if self.is_generator
                else f"Return the {name} as one tensor, or a dict of tensors, one called '{name}'.",
            )
        return judge_scores(heads, len(inputs)) if name == "logits" else heads

    def beside(self, inputs: Tensor) -> dict[str, Tensor]:
        """What ganforge has for a network that names more than its input.

        It is a function of each input, so that one sample has the same beside it in any batch.
        """
        first = inputs.detach().flatten(1)[:, :1]
        waves = torch.arange(1, LATENT.size + 1, device=inputs.device, dtype=inputs.dtype)
        offered = {
            "labels": (first[:, 0].abs() * 997.0).long() % NUM_CLASSES,
            "latents": torch.sin(first * waves),
        }
        if not self.is_generator:
            offered["source"] = inputs.detach().flip(-1)
        return offered

    def eval_call(self, network: nn.Module, inputs: Tensor) -> Heads:
        """The same in evaluation mode and without a graph."""
        network.eval()
        with torch.no_grad():
            return self.call(network, inputs)

    def labelled(self, network: nn.Module, count: int) -> dict[str, Tensor]:
        """Class indices as a keyword argument, if the network's ``forward`` has one for them."""
        if "labels" not in inspect.signature(network.forward).parameters:
            return {}
        return {"labels": torch.arange(count) % NUM_CLASSES}


def build(bench: Bench) -> None:
    """It can be made for some sizes, and refuses the others in words."""
    bench.try_shapes()


def call(bench: Bench) -> str:
    """The network takes what ganforge gives it, and returns tensors."""
    if bench.call_faults:
        raise bench.call_faults[0]
    if not bench.outputs:
        raise Unchecked("it could not be made")
    refused = ", ".join(map(str, bench.refused))
    tried = ", ".join(map(str, bench.outputs))
    return f"tried with {tried}" + (f"; it refuses {refused}" if refused else "")


def objective(heads: Heads) -> Tensor:
    """A number that depends on everything in all heads, each in another way.

    A plain sum would not do: that of a softmax never changes.
    """
    generator = torch.Generator().manual_seed(1)
    parts = [
        (head * torch.randn(head.shape, generator=generator).to(head.dtype)).sum()
        for head in heads.values()
        if head.is_floating_point()
    ]
    return torch.stack(parts).sum()


def supply(shape: Shape) -> dict[str, Any]:
    """What ganforge supplies to networks, for samples of a shape."""
    return {
        "image_shape": shape,
        "source_shape": shape,
        "latent_dim": LATENT.size,
        "code_dim": CODES,
        "num_classes": NUM_CLASSES,
    }
