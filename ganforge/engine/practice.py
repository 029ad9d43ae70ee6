"""Plays every phase up to where its optimizers would step, and puts everything back."""

from __future__ import annotations

from ganforge.engine.data import Batch
from ganforge.engine.tally import Tally, Values
from ganforge.engine.trainer import Trainer
from ganforge.errors import UsageError


def practise(trainer: Trainer, batch: Batch) -> Values:
    """Play every phase once, as far as nothing has learned.

    Args:
        trainer: Its state is the same afterwards.
        batch: What every phase sees.
    Returns:
        What every phase measured, and the norms of its gradients.
    Raises:
        UsageError: A network has no gradient in any of the phases in which it learns.
    """
    idle = {name for phase in trainer.phases for name in phase.learns}
    measured, backward = Tally(), trainer.backward
    for phase in trainer.phases:
        last = phase.repeats - 1  # the one whose fakes a later phase may take
        trainer.plays.freezer.learn(phase.graphs(last))
        undo = trainer.plays.undo(phase.terms)
        try:
            counters = trainer.counters(phase, last)
            measured.add(phase.name, backward(phase, counters, phase.terms, batch))
            norms = backward.gradients.norms(phase.learns)
            measured.add(phase.name, {f"gradient_{name}": norm for name, norm in norms.items()})
            idle -= norms.keys()
        finally:
            undo.restore()
            backward.gradients.clear(trainer.networks)
    backward.shared.clear()
    for name in sorted(idle):
        if any(parameter.requires_grad for parameter in trainer.networks[name].parameters()):
            raise UsageError(
                f"network '{name}' would never learn: nothing that is minimised depends on it",
                hint="Choose other networks that look at what it makes, or another game.",
            )
    found = measured.take()
    found.values()  # what would be computed later fails now if it fails
    return found
