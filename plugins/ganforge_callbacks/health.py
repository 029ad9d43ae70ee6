"""Says when a run goes wrong, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from ganforge.api import Callback, NotFiniteError, Run, Values
from ganforge_callbacks.diagnosis import Finding, Look, State, Wrong, examine, overfitting
from ganforge_callbacks.signals import Signals

Policy = Literal["warn", "stop", "rollback"]
KEPT = 400
"""Steps over which looks are remembered, beside the first four."""
CLASSES_EVERY = 2
"""Fakes are classified in every so many looks."""
RECOVERED = 3
"""Looks without a finding after which a run is well again."""


class Health(Callback):
    """Looks at a run's vital signs now and then, and says when its state changes.

    It looks at gradients, at how weights change and grow, at what the discriminator can tell apart,
    at how varied fakes are and, where the data set suggests a classifier, how varied their classes.
    A change of state is one line with its evidence and what usually helps, a row in
    ``metrics.jsonl``, a shaded span in the loss plot and a line in the summary at the end.
    ``ganforge diagnose RUN`` tells them afterwards. Training itself is not changed by a bit.

    Args:
        every: Steps between two looks.
        policy: What is done when a state begins: ``warn`` (for all that are not named), ``stop``
            the run, or ``rollback`` to the newest checkpoint and go on with other noise. Not for
            ``non-finite``, about which ``train.not_finite`` decides.
    """

    def __init__(
        self,
        *,
        every: Annotated[int, Field(ge=2)] = 50,
        policy: Mapping[Wrong, Policy] | None = None,
    ) -> None:
        self.every = every
        self.policy: dict[str, Policy] = dict((policy or {}).items())
        self.state: State = "ok"
        self.since = 0
        self.changes: list[dict[str, Any]] = []
        self._looks: list[Look] = []
        self._quiet_looks = 0
        self._skips = 0
        self._metric: list[float] = []
        self._better = "lower"
        self._highest: dict[str, float] = {}
        self._first: dict[str, float] = {}

    def on_start(self, run: Run) -> None:
        run.trainer.watch_every = self.every
        self._signals = Signals(run, self._first)
        self._first = self._signals.first
        if "rollback" in self.policy.values() and not run.has_checkpoint:
            run.save()

    def on_step(self, run: Run, values: Values) -> None:
        place = run.clock.step % self.every
        if place == self.every - 1:
            self._signals.before()
        if place == 0:
            self._look(run, values)

    def _look(self, run: Run, values: Values) -> None:
        classes = run.clock.step // self.every % CLASSES_EVERY == 0
        signs = self._signals.take(run, values, classes=classes)
        rates = {}
        for name, optimizer in run.trainer.optimizers.items():
            rate = max(float(group["lr"]) for group in optimizer.param_groups)
            self._highest[name] = max(rate, self._highest.get(name, 0.0))
            rates[name] = rate / self._highest[name] if self._highest[name] else 1.0
        updates = {
            name: run.clock.step // phase.every * phase.repeats
            for phase in run.trainer.phases
            for name in phase.learns
        }
        loss = run.trainer.game.members().get("loss")
        signed = bool(getattr(loss, "signed", True))
        self._looks.append(Look(run.clock.step, signs, updates, rates, signed))
        del self._looks[4 : -max(12, KEPT // self.every)]
        found = examine(self._looks) or overfitting(self._metric, self._better)
        self._consider(run, self._skipped(run) or found)

    def _skipped(self, run: Run) -> Finding | None:
        """Updates that were left out since the last look, as they were not finite."""
        before, self._skips = self._skips, run.trainer.judge.skipped
        if self._skips <= before:
            return None
        return Finding(
            "non-finite",
            f"{self._skips - before} updates of the last {self.every} steps were not finite",
            "Lower the learning rates, or look for NaN in the data.",
        )

    def _consider(self, run: Run, found: Finding | None) -> None:
        """A new finding counts at once; that nothing is found has to last."""
        if found is None:
            self._quiet_looks += 1
            if self.state != "ok" and self._quiet_looks >= RECOVERED:
                self._change(run, None)
            return
        self._quiet_looks = 0
        if found.state != self.state:
            self._change(run, found)

    def _change(self, run: Run, found: Finding | None, *, tell: bool = True) -> None:
        before, self.state = self.state, found.state if found else "ok"
        self.since = run.clock.step
        row: dict[str, Any] = {"health": self.state}
        if found:
            row |= {"evidence": found.evidence, "advice": found.advice}
        self.changes.append({"step": run.clock.step, **row})
        run.record(**row)
        if not tell:
            return
        if found is None:
            run.tell(f"step {run.clock.step}: health: ok again, after {before}")
            return
        run.tell(f"step {run.clock.step}: health: {found.state}: {found.evidence}. {found.advice}")
        policy = self.policy.get(found.state, "warn")
        if policy == "stop":
            run.request_stop(f"Health: {found.state}")
        elif policy == "rollback":
            run.request_rollback(f"step {run.clock.step}: {found.state}: {found.evidence}")

    def on_record(self, run: Run, row: Mapping[str, Any]) -> None:
        """Take note of an evaluation's main number."""
        better = row.get("better")
        if not better:
            return
        main = next(iter(better))
        value = row.get(f"evaluate/{main}")
        if isinstance(value, int | float):
            self._better = better[main]
            self._metric.append(float(value))

    def on_rollback(self, run: Run) -> None:
        """What was seen behind the checkpoint has not happened."""
        self._looks = [look for look in self._looks if look.step <= run.clock.step]
        self._quiet_looks = 0

    def on_end(self, run: Run) -> None:
        if isinstance(run.fault, NotFiniteError):
            found = Finding("non-finite", str(run.fault), str(run.fault.hint))
            self._change(run, found, tell=False)  # the error itself is told

    def summary(self, run: Run) -> Sequence[str]:
        ends = [f"{change['step']:,}" for change in self.changes[1:]]
        wrong = [
            f"{change['health']} from step {change['step']:,} to {end}"
            for change, end in zip(self.changes, [*ends, "the end"], strict=False)
            if change["health"] != "ok"
        ]
        return [f"health      {'; '.join(wrong) or 'ok'}"]

    def state_dict(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "since": self.since,
            "changes": [dict(change) for change in self.changes],
            "metric": list(self._metric),
            "better": self._better,
            "looks": [asdict(look) for look in self._looks],
            "quiet_looks": self._quiet_looks,
            "skips": self._skips,
            "highest": dict(self._highest),
            "first": dict(self._first),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state, self.since = state["state"], int(state["since"])
        self.changes = [dict(change) for change in state["changes"]]
        self._metric, self._better = list(state["metric"]), state["better"]
        self._looks = [Look(**look) for look in state["looks"]]
        self._quiet_looks, self._skips = int(state["quiet_looks"]), int(state["skips"])
        self._highest, self._first = dict(state["highest"]), dict(state["first"])
