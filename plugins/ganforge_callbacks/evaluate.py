"""Metrics while a run trains, its best generator, and an end when nothing gets better."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ganforge.api import (
    Callback,
    Evaluation,
    Every,
    MetricOption,
    Run,
    UsageError,
    Values,
    improves,
    write_atomic,
)

BEST = "best"
"""The folder of the best networks, in the run's."""

TRIALS = (64, 1000)
"""Samples of the trial before the first step, which finds what would fail an epoch later. A few
are measured within a moment; where they are too few for a metric, more are."""


class Evaluate(Callback):
    """Measures the generator now and then, always with the same latents and classes.

    Each evaluation is a row of ``metrics.jsonl``, with ``evaluate/`` before its numbers' names. The
    generator with the best main number, which is the first one of the first metric, lies in
    ``best/``, with its numbers in ``best/evaluation.json``; ``ganforge generate RUN/best`` uses it.

    Args:
        every: How often; the last step is evaluated too.
        metrics: What is measured; the data set suggests something.
        samples: How many samples are made each time.
        references: How many samples of the data set are the reference, at most.
        seed: Of the samples.
        keep_best: Whether the best networks are kept.
        patience: Stop the run after so many evaluations without a better main number.
    Raises:
        UsageError: The data set suggests no metric, or a metric cannot be had.
    """

    def __init__(
        self,
        *,
        every: Every = Every(1, "epochs"),
        metrics: list[MetricOption] | None = None,
        samples: Annotated[int, Field(ge=2)] = 10_000,
        references: Annotated[int, Field(ge=2)] = 60_000,
        seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0,
        keep_best: bool = True,
        patience: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        if metrics is not None and not metrics:
            raise UsageError(
                "metrics is an empty list",
                hint="Name a metric, such as {use: frechet_distance}, or leave metrics out.",
            )
        self.every = every
        self.metrics = metrics
        self.samples = samples
        self.references = references
        self.seed = seed
        self.keep_best = keep_best
        self.patience = patience
        self.best: list[float] | None = None
        self.best_step = 0
        self.without_better = 0
        self.evaluated = -1
        self._last: Evaluation | None = None

    def on_start(self, run: Run) -> None:
        if run.facts.evaluator is None:
            raise UsageError("callback 'evaluate' needs a run that was made from a recipe")
        self._evaluator = run.facts.evaluator(self.metrics, self.references)
        few, enough = (min(trial, self.samples) for trial in TRIALS)
        try:
            small = run.facts.evaluator(self.metrics, few)
            small.evaluate_run(run, count=few, seed=self.seed, floor=False)
        except Exception:  # noqa: BLE001  # if there is something to tell, it fails once more
            self._evaluator.evaluate_run(run, count=enough, seed=self.seed, floor=False)

    def on_step(self, run: Run, values: Values) -> None:
        if self.every.due(run.clock) or run.clock.finished:
            self._evaluate(run)

    def _evaluate(self, run: Run) -> None:
        found = self._evaluator.evaluate_run(run, count=self.samples, seed=self.seed)
        self._last, self.evaluated = found, run.clock.step
        row = {f"evaluate/{name}": value for name, value in found.plain()["values"].items()}
        run.record(**row, better=dict(found.better))
        main = found.main
        better = improves(found, self.best)
        if better:
            self.best, self.best_step = list(found.values.values()), run.clock.step
            self.without_better = 0
            if self.keep_best:
                self._keep(run, found)
        else:
            self.without_better += 1
        if not run.facts.quiet:
            told = ", ".join(f"{name} {value:.4g}" for name, value in found.values.items())
            run.tell(f"step {run.clock.step}: {told}" + (" (best so far)" if better else ""))
        if self.patience is not None and self.without_better >= self.patience:
            times = f"{self.patience} evaluations" if self.patience > 1 else "one evaluation"
            run.request_stop(f"No better {main} for {times}")

    def _keep(self, run: Run, found: Evaluation) -> None:
        folder = run.folder / BEST
        folder.mkdir(exist_ok=True)
        run.export(folder)
        text = json.dumps(found.plain(), indent=2) + "\n"
        write_atomic(folder / "evaluation.json", text.encode())

    def summary(self, run: Run) -> Sequence[str]:
        if self._last is None or self.best is None:
            return ()
        main = self._last.main
        last = f"{main} {self._last.values[main]:.4g} at step {self.evaluated:,}"
        floor = self._last.floor.get(main)
        if floor is not None:
            last += f" (real samples: {floor:.4g})"
        where = f": {run.folder / BEST}" if self.keep_best else ""
        best = f"{main} {self.best[0]:.4g} at step {self.best_step:,}{where}"
        return (f"last        {last}", f"best        {best}")

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_step": self.best_step,
            "without_better": self.without_better,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
        self.best_step = state["best_step"]
        self.without_better = state["without_better"]
