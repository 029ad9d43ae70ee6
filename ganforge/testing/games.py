"""Checks of games: their networks, their phases, and steps of a real trainer."""

from __future__ import annotations

from collections.abc import Mapping

from ganforge.engine.game import Phase, batches_per_step
from ganforge.errors import PluginError
from ganforge.recipe.check import BLOCKS, HEAD, PLACES
from ganforge.testing import standins, terms
from ganforge.testing.findings import Remark, Unchecked, Wrong, checks
from ganforge.testing.gamebench import WITH, Bench
from ganforge.testing.gameparts import augmentations, members, pictures, regularizers

NETWORK_KINDS = ("generator", "discriminator", "encoder")
KEYS = (*HEAD, *BLOCKS, *PLACES)


def build(bench: Bench) -> None:
    """It can be made with a usual loss."""
    bench.subject.build(loss=standins.StandInLoss(), regularizers=[], augmentations=[])


def networks(bench: Bench) -> None:
    """A recipe can have a key for each network, which names a component of a known kind."""
    target = bench.subject.known_target()
    found = getattr(target, "networks", None)
    if not isinstance(found, Mapping) or not found:
        raise Wrong(
            "its class does not say which networks it has",
            'Write in the class: networks: ClassVar = {"generator": "generator", '
            '"discriminator": "discriminator"}.',
        )
    odd = [name for name, kind in found.items() if kind not in NETWORK_KINDS]
    if odd:
        raise Wrong(
            f"its network '{odd[0]}' is of the kind {found[odd[0]]!r}, which makes no networks",
            f"Choose {' or '.join(NETWORK_KINDS)}.",
        )
    taken = [name for name in found if name in KEYS]
    if taken:
        raise Wrong(
            f"its network '{taken[0]}' has the name of a recipe's own key",
            f"Call it something else than {', '.join(KEYS)}.",
        )
    for role in ("sampler", "judge"):
        name = getattr(target, role, None)
        if name not in found and not (role == "judge" and name is None):
            none = ", or None if it has none" if role == "judge" else ""
            raise Wrong(
                f"its {role} is {name!r}, which is none of its networks",
                f"Name one of {', '.join(found)}{none}: {role}: ClassVar = ...",
            )
    bench.sound = True


def phases(bench: Bench) -> str:
    """Phases with names of their own, of networks that there are; one draws real samples."""
    game = bench.made()
    found = tuple(game.phases())
    if not found or not all(isinstance(phase, Phase) for phase in found):
        raise Wrong(
            f"phases() gives {found!r}", "Give back a sequence of ganforge.api.Phase, at least one."
        )
    names = [phase.name for phase in found]
    if len(set(names)) < len(names):
        raise Wrong(f"its phases are called {', '.join(names)}", "Give each a name of its own.")
    known = getattr(game, "networks", {})
    for phase in found:
        strangers = [name for name in phase.learns if name not in known]
        if strangers:
            raise Wrong(
                f"in phase '{phase.name}' learns '{strangers[0]}', which is none of its networks",
                f"Name networks of the game: {', '.join(known)}.",
            )
    try:
        batches_per_step(found)
    except PluginError as error:
        raise Wrong(error.message, "Let one phase have draws_batch=True.") from error
    bench.phases = found
    return ", ".join(names)


def learners(bench: Bench) -> None:
    """Every network learns in some phase."""
    if not bench.phases:
        raise Unchecked("its phases are not known")
    learning = {name for phase in bench.phases for name in phase.learns}
    idle = [name for name in bench.subject.target.networks if name not in learning]
    if idle:
        raise Remark(f"no phase trains {', '.join(idle)}: it stays as random as it starts")


def step(bench: Bench) -> None:
    """A trainer plays two steps of it; what learns changes, and everything stays finite."""
    trainer = bench.begun()
    before = standins.weights(trainer.networks)
    trainer.step()
    values = trainer.step()
    odd = [name for name, value in values.items() if not value.isfinite().all()]
    if odd:
        raise Wrong(
            f"{', '.join(odd)} is not finite {WITH}", "Look for divisions and logarithms of 0."
        )
    moved = standins.differing(before, standins.weights(trainer.networks))
    for name in sorted({name for phase in bench.phases for name in phase.learns}):
        if not any(key.startswith(f"{name}.") for key in moved):
            raise Wrong(
                f"'{name}' learns in a phase, but two steps did not change it {WITH}",
                "Let a term of that phase depend on its output, without .detach().",
            )
    bench.plays = True


def resume(bench: Bench) -> None:
    """Saved after one step and taken up by a fresh game, the second step is the same."""
    first = bench.playing()
    first.step()
    state = terms.saved(first.state_dict())
    first.step()
    second = bench.trainer()
    second.load_state_dict(state)
    second.step()
    changed = standins.differing(
        standins.weights(first.networks), standins.weights(second.networks)
    )
    if changed:
        raise Wrong(
            "a resumed run goes on in another way: the game remembers something between steps "
            "that is not saved",
            "Put it into state_dict and take it back in load_state_dict; draw random numbers from "
            "round.play.draw.",
        )


CHECKS = checks(
    build,
    networks,
    phases,
    learners,
    step,
    regularizers,
    augmentations,
    members,
    resume,
    pictures,
)
