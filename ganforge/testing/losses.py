"""Checks of adversarial losses: what each side minimises, on a round as the engine makes it."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.engine.adversarial import Side
from ganforge.testing import standins, terms
from ganforge.testing.findings import Unchecked, Wrong, checks
from ganforge.testing.terms import Bench

SHAPES = (standins.POINT, standins.IMAGE)


def build(bench: Bench) -> None:
    """It can be made, and has what a game asks of a loss."""
    made = bench.subject.build()
    names = ("discriminator", "generator", "belief")
    missing = [name for name in names if not callable(getattr(made, name, None))]
    if missing:
        bench.subject.made_once = False
        raise Wrong(
            f"it has no method {', '.join(missing)}",
            "Derive the class from ganforge.api.AdversarialLoss, and write discriminator(round) "
            "and generator(round).",
        )


def discriminator_loss(bench: Bench) -> None:
    """Of real and fake scores, with a gradient for the discriminator."""
    bench.computes = False
    _side(bench, "discriminator", ("real", "fake"))
    bench.computes = True


def generator_loss(bench: Bench) -> None:
    """Of the fakes' scores, with a gradient for the generator."""
    known, bench.computes = bench.computes, False
    _side(bench, "generator", ("fake",))
    bench.computes = known


def _side(bench: Bench, side: str, uses: tuple[Side, ...]) -> None:
    what = f"the {side}'s loss"
    for shape in SHAPES:
        function = getattr(bench.made(), side)
        round = standins.round_of(side, shape)
        value = terms.check_value(bench.value(function, round), what)
        for sample in uses:
            heads = list(round.outputs(sample).values())  # a loss may look at classes instead
            slopes = (
                torch.autograd.grad(value.mean(), heads, retain_graph=True, allow_unused=True)
                if value.requires_grad
                else ()
            )
            if value.requires_grad and all(slope is None for slope in slopes):
                raise Wrong(
                    f"{what} does not depend on the scores of the {sample} samples",
                    f'Compute it from round.scores("{sample}") too, without .detach().',
                )
        terms.check_learning(value, round, what)


def belief(bench: Bench) -> None:
    """What is shown as D(x): a number for each score."""
    scores = torch.linspace(-2.0, 2.0, standins.BATCH)
    shown = bench.made().belief(scores)
    if not isinstance(shown, Tensor) or shown.shape != scores.shape or not shown.isfinite().all():
        raise Wrong(
            f"belief of {standins.BATCH} scores is {shown!r}",
            "Give back a finite tensor of the scores' shape; scores that are no logits as they "
            "are.",
        )


def random_streams(bench: Bench) -> None:
    """Random numbers, if it needs any, come from the round."""
    if not bench.computes:
        raise Unchecked("its values could not be computed")
    made = bench.made()
    for side in ("discriminator", "generator"):
        terms.check_streams(bench, getattr(made, side), side, frozenset())


CHECKS = checks(build, discriminator_loss, generator_loss, belief, random_streams, terms.state_dict)
