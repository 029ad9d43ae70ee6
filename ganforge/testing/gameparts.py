"""Checks of what a game does with what it is given, and of what it shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganforge.engine.game import Term
from ganforge.engine.show import Panel
from ganforge.errors import GanforgeError, UsageError
from ganforge.testing import standins, terms, witnesses
from ganforge.testing.findings import Unchecked, Wrong, listed
from ganforge.testing.gamebench import WITH, Bench


def regularizers(bench: Bench) -> str | None:
    """A term that a recipe adds is computed in its phase."""
    if not bench.asks_for("regularizers"):
        return "it takes none"
    computed: list[None] = []
    own = [phase.name for phase in bench.phases]
    for name in dict.fromkeys(["discriminator", "generator", *own]):
        term = Term("witness", witnesses.WitnessTerm(name, lambda: computed.append(None)))
        try:
            trainer = bench.playing(bench.made(regularizers=[term]))
        except GanforgeError:  # it has no such phase
            continue
        trainer.step()
        if computed:
            return f"tried with one of phase '{name}'"
        raise Wrong(
            f"it takes a regularizer of phase '{name}', and never computes it",
            "Add it to the terms of that phase: "
            'terms = join({"discriminator": [...], "generator": [...]}, regularizers).',
        )
    raise Unchecked(f"it refuses a term of each of the phases {', '.join(own)}")


def augmentations(bench: Bench) -> str | None:
    """What a discriminator sees has been through the augmentations, which hear what it said."""
    if not bench.asks_for("augmentations"):
        return "it takes none"
    witness = witnesses.WitnessAugmentation()
    try:
        bench.playing(bench.made(augmentations=[witness])).step()
    except UsageError as error:
        raise Unchecked(f"it refuses what it can be tried with: {error.message}") from error
    advice = "Hand them to the round: AdversarialRound(play, augmentations=self.augmentations)."
    if not witness.applied:
        raise Wrong("it asks for augmentations, and never applies them", advice)
    if not witness.told:
        raise Wrong("its augmentations are never told what the discriminator said", advice)
    return None


def members(bench: Bench) -> str | None:
    """The states of the loss and of the augmentations are saved with the game."""
    known = {"loss": witnesses.WitnessLoss, "augmentations": witnesses.WitnessAugmentation}
    asked = [name for name in known if bench.asks_for(name)]
    if not asked:
        return "it is given nothing that has a state"
    given: list[dict[str, Any]] = [{name: known[name]() for name in asked} for _ in range(2)]
    first, second = (
        bench.playing(
            bench.made(**{n: each if n == "loss" else [each] for n, each in witness.items()})
        )
        for witness in given
    )
    first.step()
    second.load_state_dict(terms.saved(first.state_dict()))
    for name in asked:
        if given[0][name].state_dict() != given[1][name].state_dict():
            verb = "remembers" if name == "loss" else "remember"
            raise Wrong(
                f"what its {name} {verb} is not saved",
                "Name what it is given in members(), such as return "
                '{"loss": self.loss, "augmentation_0": ...}; a state_dict of its own begins with '
                "super().state_dict().",
            )
    return None


def pictures(bench: Bench) -> str:
    """Pictures of samples, and perhaps more; showing them changes nothing in training."""
    first, second = bench.playing(), bench.playing()
    first.step()
    second.step()
    names: list[str] = []
    for count, columns in ((6, None), (6, 3), (1, None)):
        panels = standins.shown(first, count, columns)
        _check_panels(panels)
        names = list(panels)
    first.step()
    second.step()
    states = [terms.saved(each.game.state_dict()) for each in (first, second)]
    moved = standins.differing(*(standins.weights(each.networks) for each in (first, second)))
    if moved or str(states[0]) != str(states[1]):
        raise Wrong(
            "after it has shown pictures, training goes on in another way",
            "Let pictures() look only: call the networks of show, and change nothing of the game.",
        )
    return ", ".join(names)


def _check_panels(panels: Any) -> None:
    """Panels by name, one of them ``samples``.

    Raises:
        Wrong: They are something else.
    """
    if not isinstance(panels, Mapping) or "samples" not in panels:
        told = f"with {listed(sorted(map(str, panels)))}" if isinstance(panels, Mapping) else ""
        raise Wrong(
            f"pictures() gives a {type(panels).__name__} {told}".rstrip() + ", without 'samples'",
            'Give back panels by name, {"samples": Panel(samples), ...}; {**super().pictures(show),'
            " ...} adds to those that every game has.",
        )
    for name, panel in panels.items():
        samples = panel.samples if isinstance(panel, Panel) else None
        if not isinstance(samples, Tensor) or samples.dim() < 2 or not len(samples):
            found = type(panel).__name__
            if isinstance(samples, Tensor):
                found = f"Panel of samples {tuple(samples.shape)}"
            raise Wrong(
                f"its picture '{name}' is a {found}",
                "Give back a ganforge.api.Panel of samples (N, ...), at least one.",
            )
        if not samples.isfinite().all():
            raise Wrong(
                f"its picture '{name}' holds NaN or infinity {WITH}",
                "Look for divisions and logarithms of 0.",
            )
        if not re.fullmatch(r"\w[\w-]*", name):
            raise Wrong(
                f"its picture {name!r} cannot be part of a file's name",
                "Take letters, digits and _.",
            )
