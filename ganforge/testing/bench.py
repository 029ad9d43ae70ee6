"""A network that is being checked, and what it is fed with."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.engine.calling import call as offer
from ganforge.engine.game import judge_scores
from ganforge.engine.latent import Latent
from ganforge.errors import UsageError
from ganforge.testing import forwards
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
        self.network: nn.Module | None = None
        self.misnamed = False
        self._shape = SHAPES[0]
        self._translates: bool | None = None
        self._own_source = True
        self._shared: dict[int, tuple[Shape, nn.Module]] = {}

    @property
    def place(self) -> Place:
        return self.subject.place

    @property
    def is_generator(self) -> bool:
        return self.subject.kind == "generator"

    @property
    def asks_for_shape(self) -> bool:
        return self.asks_for("image_shape")

    def asks_for(self, name: str) -> bool:
        """Whether its constructor does."""
        return name in self.subject.known_signature().injected

    def try_shapes(self) -> None:
        """Make it for every shape, and call it; keep which it takes and what it returns.

        What starts from samples of a source starts from others than it makes, if it takes such.

        Raises:
            Wrong: Some shape is neither taken nor refused in words.
        """
        self._try_all()
        if not (self.outputs or self.call_faults) and self.asks_for("source_shape"):
            self._own_source = False
            self._try_all()
        if not self.outputs and not self.call_faults:
            told = next(iter(self.refused.values()))
            with suppress(Wrong):  # a network of images need not think of points
                self._try(POINTS)
            if not self.outputs:
                self.call_faults.clear()
                raise Wrong(f"it takes no images of any size that was tried: {told}", SIZES)

    def _try_all(self) -> None:
        self.refused.clear()
        for shape in SHAPES if self.asks_for_shape else SHAPES[:1]:
            self._try(shape)
        for shape in LARGE if self.asks_for_shape else ():
            if not self.outputs and not self.call_faults:
                self._try(shape)

    def _try(self, shape: Shape) -> None:
        set_seed(SEED)
        try:
            network: nn.Module = self.subject.build(**self.supply(shape))
            self.network = network
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
        try:
            forwards.refuse_unknown(network)
        except Wrong as wrong:
            self.misnamed = True
            raise _NotCallable(wrong.message, wrong.change) from wrong
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
        if not self.is_generator or self.asks_for("latent_dim"):
            return False
        if self.asks_for("source_shape"):
            return True
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
        network: nn.Module = self.subject.remade(**self.supply(shape))
        return network.train()

    def inputs(self, shape: Shape, *, count: int = BATCH, seed: int = 0) -> Tensor:
        """Latents ``(N, latent_dim)``; for what takes samples, such ``(N, ...)`` in [-1, 1]."""
        generator = torch.Generator().manual_seed(seed)
        self._shape = shape
        if self.is_generator and not self._translates:
            return LATENT.sample(count, generator)
        if self.is_generator:
            shape = self.source_of(shape)
        return torch.empty(count, *shape).uniform_(-1.0, 1.0, generator=generator)

    def call(self, network: nn.Module, inputs: Tensor, **more: Tensor | None) -> Heads:
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

    def beside(self, inputs: Tensor) -> dict[str, Tensor | None]:
        """What ganforge has for a network that names more than its input.

        It is a function of each input, so that one sample has the same beside it in any batch.
        """
        offered: dict[str, Tensor | None] = {
            "labels": forwards.labels_of(inputs, NUM_CLASSES),
            "source": forwards.waves_of(inputs, self.source_of(self._shape)),
        }
        if self._translates:
            offered["source"] = inputs.detach()
        if self._translates or not self.is_generator:
            offered["latents"] = forwards.waves_of(inputs, (LATENT.size,))
        return offered

    def alike(self, inputs: Tensor) -> dict[str, Tensor | None]:
        """The same beside every input: what differs then, differs by the inputs."""
        found = self.beside(inputs[:1].expand_as(inputs))
        return {name: value for name, value in found.items() if name != "source"} | (
            {} if self._translates else {"source": found["source"]}
        )

    def source_of(self, shape: Shape) -> Shape:
        """The shape of what samples are made of: grey for coloured ones, and the other way."""
        if len(shape) != 3 or not (self._own_source and self.asks_for("source_shape")):
            return shape
        return (4 - shape[0], *shape[1:])

    def supply(self, shape: Shape) -> dict[str, Any]:
        """What ganforge supplies to networks, for samples of a shape."""
        return {
            "image_shape": shape,
            "source_shape": self.source_of(shape),
            "latent_dim": LATENT.size,
            "code_dim": CODES,
            "num_classes": NUM_CLASSES,
        }

    def eval_call(self, network: nn.Module, inputs: Tensor, **more: Tensor | None) -> Heads:
        """The same in evaluation mode and without a graph."""
        network.eval()
        with torch.no_grad():
            return self.call(network, inputs, **more)


def build(bench: Bench) -> None:
    """It can be made for some sizes, and refuses the others in words."""
    bench.try_shapes()


def forward_arguments(bench: Bench) -> str | None:
    """Beside its input, ``forward`` names what ganforge offers: labels, latents, source."""
    if bench.network is None:
        raise Unchecked("it could not be made")
    forwards.refuse_unknown(bench.network)
    return forwards.remark_misspelt(bench.network)


def call(bench: Bench) -> str:
    """The network takes what ganforge gives it, and returns tensors."""
    if bench.misnamed:
        raise Unchecked("it cannot be called: see forward-arguments")
    if bench.call_faults:
        raise bench.call_faults[0]
    if not bench.outputs:
        raise Unchecked("it could not be made")
    refused = ", ".join(map(str, bench.refused))
    tried = ", ".join(map(str, bench.outputs))
    return f"tried with {tried}" + (f"; it refuses {refused}" if refused else "")
