"""Carries a play out: gradients, judgement, update. Whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge.engine.backward import Backward
from ganforge.engine.draw import Draw
from ganforge.engine.freezing import Freezer
from ganforge.engine.game import Term
from ganforge.engine.judge import Judge, Played, Update, Verdict
from ganforge.engine.tally import Scalar
from ganforge.engine.turn import Turn
from ganforge.engine.undo import Buffers, Undo
from ganforge.engine.watch import step_unless

Finish = Callable[[], dict[str, Scalar]]
"""Moves the weights, and returns what was measured."""


class Plays:
    """Plays phases.

    Args:
        backward: Computes gradients.
        judge: Rules on what was not finite.
        optimizers: One for each network that learns in some phase.
        schedules: Learning-rate schedules, by network; stepped with the network's optimizer.
        clip_grad_norm: Upper bound on the norm of each network's gradient, or None.
    """

    def __init__(
        self,
        backward: Backward,
        judge: Judge,
        *,
        optimizers: Mapping[str, Optimizer],
        schedules: Mapping[str, LRScheduler],
        clip_grad_norm: float | None,
    ) -> None:
        self.backward = backward
        self.judge = judge
        self.optimizers = optimizers
        self.schedules = schedules
        self.freezer = Freezer(backward.networks)
        self._clip = clip_grad_norm
        self._buffers = Buffers(backward.networks.values())
        self._game_states = [backward.game] if backward.game.has_state else []

    def learning(self, turn: Turn) -> dict[str, Optimizer]:
        """The optimizers that step in a play, by the name of their network."""
        return {name: self.optimizers[name] for name in turn.phase.learns}

    def undo(self, terms: Sequence[Term]) -> Undo:
        """Puts back what a play of these terms changes before its optimizers step."""
        states = [term.function for term in terms if term.has_state]
        return Undo(self._buffers, [*self._game_states, *states], self.freezer.learning)

    def __call__(self, turn: Turn) -> Finish:
        """Go as far as nothing has learned; if something goes wrong there, all is as it was.

        Raises:
            NotFiniteError: Something was not finite, and the policy is not to skip it.
        """
        backward = self.backward
        undo = self.undo(turn.terms)
        try:
            values = backward(turn.phase, turn.counters, turn.terms, turn.batch)
            with backward.parts(f"{turn.phase.name}, finite?"):
                optimizers = list(self.learning(turn).values())
                norms, update = self.judge.ruling(Played(turn, values), undo, optimizers)
        except BaseException:
            undo.restore()
            backward.shared.clear()
            raise
        return partial(self._finish, turn, values, norms, update)

    def at_once(self, turn: Turn, draw: Draw) -> tuple[dict[str, Scalar], Verdict, Undo]:
        """All of it but the schedules, and nothing that waits for the device or asks it.

        It is for plays that change nothing but tensors, and leave what was not finite to the device
        (:meth:`Judge.leaves_to_device`). torch's global generators are seeded before.

        Returns:
            What was measured, what the device found, and the copies that it was done with.
        """
        undo = Undo(self._buffers, (), self.freezer.learning)
        values = self.backward.compute(turn.phase, turn.terms, turn.batch, draw)
        norms = self.judge.look(turn)
        verdict = self.judge.verdict(Played(turn, values), norms, undo)
        self._update(turn, norms, partial(step_unless, verdict.bad))
        return values, verdict, undo

    def _finish(
        self,
        turn: Turn,
        values: dict[str, Scalar],
        norms: Mapping[str, Tensor],
        update: Update,
    ) -> dict[str, Scalar]:
        with self.backward.parts(f"{turn.phase.name}, optimizers"):
            self._update(turn, norms, update)
            self.step_schedules(turn)
        if self.backward.watched:
            values = values | {f"gradient_{name}": norm for name, norm in norms.items()}
        return values

    def _update(self, turn: Turn, norms: Mapping[str, Tensor], update: Update) -> None:
        """Step what learned, as the judge says."""
        for name in turn.phase.learns:
            if self._clip is not None and name in norms:
                self.backward.gradients.clip(name, self._clip, norms[name])
            update(self.optimizers[name])
        for term in turn.terms:
            if (after := getattr(term.function, "after_step", None)) is not None:
                after(self.backward.networks)

    def step_schedules(self, turn: Turn) -> None:
        """Change the learning rates of what has learned."""
        for name in turn.phase.learns:
            if name in self.schedules:
                self.schedules[name].step()
