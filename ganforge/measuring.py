"""Makes what measures a generator's samples: metrics, reference data and feature networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from ganforge.construct import construct
from ganforge.engine.data import AnyDataset
from ganforge.engine.files import cache_folder
from ganforge.errors import UsageError
from ganforge.evaluation.evaluator import Evaluator
from ganforge.evaluation.metric import Metric
from ganforge.evaluation.store import Store
from ganforge.recipe.check import check_component
from ganforge.recipe.source import Document
from ganforge.registry import Registry

SAMPLES = 10_000
REFERENCES = 60_000


def make_evaluator(
    *,
    metrics: Sequence[Metric] | None,
    dataset: AnyDataset,
    data: Mapping[str, Any],
    registry: Registry,
    device: torch.device,
    tell: Callable[[str], None],
    references: int = REFERENCES,
) -> Evaluator:
    """What measures samples against a data set.

    Args:
        metrics: What to measure, or None for what the data set suggests.
        dataset: The reference.
        data: How a recipe writes it.
        registry: Where suggested components are found.
        device: Where feature networks are run.
        tell: Is given a line for what goes wrong and stops nothing.
        references: How many samples are the reference, at most.
    Raises:
        UsageError: Nobody says what to measure.
    """

    @cache
    def suggested() -> nn.Module:
        made = feature_network(dataset, registry)
        if made is None:
            names = ", ".join(registry.names("feature_network"))
            raise UsageError(
                f"data set '{data['use']}' suggests no feature network, and the metric needs one",
                hint=f"Name one with features: {{use: NAME}}; available: {names}.",
            )
        return made

    if metrics is None:
        if not dataset.metrics:
            names = ", ".join(registry.names("metric"))
            raise UsageError(
                f"data set '{data['use']}' does not say how to measure samples like its own",
                hint=f"Name one metric or several of: {names}.",
            )
        metrics = [named("metric", name, registry) for name in dataset.metrics]
    return Evaluator(
        metrics=metrics,
        dataset=dataset,
        data={"dataset": dict(data)},
        features=suggested,
        store=Store(cache_folder(), tell),
        device=device,
        references=references,
    )


def feature_network(dataset: AnyDataset, registry: Registry) -> nn.Module | None:
    """The feature network that a data set suggests, if it suggests one."""
    if dataset.feature_network is None:
        return None
    made: nn.Module = named("feature_network", dataset.feature_network, registry)
    return made


def named(kind: str, name: str, registry: Registry) -> Any:
    """A component by its name alone.

    Raises:
        UsageError: There is none, or it cannot be had without options.
    """
    document = Document(f"{kind} '{name}'", {"use": name})
    return construct(check_component(kind, document, registry))
