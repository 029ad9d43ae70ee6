"""Checks of regularizers: one more term in a phase's objective."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ganforge.engine.adversarial import AdversarialRound, Regularizer
from ganforge.errors import UsageError
from ganforge.testing import standins, terms
from ganforge.testing.findings import Unchecked, Wrong, checks, listed
from ganforge.testing.terms import Bench

PHASES = tuple(standins.StandInGame.networks)
INPUTS = ("real", "fake")
LARGE = 1e6


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

    One that keeps weights in bounds after a step may be constant.
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
    if not value.any():  # some compare with earlier plays, and the first has none
        round = standins.round_of(phase, shape, differentiates=needed, step=1)
        value = terms.check_value(_value(bench, made, round), "the penalty")
    if not value.any():  # some cost nothing below a bound
        made = bench.made()
        round = standins.round_of(phase, shape, differentiates=needed, steep=True)
        value = terms.check_value(_value(bench, made, round), "the penalty")
    if _has_after_step(made):
        _check_bounds(made, round, needed=not value.requires_grad)
    if value.requires_grad or not _has_after_step(made):
        terms.check_learning(value, round, "the penalty")


def _has_after_step(made: Any) -> bool:
    """Whether it has one of its own."""
    return getattr(type(made), "after_step", Regularizer.after_step) is not Regularizer.after_step


def _check_bounds(made: Any, round: AdversarialRound, *, needed: bool) -> None:
    """See that its ``after_step`` leaves weights that are finite.

    Args:
        made: The regularizer.
        round: Of the networks whose weights are changed; small ones first, then large ones.
        needed: Whether it does nothing else, and so has to change large ones.

    Raises:
        Wrong: It does not.
    """
    networks = round.play.networks
    before: dict[str, Tensor] = {}
    for scale in (1.0, LARGE):
        for parameter in (p for network in networks.values() for p in network.parameters()):
            parameter.data.mul_(scale)
        before = standins.weights(networks)
        try:
            made.after_step(networks)
        except RuntimeError as error:
            if "leaf" not in str(error):
                raise
            raise Wrong(
                f"its after_step changes weights under the eyes of autograd: {error}",
                "Write @torch.no_grad() above it.",
            ) from error
    after = standins.weights(networks)
    odd = [name for name, value in after.items() if not value.isfinite().all()]
    if odd:
        raise Wrong(
            f"its after_step leaves weights that are not finite: {listed(odd)}",
            "Look for divisions by norms of what can be 0.",
        )
    if needed and not standins.differing(before, after):
        raise Wrong(
            "its value is constant, and its after_step changes no weight, however large",
            "Compute the value from the round, or change the weights in place: parameter.clamp_() "
            "within torch.no_grad().",
        )


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
