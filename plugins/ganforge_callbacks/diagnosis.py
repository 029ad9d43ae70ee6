"""What the vital signs of a run say: its state, the evidence, and what usually helps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal[
    "ok",
    "non-finite",
    "diverging",
    "generator vanishing",
    "discriminator vanishing",
    "mode collapse",
    "discriminator overpowering",
    "overfitting",
]
Wrong = Literal[
    "diverging",
    "generator vanishing",
    "discriminator vanishing",
    "mode collapse",
    "discriminator overpowering",
    "overfitting",
]
"""The states about which a recipe may say what is to be done."""

Signs = Mapping[str, float]

GROWTH, GROWTH_PER_UPDATE = 4.0, 0.008
"""How far weights may grow, in lengths at the start: Adam at a sound rate stays far below."""
DOMINANCE = 30.0
"""How many times the adversarial loss, and 1, the whole of a phase's objective may be."""
EXPLODED = 1000.0
NO_UPDATE = 1e-8
"""Of the weights' length; float32 cannot even hold a smaller change."""
ANNEALED = 0.01
"""Share of its highest learning rate below which an optimizer has been sent to rest."""
FOOLED = 0.2
SAME = 0.1
"""Diversity below which all fakes are one."""
FEW_CLASSES, RISING = 0.5, 0.1
ACCURATE, SEPARATE = 0.99, 0.999


@dataclass(frozen=True)
class Finding:
    """A state that is not ok.

    Args:
        state: Which.
        evidence: By what it is seen.
        advice: What usually helps.
    """

    state: State
    evidence: str
    advice: str


@dataclass(frozen=True)
class Look:
    """One look at a run.

    Args:
        step: Behind which step.
        signs: What was measured.
        updates: How often each network has been updated.
        rates: Each network's learning rate, beside the highest that it has had.
        signed: Whether a score above 0 says 'real'.
    """

    step: int
    signs: Signs
    updates: Mapping[str, int]
    rates: Mapping[str, float]
    signed: bool = True

    def each(self, name: str) -> Iterator[tuple[str, float]]:
        """Every phase's value of something that the engine observes."""
        for key, value in self.signs.items():
            phase, _, last = key.rpartition("/")
            if last == name:
                yield phase, value

    def least(self, name: str) -> float:
        """The lowest value of something over the phases; NaN where none has it."""
        return min((value for _, value in self.each(name)), default=math.nan)


def lasting(looks: Sequence[Look], *, count: int, steps: int) -> Sequence[Look]:
    """The last looks, at least so many over at least so many steps; none if there are no more."""
    for first in range(len(looks) - count, -1, -1):
        if looks[-1].step - looks[first].step >= steps:
            return looks[first:]
    return ()


Rule = Callable[[Sequence[Look]], "Finding | None"]


def diverging(looks: Sequence[Look]) -> Finding | None:
    """Weights that run away, or an objective that does."""
    look = looks[-1]
    for name, updates in look.updates.items():
        growth = look.signs.get(f"growth_{name}", 1.0)
        if growth > GROWTH + GROWTH_PER_UPDATE * updates:
            return Finding(
                "diverging",
                f"the weights of network '{name}' are {growth:.1f} times as long as at the start, "
                f"after {updates:,} updates",
                f"Lower optimizer.{name}.lr.",
            )
    return _dominated(looks) or _exploded(looks)


def _dominated(looks: Sequence[Look]) -> Finding | None:
    """A penalty beside which the adversarial loss is nothing, twice in a row."""
    for phase, loss in looks[-1].each("loss"):
        if len(looks) < 2 or not all(_dominance(look, phase) > DOMINANCE for look in looks[-2:]):
            continue
        terms = {
            key.rpartition("/")[2]: abs(value)
            for key, value in looks[-1].signs.items()
            if key.startswith(f"term {phase}/") and not key.endswith("/adversarial")
        }
        name = max(terms, key=lambda term: terms[term], default="a regularizer")
        return Finding(
            "diverging",
            f"phase '{phase}' minimises {loss:.3g}, nearly all of it '{name}': the adversarial "
            "loss counts for nothing",
            f"Lower the weight of '{name}', or the learning rate.",
        )
    return None


def _dominance(look: Look, phase: str) -> float:
    """A phase's objective beside its adversarial loss and 1; 0 where it has none."""
    adversarial = look.signs.get(f"term {phase}/adversarial")
    if adversarial is None:
        return 0.0
    return abs(look.signs.get(f"{phase}/loss", 0.0)) / (1.0 + abs(adversarial))


