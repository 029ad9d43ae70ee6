"""Checks of what flows back through a network."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.testing.bench import Bench, Heads
from ganforge.testing.findings import Unchecked, Wrong, listed
from ganforge.testing.forwards import optional


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


def parameter_gradients(bench: Bench) -> None:
    """Every parameter that should learn gets a gradient."""
    for shape in bench.references:
        network, inputs = bench.shared(shape), bench.inputs(shape)
        calls: list[dict[str, None]] = [{}, *({name: None} for name in optional(network))]
        learning = {n: p for n, p in network.named_parameters() if p.requires_grad}
        if not learning:
            raise Wrong(
                "it has no parameter that learns",
                "Keep layers in attributes or nn.ModuleList (a plain list hides them), weights in "
                "nn.Parameter.",
            )
        for more in calls:
            value = objective(bench.call(network, inputs, **more))
            if not value.requires_grad:
                raise Wrong(
                    "no gradient reaches any parameter: the output is cut off from the graph",
                    "Take .detach(), .data, torch.no_grad() and conversions to numpy out of "
                    "forward.",
                )
            value.backward()  # type: ignore[no-untyped-call]
        _judge_gradients(
            {name: parameter.grad for name, parameter in learning.items()},
            rests=getattr(network, "rests", False),
        )


def _judge_gradients(gradients: dict[str, Tensor | None], *, rests: bool) -> None:
    missed = [name for name, gradient in gradients.items() if gradient is None]
    if missed and not rests:
        raise Wrong(
            f"no gradient reaches {listed(missed)}",
            "Use them in forward and take away .detach(), .data and torch.no_grad() behind them; "
            "or delete them; or set requires_grad=False for what should stay as it is; or say "
            "rests = True in the class, if parts of it have their turn at other times.",
        )
    values = {name: value for name, value in gradients.items() if value is not None}
    bad = [name for name, value in values.items() if not value.isfinite().all()]
    if bad:
        raise Wrong(
            f"the gradient of {listed(bad)} holds NaN or infinity",
            "Look for roots and norms of what can be 0: add a small number inside them.",
        )
    if not any(value.any() for value in values.values()):
        raise Wrong(
            "every gradient is 0",
            "Take functions without slope (round, sign, comparisons) out of forward, and weights "
            "so large that the last activation saturates.",
        )


def input_gradients(bench: Bench) -> None:
    """A gradient reaches the input: of a generator for its latents, of a discriminator for G."""
    for shape in bench.references:
        network, inputs = bench.shared(shape), bench.inputs(shape).requires_grad_()
        value = objective(bench.call(network, inputs))
        (gradient,) = (
            torch.autograd.grad(value, inputs, allow_unused=True)
            if value.requires_grad
            else (None,)
        )
        if gradient is None:
            use = {
                "generator": "then all samples would be alike",
                "encoder": "then all codes would be alike",
            }.get(bench.subject.kind, "and the generator learns from nothing else")
            raise Wrong(
                f"no gradient reaches the input, {use}",
                "Compute the output from the input with torch's operations alone: no .detach(), "
                ".data, torch.tensor(...) or numpy on the way.",
            )


def double_backward(bench: Bench) -> None:
    """The gradient by the samples can itself be differentiated by the weights.

    R1, WGAN-GP and every other gradient penalty do that.
    """
    why = "so no gradient penalty can train it"
    for shape in bench.references:
        network, samples = bench.shared(shape), bench.inputs(shape).requires_grad_()
        scores = bench.call(network, samples)["logits"]
        if not scores.requires_grad:
            raise Unchecked("the logits have no gradient: see parameter-gradients")
        (slope,) = torch.autograd.grad(scores.sum(), samples, create_graph=True, allow_unused=True)
        if slope is None:
            raise Unchecked("no gradient reaches the input: see input-gradients")
        advice = (
            "Take .detach(), @once_differentiable and numpy out of forward and of your own "
            "autograd.Function's backward, and write that backward with torch's operations."
        )
        if not slope.requires_grad:
            raise Wrong(
                f"the gradient of the logits by the samples is cut off from the weights, {why}",
                advice,
            )
        try:
            slope.square().sum().backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise Wrong(f"it cannot be differentiated twice ({error}), {why}", advice) from error
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        if not all(gradient.isfinite().all() for gradient in gradients):
            raise Wrong(
                f"its second derivative holds NaN or infinity, {why}",
                "Look for roots and norms of what can be 0: add a small number inside them.",
            )
