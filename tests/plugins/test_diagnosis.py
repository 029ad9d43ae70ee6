"""Each state of health by looks that are made up, and looks that are well."""

from __future__ import annotations

from typing import Any

import pytest

from ganforge_callbacks.diagnosis import Finding, Look, examine, overfitting

SOUND = {
    "discriminator/loss": 1.1,
    "term discriminator/adversarial": 1.1,
    "discriminator/accuracy": 0.75,
    "discriminator/separation": 0.9,
    "discriminator/diversity": 0.95,
    "discriminator/gradient_discriminator": 10.0,
    "generator/loss": 0.9,
    "growth_generator": 1.3,
    "growth_discriminator": 1.1,
    "update_generator": 0.02,
    "update_discriminator": 0.01,
    "class_variety": 0.97,
}


def looks(count: int, *, signed: bool = True, rates: Any = None, **signs: Any) -> list[Look]:
    """So many looks in a row; a sign may be a list, of which the last ones are taken."""
    made = []
    for number in range(count):
        found = dict(SOUND)
        for name, value in signs.items():
            key = name.replace("__", "/").replace("term_", "term ")
            found[key] = value[number] if isinstance(value, list) else value
        step = 50 * (number + 1)
        updates = {"generator": step, "discriminator": step}
        made.append(Look(step, found, updates, rates or dict.fromkeys(updates, 1.0), signed=signed))
    return made


def state(found: Finding | None) -> str:
    return found.state if found else "ok"


def test_sound_looks_are_ok() -> None:
    for count in range(1, 20):
        assert examine(looks(count)) is None


def test_what_a_game_does_not_measure_is_not_missed() -> None:
    bare = [Look(50 * n, {"match/loss": 1.0}, {"judge": 50 * n}, {}) for n in range(1, 20)]
    assert examine(bare) is None


@pytest.mark.parametrize("updates", [50, 1000, 100_000])
def test_weights_may_grow_as_far_as_a_sound_rate_takes_them(updates: int) -> None:
    bound = 4.0 + 0.008 * updates

    def grown(growth: float) -> Finding | None:
        signs = SOUND | {"growth_discriminator": growth}
        return examine([Look(updates, signs, {"discriminator": updates}, {})])

    assert grown(0.99 * bound) is None
    found = grown(1.01 * bound)
    assert found is not None
    assert found.state == "diverging"
    assert "the weights of network 'discriminator' are" in found.evidence
    assert found.advice == "Lower optimizer.discriminator.lr."


def test_a_penalty_beside_which_the_loss_is_nothing() -> None:
    signs = {"discriminator__loss": 1400.0, "term_discriminator__r1": 0.0014}
    assert examine(looks(1, **signs)) is None  # once may be chance
    found = examine(looks(2, **signs))
    assert state(found) == "diverging"
    assert found is not None
    assert "nearly all of it 'r1'" in found.evidence


def test_an_objective_that_explodes() -> None:
    losses = [2.0, 3.0, 2.0, 1.0, 500.0, 5000.0]
    without = {"term_discriminator__adversarial": losses}
    assert examine(looks(5, discriminator__loss=losses, **without)) is None
    found = examine(looks(6, discriminator__loss=losses, **without))
    assert state(found) == "diverging"
    # What was large from the start is how this game is.
    large = [-4e5] * 10
    assert (
        examine(looks(10, discriminator__loss=large, term_discriminator__adversarial=large)) is None
    )


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_a_network_that_stands_still(name: str) -> None:
    still = {f"update_{name}": 0.0}
    assert examine(looks(1, **still)) is None
    assert state(examine(looks(2, **still))) == f"{name} vanishing"
    resting = {"generator": 0.001, "discriminator": 0.001}
    assert examine(looks(5, rates=resting, **still)) is None  # its schedule has ended


def test_a_discriminator_that_is_fooled() -> None:
    assert examine(looks(3, discriminator__separation=0.1)) is None
    found = examine(looks(4, discriminator__separation=0.1))
    assert state(found) == "discriminator vanishing"
    assert found is not None
    assert "in only 10% of pairs" in found.evidence


def test_fakes_that_are_all_alike() -> None:
    alike = {"discriminator__diversity": 0.02}
    assert examine(looks(3, **alike)) is None  # at the start they are
    assert state(examine(looks(4, **alike))) == "mode collapse"


def test_fakes_of_few_classes() -> None:
    few = [0.1, 0.1, 0.3, 0.32, 0.31, 0.33, 0.3]
    assert examine(looks(6, class_variety=few)) is None
    assert state(examine(looks(7, class_variety=few))) == "mode collapse"
    rising = [0.1, 0.1, 0.1, 0.2, 0.3, 0.4, 0.45]
    assert examine(looks(7, class_variety=rising)) is None


def test_a_discriminator_that_is_always_right() -> None:
    right = {"discriminator__accuracy": 1.0, "discriminator__separation": 1.0}
    assert examine(looks(7, **right)) is None
    assert state(examine(looks(8, **right))) == "discriminator overpowering"
    assert examine(looks(20, signed=False, **right)) is None  # a critic may be


def test_the_gravest_is_told() -> None:
    both = {"update_generator": 0.0, "growth_discriminator": 1000.0, "discriminator__diversity": 0}
    assert state(examine(looks(9, **both))) == "diverging"


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ([30, 20, 10, 13, 14, 13, 12.4], "lower", "ok"),  # a little worse
        ([30, 20, 10, 13, 14, 16, 19], "lower", "overfitting"),
        ([30, 20, 10, 13, 9, 16, 19], "lower", "ok"),  # a better one since
        ([30, 20, 10, 16, 19, 20], "lower", "ok"),  # not for long enough
        ([0.2, 0.8, 0.7, 0.65, 0.6, 0.5], "higher", "overfitting"),
        ([0.2, 0.8, 0.79, 0.8, 0.78, 0.79], "higher", "ok"),
        ([], "lower", "ok"),
    ],
)
def test_a_metric_that_gets_worse(values: list[float], better: str, expected: str) -> None:
    assert state(overfitting(values, better)) == expected