def _exploded(looks: Sequence[Look]) -> Finding | None:
    """An objective that is large, and ten times as large as it was in the first looks."""
    for phase, loss in looks[-1].each("loss"):
        before = [abs(look.signs[f"{phase}/loss"]) for look in looks[:4] if look.signs]
        if len(looks) > 4 and abs(loss) > max(EXPLODED, 10.0 * max(before)):
            return Finding(
                "diverging",
                f"phase '{phase}' minimises {loss:.3g}, ten times what it began with",
                "Lower the learning rates, or regularise the discriminator: gradient_penalty, r1.",
            )
    return None


def vanishing(looks: Sequence[Look]) -> Finding | None:
    """A network that does not learn any more, though its schedule has not sent it to rest."""
    if len(looks) < 2:
        return None
    for name in looks[-1].updates:
        side: State = "generator vanishing" if "generator" in name else "discriminator vanishing"
        still = [look.signs.get(f"update_{name}", 1.0) <= NO_UPDATE for look in looks[-2:]]
        if all(still) and looks[-1].rates.get(name, 1.0) > ANNEALED:
            return Finding(
                side,
                f"network '{name}' has stopped: a step changes no digit of its weights",
                f"Raise optimizer.{name}.lr if it is 0 or tiny; else its gradient is gone: choose "
                "non_saturating, or a loss without saturation such as hinge.",
            )
    last = lasting(looks, count=4, steps=150)
    if last and all(look.least("separation") < FOOLED for look in last):
        return Finding(
            "discriminator vanishing",
            "the discriminator takes fakes for real: in only "
            f"{looks[-1].least('separation'):.0%} of pairs the real sample has the higher score",
            "Raise the discriminator's learning rate or game.d_steps, or lower its regularizers.",
        )
    return None


def mode_collapse(looks: Sequence[Look]) -> Finding | None:
    """Fakes that are all alike, or of few classes and no more than before."""
    advice = (
        "Lower the generator's learning rate, go back to an earlier checkpoint, or choose r3gan's "
        "loss relativistic_pairing with r1 and r2, or game.pack: 2."
    )
    late = [look for look in looks if look.step >= 150]
    alike = [look.least("diversity") < SAME for look in late[-2:]]
    if len(alike) == 2 and all(alike):
        return Finding(
            "mode collapse",
            f"fakes differ from each other {late[-1].least('diversity'):.0%} as much as reals do",
            advice,
        )
    classed = [look for look in looks if look.step >= 200 and "class_variety" in look.signs]
    known = [look.signs["class_variety"] for look in lasting(classed, count=3, steps=150)]
    if known and max(known) < FEW_CLASSES and known[-1] - known[0] < RISING:
        return Finding(
            "mode collapse",
            f"the classes of fakes are {known[-1]:.0%} as varied as those of reals, and have not "
            "become more so",
            advice,
        )
    return None


def overpowering(looks: Sequence[Look]) -> Finding | None:
    """A discriminator that is right about every sample for hundreds of steps."""
    last = lasting(looks, count=8, steps=350)
    if not last or not looks[-1].signed:
        return None
    right = [
        look.least("accuracy") >= ACCURATE and look.least("separation") >= SEPARATE for look in last
    ]
    if not all(right):
        return None
    return Finding(
        "discriminator overpowering",
        f"the discriminator has been right about {looks[-1].least('accuracy'):.0%} of samples in "
        f"all of the last {len(last)} looks",
        "Lower the discriminator's learning rate, or regularise it: r1, gradient_penalty, "
        "norm: spectral, instance_noise or diffaugment.",
    )


def overfitting(values: Sequence[float], better: str) -> Finding | None:
    """A metric that has been getting worse for several evaluations.

    Args:
        values: Of all evaluations so far.
        better: Whether ``lower`` or ``higher`` is better.
    """
    worse = [value if better == "lower" else -value for value in values]
    best = min(range(len(worse)), key=lambda place: worse[place], default=0)
    since = worse[best + 1 :]
    room = 0.1 * abs(worse[best]) if worse else 0.0
    if len(since) < 4 or not all(value > worse[best] + room for value in since[-4:]):
        return None
    if since[-1] < worse[best] + 2.5 * room:
        return None
    return Finding(
        "overfitting",
        f"the metric was {values[best]:.4g} at its best, and is {values[-1]:.4g} now, {len(since)} "
        "evaluations later",
        "Use the networks in best/; stop earlier (evaluate's patience), or add ada or diffaugment "
        "where data are few.",
    )


RULES: Sequence[Rule] = (diverging, vanishing, mode_collapse, overpowering)
"""The gravest first."""


def examine(looks: Sequence[Look]) -> Finding | None:
    """What is wrong by the looks so far, the gravest of it; None if nothing is."""
    for rule in RULES:
        if (found := rule(looks)) is not None:
            return found
    return None
