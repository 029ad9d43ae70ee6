"""Checks of metrics: numbers of a set of samples beside a reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganforge.engine.streams import Streams
from ganforge.errors import UsageError
from ganforge.evaluation.evaluator import Evaluator
from ganforge.evaluation.evidence import Evidence
from ganforge.evaluation.metric import Better, Metric
from ganforge.evaluation.sources import Rows
from ganforge.evaluation.store import Store
from ganforge.testing import standins
from ganforge.testing.findings import Unchecked, Wrong, checks, listed
from ganforge.testing.subject import Subject

SAMPLES = 48
SHAPE = (1, 32, 32)


class Seen(nn.Module):
    """A feature network for the checks: a few projections of an image, and classes of them."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        size = math.prod(SHAPE)
        self.ways: Tensor
        self.register_buffer("ways", torch.randn(size, 6, generator=generator) / size**0.5)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        features = samples.flatten(1) @ self.ways
        return {"features": features, "logits": 4.0 * features[:, :4]}


@dataclass(frozen=True)
class Noise:
    """Fakes: images of noise."""

    count: int = SAMPLES

    def chunks(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(2)
        yield torch.empty(self.count, *SHAPE).uniform_(-1.0, 1.0, generator=generator)


def evidence() -> Evidence:
    """Small images of squares, and as many of noise."""
    data = standins.dataset(SHAPE)
    cpu = torch.device("cpu")
    return Evidence(
        real=Rows(data, torch.arange(SAMPLES) % len(data), cpu),
        fake=Noise(),
        dataset=data,
        features=Seen,
        store=Store(None, lambda line: None),
        fingerprint="a stand-in",
        device=cpu,
    )


class Contrast(Metric):
    """What is measured where nobody says what: how much samples vary."""

    values: ClassVar[Mapping[str, Better]] = {"contrast": "higher"}

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        return {"contrast": float(evidence.samples("fake", SAMPLES).std())}


def evaluator(metrics: Sequence[Metric] | None) -> Evaluator:
    """What measures the samples of a run in which a callback is tried."""
    return Evaluator(
        metrics=metrics or [Contrast()],
        dataset=standins.dataset(standins.IMAGE),
        data={"dataset": {"use": "a stand-in"}},
        features=Seen,
        store=Store(None, lambda line: None),
        device=torch.device("cpu"),
        references=SAMPLES,
    )


class Bench:
    """Makes the metric, and remembers whether it measures what there is here."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def measured(self) -> Mapping[str, Any]:
        """Its numbers of the stand-ins; what a library draws is drawn from the same numbers."""
        made: Metric = self.subject.remade()
        try:
            with Streams(0).isolated("metric"):
                return made(evidence())
        except UsageError as error:
            raise Unchecked(f"it refuses what it can be tried with: {error.message}") from error


def build(bench: Bench) -> None:
    """It can be made, and is a ``ganforge.api.Metric``."""
    bench.subject.build()


def values(bench: Bench) -> str:
    """It says which numbers it gives, and which way each is better."""
    found = getattr(bench.subject.remade(), "values", None)
    if not isinstance(found, Mapping) or not found:
        raise Wrong(
            "it does not say which numbers it gives",
            'Write values: ClassVar[Mapping[str, Better]] = {"my_number": "lower"} in the class.',
        )
    odd = [name for name, way in found.items() if way not in ("lower", "higher")]
    if odd:
        raise Wrong(
            f"it does not say which way {listed(odd)} is better",
            "Write 'lower' or 'higher' for each.",
        )
    return ", ".join(found)


def measures(bench: Bench) -> str:
    """It measures images of noise against other ones: the numbers it has named, each finite."""
    found = bench.measured()
    named = list(bench.subject.remade().values)
    if not isinstance(found, Mapping) or list(found) != named:
        given = list(found) if isinstance(found, Mapping) else type(found).__name__
        raise Wrong(f"it gives {given}, not {named}", "Give a dict of the names in values.")
    for name, value in found.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise Wrong(
                f"its number {name} is {value!r}",
                "Give a finite float for each: float(tensor), and look for divisions by 0.",
            )
    return ", ".join(f"{name} {value:.3g}" for name, value in found.items())


def same_twice(bench: Bench) -> None:
    """It gives the same numbers of the same samples."""
    first, second = bench.measured(), bench.measured()
    if dict(first) != dict(second):
        raise Wrong(
            f"of the same samples it gives {dict(first)} and then {dict(second)}",
            "Draw random numbers from torch alone, and keep nothing from one call to the next.",
        )


CHECKS = checks(build, values, measures, same_twice)
