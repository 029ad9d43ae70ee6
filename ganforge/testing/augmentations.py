"""Checks of augmentations: what a discriminator sees, changed where it looks."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.engine.augmentation import Augmentation
from ganforge.engine.draw import Draw
from ganforge.engine.streams import Streams
from ganforge.errors import UsageError
from ganforge.testing import standins, terms
from ganforge.testing.findings import Unchecked, Wrong, checks
from ganforge.testing.isolation import seed
from ganforge.testing.subject import Subject

SHAPES: tuple[tuple[int, ...], ...] = ((1, 16, 16), (3, 16, 16), standins.POINT)
COUNT = 6
FIRST, SECOND = "augmentation/0/real", "augmentation/0/fake"


class Bench:
    """An augmentation: made, and applied to samples of those shapes that it takes."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.shapes: list[tuple[int, ...]] = []

    def made(self) -> Augmentation:
        found: Augmentation = self.subject.remade()
        return found

    def known_shapes(self) -> list[tuple[int, ...]]:
        if not self.shapes:
            raise Unchecked("it could not be applied to any samples")
        return self.shapes


def samples(shape: tuple[int, ...]) -> Tensor:
    """Samples ``(COUNT, *shape)`` in [-1, 1]."""
    generator = torch.Generator().manual_seed(5)
    return torch.empty(COUNT, *shape).uniform_(-1.0, 1.0, generator=generator)


def draw(where: slice = slice(0, COUNT)) -> Draw:
    return Draw(Streams(0), (0, "discriminator", 0), COUNT, where, standins.CPU)


def build(bench: Bench) -> None:
    """It can be made."""
    bench.subject.build()


def output(bench: Bench) -> str:
    """Samples of the same shape and type, finite; other shapes are refused in words."""
    refused = []
    for shape in SHAPES:
        given = samples(shape)
        try:
            found = bench.made()(given, draw(), FIRST)
        except UsageError as error:
            refused.append(f"{shape}: {error.message}")
            continue
        if not isinstance(found, Tensor) or found.shape != given.shape:
            told = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise Wrong(
                f"samples {tuple(given.shape)} become {told}",
                "Give back a tensor of the same shape.",
            )
        if found.dtype != given.dtype or not found.isfinite().all():
            raise Wrong(
                f"float32 samples become {found.dtype}"
                if found.dtype != given.dtype
                else "what comes out is not finite",
                "Keep the type of the samples, and look for divisions of what can be 0.",
            )
        bench.shapes.append(shape)
    if not bench.shapes:
        raise Wrong(f"it refuses every shape that was tried: {refused[0]}", "Take one of them.")
    return f"tried with {', '.join(map(str, bench.shapes))}"


def input_untouched(bench: Bench) -> None:
    """The samples are what they were: terms look at them too."""
    for shape in bench.known_shapes():
        given = samples(shape)
        bench.made()(given, draw(), FIRST)
        if not torch.equal(given, samples(shape)):
            raise Wrong("it changes its input in place", "Compute new tensors.")


def differentiable(bench: Bench) -> None:
    """A gradient reaches the samples: generators learn through it."""
    for shape in bench.known_shapes():
        given = samples(shape).requires_grad_()
        found = bench.made()(given, draw(), FIRST)
        if not found.requires_grad:
            raise Wrong(
                "no gradient reaches the samples",
                "Use torch's operations alone: no .detach(), numpy or PIL.",
            )
        (gradient,) = torch.autograd.grad(found.square().sum(), given, allow_unused=True)
        if gradient is None or not gradient.any() or not gradient.isfinite().all():
            raise Wrong(
                "the gradient by the samples is 0 or not finite",
                "Look for rounding, comparisons, and roots of what can be 0.",
            )


def double_backward(bench: Bench) -> None:
    """Gradient penalties differentiate twice, and look through it."""
    why = "so no gradient penalty can be used beside it"
    advice = "Write the backward of your own autograd.Function with torch's operations."
    for shape in bench.known_shapes():
        given = samples(shape).requires_grad_()
        found = bench.made()(given, draw(), FIRST)
        if not found.requires_grad:
            raise Unchecked("no gradient reaches the samples: see differentiable")
        (slope,) = torch.autograd.grad(
            found.square().sum(), given, create_graph=True, allow_unused=True
        )
        if slope is None or not slope.requires_grad:
            raise Wrong(f"its gradient cannot be differentiated, {why}", advice)
        try:
            slope.square().sum().backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise Wrong(f"it cannot be differentiated twice ({error}), {why}", advice) from error
        if given.grad is None or not given.grad.isfinite().all():
            raise Wrong(
                f"its second derivative is missing or not finite, {why}",
                "Look for roots and norms of what can be 0: add a small number inside them.",
            )


def fewer_samples(bench: Bench) -> None:
    """It takes fewer samples than the micro-batch has: some terms judge a part."""
    for shape in bench.known_shapes():
        given = samples(shape)[: COUNT - 2]
        advice = "Draw for all and cut: draw.uniform(stream, ...)[: len(samples)]."
        try:
            found = bench.made()(given, draw(), FIRST)
        except RuntimeError as error:
            raise Wrong(f"it fails on {len(given)} samples of {COUNT}: {error}", advice) from error
        if found.shape != given.shape:
            raise Wrong(f"{tuple(given.shape)} become {tuple(found.shape)}", advice)


def random_streams(bench: Bench) -> None:
    """Random numbers come from the draw, the same ones for the same stream."""
    for shape in bench.known_shapes():
        found = []
        for number in (1, 2):
            seed(number)
            found.append(bench.made()(samples(shape), draw(), FIRST))
        if not torch.equal(found[0], found[1]):
            raise Wrong(
                "the same samples in the same play become something else each time",
                "Take random numbers from draw.uniform(stream, ...) and draw.normal(stream, ...).",
            )


def micro_batches(bench: Bench) -> None:
    """A sample becomes the same however the batch is cut."""
    for shape in bench.known_shapes():
        whole = bench.made()(samples(shape), draw(), SECOND)
        cuts = (slice(0, 2), slice(2, COUNT))
        parts = [bench.made()(samples(shape)[where], draw(where), SECOND) for where in cuts]
        if not torch.allclose(whole, torch.cat(parts), rtol=1e-4, atol=1e-5):
            raise Wrong(
                "a batch that is cut in two becomes something else than the whole one",
                "Draw one row of numbers for each sample: draw.uniform(stream, ...) is cut as the "
                "batch is. Compute nothing over the batch.",
            )


def observed(bench: Bench) -> None:
    """What it records is scalars."""
    for shape in bench.known_shapes():
        made = bench.made()
        made(samples(shape), draw(), FIRST)
        odd = [
            name
            for name, value in made.observe().items()
            if not isinstance(value, Tensor) or value.dim() != 0
        ]
        if odd:
            raise Wrong(f"it records '{odd[0]}', which is no scalar tensor", "Record means.")


def remembers(bench: Bench) -> str | None:
    """What it learns of the discriminator is in its state, and comes back as it was."""
    shape = bench.known_shapes()[0]
    first = bench.made()
    round = standins.round_of("discriminator", standins.IMAGE)
    for _ in range(3):
        first(samples(shape), draw(), FIRST)
        first.judged("real", torch.linspace(-1.0, 2.0, standins.BATCH), round)
    second = bench.made()
    state = terms.saved(first.state_dict())
    second.load_state_dict(state)
    one, other = (made(samples(shape), draw(), SECOND) for made in (first, second))
    if not torch.equal(one, other):
        raise Wrong(
            "after its state was saved and read back, it does something else",
            "Put all that it has learned into state_dict, and take it back in load_state_dict.",
        )
    return None if state else "it has no state"


CHECKS = checks(
    build,
    output,
    input_untouched,
    differentiable,
    double_backward,
    fewer_samples,
    random_streams,
    micro_batches,
    observed,
    remembers,
)
