"""Checks of regularizers: one more term in a phase's objective."""

from __future__ import annotations

import math
from typing import Any

from ganforge.engine.adversarial import AdversarialRound
from ganforge.testing import standins, terms
from ganforge.testing.findings import Unchecked, Wrong, checks
from ganforge.testing.terms import Bench

PHASES = tuple(standins.StandInGame.networks)
INPUTS = ("real", "fake")


def build(bench: Bench) -> None:
    """It can be made and called."""
    if not callable(bench.subject.build()):
        bench.subject.made_once = False
        raise Wrong(
            "it cannot be called",
            "Derive the class from ganforge.api.Regularizer, and write __call__(round).",
        )


def phase(bench: Bench) -> None:
    """It names the phase that it joins."""
    found = getattr(bench.made(), "phase", "discriminator")
    if not isinstance(found, str):
        raise Wrong(f"its phase is {found!r}", 'Name one: phase: ClassVar[str] = "generator".')
    if found not in PHASES:
        if bench.subject.has_own_game:
            raise Unchecked(f"phase '{found}' must be one of the plugin's own game")
        raise Wrong(
            f"it joins the phase '{found}', which the usual game does not have",
            f"Choose one of {' and '.join(PHASES)}.",
        )


def differentiates(bench: Bench) -> None:
    """It names the inputs by which it differentiates."""
    found = getattr(bench.made(), "differentiates", ())
    if isinstance(found, str):
        raise Wrong(
            f"its differentiates is the text '{found}', which counts as {len(found)} names",
            f'Write a tuple: differentiates = ("{found}",).',
        )
    odd = [name for name in found if name not in INPUTS]
    if odd and bench.subject.has_own_game:
        raise Unchecked(f"{', '.join(map(repr, odd))} must be inputs of the plugin's own rounds")
    if odd:
        raise Wrong(
            f"it differentiates by {', '.join(map(repr, odd))}",
            'The inputs of a round are "real" and "fake".',
        )


def default_settings(bench: Bench) -> None:
    """The weight and the period that a recipe may leave out."""
    made = bench.made()
    weight, every = getattr(made, "default_weight", 1.0), getattr(made, "default_every", 1)
    if not _is_number(weight) or not math.isfinite(weight) or weight < 0:
        raise Wrong(f"its default_weight is {weight!r}", "Take a number of 0 or more.")
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise Wrong(f"its default_every is {every!r}", "Take a whole number of 1 or more.")


def penalty(bench: Bench) -> None:
    """A finite value, on points and on images, with a gradient for what learns in its phase."""
    for shape in (standins.POINT, standins.IMAGE):
        made = bench.made()
        name, needed = _place(made)
        round = standins.round_of(name, shape, differentiates=needed)
        value = terms.check_value(_value(bench, made, round), "the penalty")
        if not value.any():  # some cost nothing below a bound
            made = bench.made()
            round = standins.round_of(name, shape, differentiates=needed, steep=True)
            value = terms.check_value(_value(bench, made, round), "the penalty")
        terms.check_learning(value, round, "the penalty")
    bench.computes = True


def _value(bench: Bench, made: Any, round: AdversarialRound) -> Any:
    """What it says of a round, whose samples it leaves alone."""
    before = round.play.batch.samples.clone()
    try:
        value = bench.value(made, round)
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise Wrong(
            f"it differentiates by an input that has no gradient: {error}",
            'Say by which input it differentiates: differentiates = ("real",), and use '
            "round.real itself, not the batch.",
        ) from error
    if not before.equal(round.play.batch.samples):
        raise Wrong(
            "it changes the real samples in place",
            "Compute new tensors: other terms see the same samples.",
        )
    return value


def random_streams(bench: Bench) -> None:
    """Random numbers, if it needs any, come from the round."""
    if not bench.computes:
        raise Unchecked("its value could not be computed")
    made = bench.made()
    name, needed = _place(made)
    terms.check_streams(bench, made, name, needed)


CHECKS = checks(
    build,
    phase,
    differentiates,
    default_settings,
    penalty,
    random_streams,
    terms.state_dict,
)


def _place(made: Any) -> tuple[str, frozenset[str]]:
    """The phase that it joins and what it differentiates by, where those are sound."""
    name = getattr(made, "phase", "discriminator")
    named = getattr(made, "differentiates", ())
    if name not in PHASES or isinstance(named, str) or not set(named) <= set(INPUTS):
        raise Unchecked("its phase or its differentiates cannot be tried here")
    return name, frozenset(named)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
