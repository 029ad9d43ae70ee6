"""Checks of optimizers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from ganforge.testing import terms
from ganforge.testing.findings import Unchecked, Wrong, checks
from ganforge.testing.subject import Subject


class Bench:
    """Makes the optimizer for a small network."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.steps = False

    def optimizer(self, network: nn.Module) -> Optimizer:
        made: Optimizer = self.subject.remade(params=list(network.parameters()))
        return made


def network() -> nn.Module:
    """Weights of several shapes, always the same."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3), nn.LayerNorm(3)
    )


def train(learner: nn.Module, optimizer: Optimizer, steps: Iterable[int]) -> None:
    """Steps on gradients that depend on the step's number alone."""
    for number in steps:
        inputs = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad(set_to_none=True)
        learner(inputs).square().mean().backward()
        optimizer.step()


def build(bench: Bench) -> None:
    """It can be made, and is a ``torch.optim.Optimizer``."""
    bench.subject.build(params=list(network().parameters()))


def parameters(bench: Bench) -> None:
    """It steps exactly the parameters that it is given."""
    learner = network()
    given = list(learner.parameters())
    held = [p for group in bench.optimizer(learner).param_groups for p in group["params"]]
    if {id(p) for p in held} != {id(p) for p in given} or len(held) != len(given):
        raise Wrong(
            f"of {len(given)} parameters that it is given, it holds {len(held)}",
            "Hand all of params to torch's optimizer, each once.",
        )


def step(bench: Bench) -> None:
    """A step moves every weight, and leaves it finite."""
    learner = network()
    optimizer = bench.optimizer(learner)
    before = [p.detach().clone() for p in learner.parameters()]
    try:
        train(learner, optimizer, range(2))
    except TypeError as error:
        if "closure" not in str(error):
            raise
        raise Wrong(
            f"step() cannot be called without a closure: {error}",
            "Take an optimizer that needs none: ganforge computes the gradients itself.",
        ) from error
    bench.steps = True
    after = list(learner.parameters())
    if not all(p.isfinite().all() for p in after):
        raise Wrong("two steps make weights that are not finite", "Lower its default lr.")
    if any(torch.equal(old, new) for old, new in zip(before, after, strict=True)):
        raise Wrong("two steps leave a weight as it was", "Give it a learning rate above 0.")


def state_dict(bench: Bench) -> None:
    """Saved and taken up by a fresh one, it goes on identically."""
    if not bench.steps:
        raise Unchecked("it could not step")
    first = network()
    optimizer = bench.optimizer(first)
    train(first, optimizer, range(3))
    state = terms.saved(optimizer.state_dict())
    second = network()
    second.load_state_dict(first.state_dict())
    resumed = bench.optimizer(second)
    resumed.load_state_dict(state)
    train(first, optimizer, range(3, 5))
    train(second, resumed, range(3, 5))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    if not all(torch.equal(one, other) for one, other in pairs):
        raise Wrong(
            "a resumed run goes on in another way: something that it remembers is not in its "
            "state_dict",
            "Keep it in self.state[parameter] or in the param_groups, which torch saves.",
        )


CHECKS = checks(build, parameters, step, state_dict)
