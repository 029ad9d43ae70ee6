"""What is measured, against what, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from given import CPU, Given, Same, normal
from torch import Tensor, nn

from ganforge.api import Better, Dataset, Evidence, Metric, PluginError, UsageError
from ganforge.engine.latent import Latent
from ganforge.evaluation.evaluator import Evaluation, Evaluator, improves
from ganforge.evaluation.sources import Made
from ganforge.evaluation.store import Store, of_dataset, of_network
from ganforge.measuring import make_evaluator
from ganforge.plugins import load_registry
from ganforge_metrics.frechet import FrechetDistance
from ganforge_mixture.dataset import Mixture
from ganforge_mnist.dataset import MNIST
from ganforge_mnist.stacked import StackedMNIST


class Counted(Metric):
    """How many samples there are of each side, and a number that is drawn."""

    values: ClassVar[Mapping[str, Better]] = {"reals": "lower", "fakes": "higher", "drawn": "lower"}

    def __call__(self, evidence: Evidence) -> Mapping[str, float]:
        reals, fakes = (len(evidence.samples(side, 10**6)) for side in ("real", "fake"))
        return {"reals": reals, "fakes": fakes, "drawn": float(torch.rand(()))}


def evaluator(
    *metrics: Metric, data: Dataset | None = None, folder: Path | None = None, **options: int
) -> Evaluator:
    return Evaluator(
        metrics=metrics,
        dataset=data or Dataset(samples=normal(100, 3).float()),
        data={"dataset": {"use": "given"}},
        features=Same,
        store=Store(folder, print),
        device=CPU,
        references=options.get("references", 80),
    )


def test_it_says_how_it_measured() -> None:
    found = evaluator(Counted(), FrechetDistance()).evaluate(
        Given(normal(20, 3, seed=1).float()), {"seed": 3}
    )
    assert list(found.values) == ["reals", "fakes", "drawn", "frechet_distance"]
    assert (found.values["reals"], found.values["fakes"]) == (80, 20)
    assert found.main == "reals"
    assert found.better["frechet_distance"] == "lower"
    assert found.protocol["samples"] == 20
    assert found.protocol["seed"] == 3
    reference = found.protocol["reference"]
    assert (reference["dataset"], reference["count"]) == ({"use": "given"}, 80)
    assert reference["sha256"] == of_dataset(Dataset(samples=normal(100, 3).float()))
    (network,) = found.protocol["feature_networks"]
    assert network == {"name": "Same", "sha256": of_network(Same())}
    assert found.floor["reals"] == 40  # half of the reference against the other half


def test_the_same_samples_get_the_same_numbers_ten_times() -> None:
    measure = evaluator(Counted(), FrechetDistance())
    fakes = Given(normal(20, 3, seed=1).float())
    first = measure.evaluate(fakes, {}).values
    torch.rand(9)
    assert all(measure.evaluate(fakes, {}).values == first for _ in range(9))


def test_measuring_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    evaluator(Counted()).evaluate(Given(normal(5, 3).float()), {})
    assert torch.rand(3).equal(expected)


def test_two_of_a_kind_have_two_names() -> None:
    found = evaluator(Counted(), Counted()).evaluate(Given(normal(5, 3).float()), {})
    assert list(found.values)[3:] == ["reals_2", "fakes_2", "drawn_2"]
    assert found.better["fakes_2"] == "higher"


def test_a_metric_that_gives_other_numbers_is_told() -> None:
    class Odd(Counted):
        def __call__(self, evidence: Evidence) -> Mapping[str, float]:
            return {"other": 1.0}

    with pytest.raises(PluginError, match="metric Odd gave other, not reals, fakes, drawn"):
        evaluator(Odd()).evaluate(Given(normal(5, 3).float()), {})


def test_samples_that_are_not_finite_have_no_numbers() -> None:
    fakes = normal(20, 3).float()
    fakes[13, 1] = float("inf")
    found = evaluator(FrechetDistance(), Counted()).evaluate(Given(fakes), {})
    assert math.isnan(found.values["frechet_distance"])
    assert found.values["fakes"] == 20  # it looks at samples, not at features
    assert found.plain()["values"]["frechet_distance"] is None
    assert not improves(found, None)


class Looking(nn.Module):
    """A feature network that counts what it is shown."""

    seen = 0

    def forward(self, samples: Tensor) -> Tensor:
        Looking.seen += len(samples)
        return samples


def test_the_reference_is_looked_at_once(tmp_path: Path) -> None:
    fakes = Given(normal(20, 3, seed=1).float())
    values = []
    for expected in (80 + 20, 20):  # the second time only the fakes
        Looking.seen = 0
        measure = evaluator(FrechetDistance(features=Looking()), folder=tmp_path)
        values.append(measure.evaluate(fakes, {}, floor=False).values)
        assert Looking.seen == expected
    assert values[0] == values[1]
    for file in tmp_path.iterdir():  # what is damaged is made anew
        file.write_bytes(b"no tensors")
    Looking.seen = 0
    measure = evaluator(FrechetDistance(features=Looking()), folder=tmp_path)
    assert measure.evaluate(fakes, {}, floor=False).values == values[0]
    assert Looking.seen == 100


def test_other_data_other_rows_and_other_weights_are_not_mixed_up(tmp_path: Path) -> None:
    fakes = Given(normal(20, 3, seed=1).float())

    def distance(measure: Evaluator) -> float:
        return measure.evaluate(fakes, {}, floor=False).values["frechet_distance"]

    class Scaled(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(factor))

        def forward(self, samples: Tensor) -> Tensor:
            return samples * self.factor

    found = {
        distance(evaluator(FrechetDistance(), folder=tmp_path)),
        distance(evaluator(FrechetDistance(), folder=tmp_path, references=60)),
        distance(
            evaluator(
                FrechetDistance(),
                folder=tmp_path,
                data=Dataset(samples=normal(100, 3, seed=9).float()),
            )
        ),
        distance(evaluator(FrechetDistance(features=Scaled(2.0)), folder=tmp_path)),
        distance(evaluator(FrechetDistance(features=Scaled(3.0)), folder=tmp_path)),
    }
    assert len(found) == 5


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "inside", told.append)
    for key in ("a", "b"):
        assert store.get((key,), lambda: {"x": torch.ones(1)})["x"] == 1
    assert len(told) == 1
    assert "is not kept" in told[0]


def test_a_generator_makes_the_same_samples_of_a_seed_and_others_of_another() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))

        def forward(self, latents: Tensor) -> Tensor:
            noise: Tensor = self.layers(latents) + torch.rand(len(latents), 2)
            return noise

    network = Dropping()
    data = Dataset(samples=torch.zeros(10, 2))

    def made(seed: int) -> Tensor:
        source = Made(network, Latent(dim=4), data, "latents", 600, seed, CPU)
        return torch.cat(list(source.chunks()))

    assert made(0).shape == (600, 2)
    assert made(0).equal(made(0))
    assert not made(0).equal(made(1))
    assert network.training
    assert torch.equal(network.layers[1].running_mean, torch.zeros(2))  # type: ignore[arg-type]


def test_classes_are_as_frequent_as_in_the_data() -> None:
    class Labelled(nn.Module):
        def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
            return labels[:, None].float()

    labels = torch.tensor([0] * 90 + [1] * 10)
    data = Dataset(samples=torch.zeros(100, 1), labels=labels, num_classes=2)
    made = Made(Labelled(), Latent(dim=4), data, "latents", 4000, 0, CPU)
    assert torch.cat(list(made.chunks())).mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("values", "best", "expected"),
    [
        ([1.0, 0.5], None, True),
        ([float("nan"), 0.5], None, False),
        ([1.0, 0.5], [2.0, 0.9], True),
        ([2.0, 0.5], [2.0, 0.9], False),
        ([2.0, 0.95], [2.0, 0.9], True),  # the main number is the same
        ([2.0, 0.9], [2.0, 0.9], False),
        ([3.0, 1.0], [2.0, 0.9], False),
    ],
)
def test_which_is_better(values: list[float], best: list[float] | None, expected: bool) -> None:
    names: dict[str, Better] = {"distance": "lower", "share": "higher"}
    found = Evaluation(dict(zip(names, values, strict=True)), names, {}, 0.0)
    assert improves(found, best) == expected


def test_what_data_sets_suggest() -> None:
    registry = load_registry()

    def suggested(data: Dataset | StackedMNIST, name: str) -> list[str]:
        made = make_evaluator(
            metrics=None,
            dataset=data,
            data={"use": name},
            registry=registry,
            device=CPU,
            tell=print,
        )
        return list(made.better)

    digits = MNIST(split="test", classes=[1])
    assert suggested(digits, "mnist")[0] == "frechet_distance"
    assert suggested(Mixture(samples=50), "mixture") == ["mixture_modes", "high_quality"]
    assert suggested(StackedMNIST(samples=50), "stacked_mnist")[:2] == ["modes", "reverse_kl"]
    with pytest.raises(UsageError) as caught:
        suggested(Dataset(samples=torch.zeros(9, 2)), "plain")
    assert "data set 'plain' does not say how" in caught.value.message
    assert "frechet_distance" in str(caught.value.hint)


def test_without_a_suggested_network_one_has_to_be_named() -> None:
    measure = make_evaluator(
        metrics=[FrechetDistance()],
        dataset=Mixture(samples=50),
        data={"use": "mixture"},
        registry=load_registry(),
        device=CPU,
        tell=print,
    )
    with pytest.raises(UsageError) as caught:
        measure.evaluate(Given(torch.zeros(9, 2)), {})
    assert "data set 'mixture' suggests no feature network" in caught.value.message
    assert "mnist_classifier" in str(caught.value.hint)
