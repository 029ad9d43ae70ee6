"""Metrics of a generator's samples against a reference, and by which protocol."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganforge.engine.data import AnyDataset
from ganforge.engine.streams import Streams
from ganforge.errors import PluginError
from ganforge.evaluation.evidence import Evidence, NotMeasurableError
from ganforge.evaluation.metric import Better, Metric
from ganforge.evaluation.sources import Made, Rows, Source
from ganforge.evaluation.store import Store, of_dataset, of_network

if TYPE_CHECKING:
    from ganforge.engine.run import Run


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and how.

    Args:
        values: Numbers by name, the main one first.
        better: Which way each is better.
        protocol: Samples, reference, feature networks; plain values.
        seconds: How long it took.
        floor: What real samples that are not of the reference get, where that was asked for.
    """

    values: Mapping[str, float]
    better: Mapping[str, Better]
    protocol: Mapping[str, Any]
    seconds: float
    floor: Mapping[str, float] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The name of the number that decides which samples are best."""
        return next(iter(self.values))

    def plain(self) -> dict[str, Any]:
        """For JSON, which has neither NaN nor infinity."""
        return {
            "values": {name: finite(value) for name, value in self.values.items()},
            "better": dict(self.better),
            "floor": {name: finite(value) for name, value in self.floor.items()},
            "protocol": dict(self.protocol),
            "seconds": round(self.seconds, 2),
        }


def finite(value: float) -> float | None:
    """A number as JSON has it."""
    return value if math.isfinite(value) else None


def improves(found: Evaluation, best: Sequence[float] | None) -> bool:
    """Whether an evaluation is better than the best so far.

    The main number decides; if it is the same, the next one does. What is not finite is no better.

    Args:
        found: The evaluation.
        best: The numbers of the best one so far, in the same order.
    """
    values = list(found.values.values())
    if not math.isfinite(values[0]):
        return False
    if best is None:
        return True
    for value, other, way in zip(values, best, found.better.values(), strict=True):
        if value != other:
            return value < other if way == "lower" else value > other
    return False


class Evaluator:
    """Measures samples against a data set, always the same rows of it.

    Args:
        metrics: What is measured; the first number of the first one is the main one.
        dataset: The reference.
        data: What the reference is, in plain values, for the protocol.
        features: Gives the feature network that the data set suggests.
        store: Keeps what is known of the reference.
        device: Where feature networks are run.
        references: How many samples of the data set are the reference, at most.
    """

    def __init__(
        self,
        *,
        metrics: Sequence[Metric],
        dataset: AnyDataset,
        data: Mapping[str, Any],
        features: Callable[[], nn.Module],
        store: Store,
        device: torch.device,
        references: int,
    ) -> None:
        self.metrics = metrics
        self.dataset = dataset
        self.better: dict[str, Better] = {}
        for metric in metrics:
            for name, way in metric.values.items():
                self.better[_unused(name, self.better)] = way
        self._data = data
        self._features = features
        self._store = store
        self._device = device
        order = torch.randperm(len(dataset), generator=Streams(0).generator("reference"))
        self._rows = order[:references]
        self._fingerprint = of_dataset(dataset)
        self._floors: dict[int, dict[str, float]] = {}

    def evaluate(self, fake: Source, facts: Mapping[str, Any], *, floor: bool = True) -> Evaluation:
        """Measure samples.

        Args:
            fake: The samples.
            facts: What the protocol should say of them.
            floor: Measure real samples too, if that has not been done before.
        """
        began = time.monotonic()
        evidence = self._evidence(self._rows, fake)
        values = self._values(evidence)
        protocol = {
            "samples": fake.count,
            **facts,
            "reference": {
                **self._data,
                "count": len(self._rows),
                "sha256": self._fingerprint,
            },
            "feature_networks": [
                {"name": type(network).__name__, "sha256": sha}
                for sha, network in evidence.networks.items()
            ],
        }
        floors = self.floor(fake.count) if floor else {}
        seconds = time.monotonic() - began
        return Evaluation(values, self.better, protocol, seconds, floors)

    def evaluate_run(self, run: Run, *, count: int, seed: int, floor: bool = True) -> Evaluation:
        """Measure what a run's generator makes at its present step.

        Training is not disturbed: all random numbers are drawn from streams of the evaluation.

        Args:
            run: The run; the average of its generator is measured where it keeps one.
            count: How many samples are made.
            seed: Of the samples; the same ones measure the same latents in every step.
            floor: As of :meth:`evaluate`.
        """
        trainer = run.trainer
        sampler = trainer.game.sampler
        fake = Made(
            network=run.network_for_sampling(sampler),
            latent=trainer.latent,
            dataset=self.dataset,
            samples_of=trainer.game.samples_of,
            count=count,
            seed=seed,
            device=trainer.device,
        )
        facts = {"seed": seed, "step": run.clock.step, "averaged": sampler in trainer.averages}
        return self.evaluate(fake, facts, floor=floor)

    def floor(self, count: int) -> Mapping[str, float]:
        """What so many real samples get that are not of the reference.

        They are those that the data set holds out; of one that holds none out, half of the
        reference is measured against the other half.
        """
        if count not in self._floors:
            sizes = f"{len(self._rows)} {count}"
            key = (self._fingerprint, "floor", sizes, *self._identities())
            kept = self._store.get(key, lambda: {"values": self._measure_floor(count)})
            self._floors[count] = dict(zip(self.better, kept["values"].tolist(), strict=True))
        return self._floors[count]

    def _measure_floor(self, count: int) -> Tensor:
        held_out = self.dataset.held_out()
        rows, other, others = self._rows, self.dataset, self._rows
        if held_out is not None:
            other, others = held_out, torch.arange(len(held_out))
        else:
            rows, others = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        values = self._values(self._evidence(rows, Rows(other, others[:count], self._device)))
        return torch.tensor(list(values.values()), dtype=torch.float64)

    def _evidence(self, rows: Tensor, fake: Source) -> Evidence:
        return Evidence(
            real=Rows(self.dataset, rows, self._device),
            fake=fake,
            dataset=self.dataset,
            features=self._features,
            store=self._store,
            fingerprint=f"{self._fingerprint} {len(rows)}",
            device=self._device,
        )

    def _values(self, evidence: Evidence) -> dict[str, float]:
        values: dict[str, float] = {}
        for metric in self.metrics:
            # Some metrics draw subsets, with torch's or numpy's own generator.
            try:
                with Streams(0).isolated("metric"):
                    found = metric(evidence)
            except NotMeasurableError:
                found = dict.fromkeys(metric.values, math.nan)
            if list(found) != list(metric.values):
                raise PluginError(
                    f"metric {type(metric).__name__} gave {', '.join(found) or 'nothing'}, not "
                    f"{', '.join(metric.values)}"
                )
            for name, value in found.items():
                values[_unused(name, values)] = float(value)
        return values

    def _identities(self) -> list[str]:
        """What tells one list of metrics from another."""
        suggested = of_network(self._features()) if self._needs_features() else ""
        return [suggested, *(_identity(metric) for metric in self.metrics)]

    def _needs_features(self) -> bool:
        return any(getattr(metric, "features", ...) is None for metric in self.metrics)


def _identity(metric: Metric) -> str:
    """A metric's class and options."""
    options = {
        name: of_network(value) if isinstance(value, nn.Module) else repr(value)
        for name, value in sorted(vars(metric).items())
    }
    return f"{type(metric).__module__}.{type(metric).__qualname__} {options}"


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    number = 1
    unused = name
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused
