"""Checks of regularizers: one more term in a phase's objective."""

from __future__ import annotations

import math
from typing import Any

from ganforge.engine.adversarial import AdversarialRound
from ganforge.errors import UsageError
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
    """It names the phase that it joins, or several."""
    found = getattr(bench.made(), "phase", "discriminator")
    several = found if isinstance(found, tuple) else (found,)
    if not several or not all(isinstance(name, str) for name in several):
        raise Wrong(
            f"its phase is {found!r}",
            'Name one, or several in a tuple: phase: ClassVar[str] = "generator".',
        )
    for name in several:
        if name in PHASES:
            continue
        if bench.subject.has_own_game:
            raise Unchecked(f"phase '{name}' must be one of the plugin's own game")
        raise Wrong(
            f"it joins the phase '{name}', which the usual game does not have",
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
    """A finite value, on points or on images, with a gradient for what learns in its phase.

    One that keeps weights in bounds after a step may have no value.
    """
    refused = ""
    for shape in (standins.POINT, standins.IMAGE):
        for name in _phases(bench.made()):
            try:
                _try(bench, name, shape)
            except UsageError as error:  # it tells users what it needs
                refused = error.message
            else:
                bench.shapes.add(shape)
    if not bench.shapes:
        raise Unchecked(f"it refuses what it can be tried with: {refused}")
    bench.computes = True


def _try(bench: Bench, phase: str, shape: tuple[int, ...]) -> None:
    """Compute it in one of its phases."""
    made = bench.made()
    needed = _inputs(made)
    round = standins.round_of(phase, shape, differentiates=needed)
    value = terms.check_value(_value(bench, made, round), "the penalty")
    if not value.any():  # some cost nothing below a bound
        made = bench.made()
        round = standins.round_of(phase, shape, differentiates=needed, steep=True)
        value = terms.check_value(_value(bench, made, round), "the penalty")
    if not value.any() and not value.requires_grad and _holds(made, round):
        return
    terms.check_learning(value, round, "the penalty")


def _holds(made: Any, round: AdversarialRound) -> bool:
    """Whether it changes weights after a step, and leaves them finite."""
    before = standins.weights(round.play.networks)
    after_step = getattr(made, "after_step", None)
    if after_step is None:
        return False
    after_step(round.play.networks)
    after = standins.weights(round.play.networks)
    if not all(value.isfinite().all() for value in after.values()):
        raise Wrong(
            "its after_step leaves weights that are not finite",
            "Look for divisions by norms of what can be 0.",
        )
    return bool(standins.differing(before, after))


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
    shape = sorted(bench.shapes, key=len)[0]
    for name in _phases(bench.made()):
        needed = _inputs(bench.made())
        terms.check_streams(bench, lambda round: bench.made()(round), name, needed, shape)


CHECKS = checks(
    build,
    phase,
    differentiates,
    default_settings,
    penalty,
    random_streams,
    terms.state_dict,
)


def _phases(made: Any) -> tuple[str, ...]:
    """The phases that it joins, where those can be tried."""
    found = getattr(made, "phase", "discriminator")
    several = found if isinstance(found, tuple) else (found,)
    if not several or not set(several) <= set(PHASES):
        raise Unchecked("its phase cannot be tried here")
    return several


def _inputs(made: Any) -> frozenset[str]:
    """What it differentiates by, where that can be tried."""
    named = getattr(made, "differentiates", ())
    if isinstance(named, str) or not set(named) <= set(INPUTS):
        raise Unchecked("its differentiates cannot be tried here")
    return frozenset(named)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
