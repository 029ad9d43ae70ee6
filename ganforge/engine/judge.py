"""What becomes of a play that was not finite: the run stops, goes on without it, or goes back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganforge.engine.backward import Backward
from ganforge.engine.finite import Finding, NotFiniteError, Policy, is_finite, not_finite
from ganforge.engine.tally import Scalar, read
from ganforge.engine.turn import Turn
from ganforge.engine.undo import Undo
from ganforge.engine.watch import Watch, skips_on_device, step_unless
from ganforge.errors import PluginError

Update = Callable[[Optimizer], None]
"""Steps an optimizer, or not."""


@dataclass(frozen=True)
class Played:
    """A play whose gradients are there and whose optimizers have not stepped.

    Args:
        turn: Which play.
        values: What was measured.
    """

    turn: Turn
    values: Mapping[str, Scalar]

    def value(self, name: str) -> Tensor:
        """What was measured under this name."""
        return read(self.values[name])

    def decisive(self, gradients: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
        """What must be finite: the terms, the gradients, and the sum of the terms.

        Nothing, if no term was due. A term may have a network's name.

        Args:
            gradients: By network, a number that is finite if its gradient is.
        """
        terms = [(term.name, self.value(term.name)) for term in self.turn.terms]
        return [*terms, *gradients.items(), ("loss", self.value("loss"))] if terms else []


class Verdict(NamedTuple):
    """What the device found, on the device.

    Args:
        names: What was looked at: the terms that were due, networks, and the sum of the terms.
        finite: Booleans ``(len(names),)``.
        bad: Whether one of them is false, ``()``.
    """

    names: Sequence[str]
    finite: Tensor
    bad: Tensor


class Judge:
    """Looks at every play, and rules by the recipe's policy on those that were not finite.

    Args:
        backward: Computes gradients again where it must be found out whose fault it is.
        policy: What is done about a play that was not finite.
        max_skips: With ``skip``: how many plays of one phase may be skipped in a row.
        clips: Whether gradients are clipped by their norms.
        wait: Wait for the device to see each play. If not, the device itself leaves out the
            update, where the optimizers can do so, and :meth:`settle` hears of it later.
    """

    def __init__(
        self, backward: Backward, *, policy: Policy, max_skips: int, clips: bool, wait: bool
    ) -> None:
        self.clips = clips
        self.policy = policy
        self.max_skips = max_skips
        self._backward = backward
        self.waits = wait
        self._watch = Watch()
        self._in_a_row: Counter[str] = Counter()
        self.skipped = 0
        """Plays of all phases that were skipped so far."""
        self._notices: list[str] = []

    def ruling(
        self, played: Played, undo: Undo, optimizers: Sequence[Optimizer]
    ) -> tuple[dict[str, Tensor], Update]:
        """How the optimizers step after a play: as usual, or not at all if it was not finite.

        Returns:
            The norms of the gradients, where somebody needs them, and that.
        Raises:
            NotFiniteError: It was not, and the policy is not to skip it.
        """
        gradients, turn = self._backward.gradients, played.turn
        # The shortest way for what is mostly so: the sum of the terms tells of each of them.
        if (
            self.waits
            and not self._needs_norms
            and turn.terms
            and math.isfinite(played.value("loss").item())
            and gradients.finite(turn.phase.learns)
        ):
            return {}, self._passed(turn.phase.name)
        found = self.look(turn)
        return found, self._considered(played, found, undo, optimizers)

    @property
    def _needs_norms(self) -> bool:
        return self.clips or self._backward.watched

    def look(self, turn: Turn) -> dict[str, Tensor]:
        """A number for each network that has a gradient, finite if that is: its norm, if needed."""
        gradients, learns = self._backward.gradients, turn.phase.learns
        return gradients.norms(learns) if self._needs_norms else gradients.marks(learns)

    def _considered(
        self,
        played: Played,
        found: Mapping[str, Tensor],
        undo: Undo,
        optimizers: Sequence[Optimizer],
    ) -> Update:
        if not played.turn.terms:
            return _step
        if not undo.has_states and self.leaves_to_device(optimizers):
            verdict = self.verdict(played, found, undo)
            self.send(played.turn, verdict)
            return partial(step_unless, verdict.bad)
        if is_finite(value for _, value in played.decisive(found)):
            return self._passed(played.turn.phase.name)
        undo.restore()
        self._failed(self._diagnosis(played, found, undo))
        return _leave_out

    def leaves_to_device(self, optimizers: Sequence[Optimizer]) -> bool:
        """Whether the device itself leaves an update out, and nobody waits to see it."""
        return not self.waits and all(map(skips_on_device, optimizers))

    def verdict(self, played: Played, found: Mapping[str, Tensor], undo: Undo) -> Verdict:
        """Let the device look, and put back the buffers if something was not finite."""
        decisive = played.decisive(found)
        finite = torch.stack([value.float() for _, value in decisive]).isfinite()
        bad = ~finite.all()
        undo.restore_where(bad)
        return Verdict([name for name, _ in decisive], finite, bad)

    def send(self, turn: Turn, verdict: Verdict) -> None:
        """Let what the device found be heard of later."""
        terms = len(turn.terms)
        self._watch.send(turn.step, turn.phase.name, terms, verdict.names, verdict.finite)

    def settle(self, *, wait: bool = True) -> None:
        """Hear what the device has to say of plays that were not waited for.

        Args:
            wait: Wait for all of them.
        Raises:
            NotFiniteError: One was not finite, and the policy is not to skip it.
        """
        for phase, finding in self._watch.read(wait=wait):
            if finding is None:
                self._passed(phase)
                continue
            try:
                self._failed(finding)
            except NotFiniteError:
                self._watch.clear()  # left out too, and no reason not to save
                raise

    def state_dict(self) -> dict[str, Any]:
        """How many plays of each phase were skipped in a row, and how many in all."""
        return {"in_a_row": dict(self._in_a_row), "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take that back, and forget what was not settled: the run is elsewhere now."""
        self._watch.clear()
        self._in_a_row = Counter(state["in_a_row"])
        self.skipped = int(state.get("skipped", 0))

    def take_notices(self) -> list[str]:
        """What was skipped since the last call, a line each."""
        notices, self._notices = self._notices, []
        return notices

    def _passed(self, phase: str) -> Update:
        self._in_a_row.pop(phase, None)
        return _step

    def _failed(self, finding: Finding) -> None:
        """Returns if the run goes on."""
        if self.policy != "skip" or finding.weights:
            raise NotFiniteError(str(finding), whole=not finding.weights)
        self._in_a_row[finding.phase] += 1
        self.skipped += 1
        if self._in_a_row[finding.phase] > self.max_skips:
            raise NotFiniteError(
                f"{finding}; the {self.max_skips} updates of this phase before it were skipped too",
                whole=True,
            )
        self._notices.append(f"{finding}; this update is skipped")

    def _diagnosis(self, played: Played, found: Mapping[str, Tensor], undo: Undo) -> Finding:
        """Whose fault it is; a gradient's term is found by computing each term's alone."""
        turn = played.turn
        bad = [term.name for term in turn.terms if not is_finite([played.value(term.name)])]
        if not bad:
            for term in turn.terms:
                try:
                    self._backward(turn.phase, turn.counters, [term], turn.batch)
                except PluginError:  # alone, it depends on nothing that learns
                    undo.restore()
                    continue
                norms = self._backward.gradients.norms(turn.phase.learns)
                if norms and not is_finite(norms.values()):
                    bad.append(term.name)
                undo.restore()
        networks = self._backward.networks
        weights = {name: not_finite(network) for name, network in networks.items()}
        return Finding(
            step=turn.step,
            phase=turn.phase.name,
            terms=bad,
            gradients=[name for name, mark in found.items() if not is_finite([mark])],
            weights={name: tensors for name, tensors in weights.items() if tensors},
            real=not bool(turn.batch.samples.isfinite().all()),
        )


def _step(optimizer: Optimizer) -> None:
    optimizer.step()


def _leave_out(_optimizer: Optimizer) -> None:
    """The update of a play that was not finite; schedules go on, as time does."""
