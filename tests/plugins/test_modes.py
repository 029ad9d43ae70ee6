"""``benchmarks.modes`` and the recipes that it trains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from benchmarks import modes as benchmark
from benchmarks.modes import PUBLISHED, Trial
from benchmarks.tables import markdown, spread
from ganforge import build
from ganforge.engine.average import Average
from ganforge.plugins import load_registry
from ganforge.recipe.load import load

RECIPES = Path(__file__).parents[2] / "recipes"
METHODS = {"gan": 1, "pacgan": 2, "r3gan": 1}
"""How many samples the discriminator sees at a time."""


@pytest.fixture(params=sorted(PUBLISHED))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def written(name: str) -> dict[str, Any]:
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_every_shape_has_every_method() -> None:
    wanted = {f"{shape}_{method}" for shape in ("grid", "ring") for method in METHODS}
    assert set(PUBLISHED) == wanted
    assert wanted <= {path.stem for path in RECIPES.glob("*.yaml")}


def test_recipes_follow_the_papers_protocol(name: str) -> None:
    recipe = written(name)
    shape, method = name.split("_")
    assert recipe["name"] == name
    assert recipe["dataset"] == {"use": "mixture", "shape": shape}
    assert recipe["latent"] == {"dim": 2, "distribution": "normal"}
    assert recipe["generator"] == recipe["discriminator"] == {"use": "pacgan_mixture"}
    for network in ("discriminator", "generator"):
        adam = recipe["optimizer"][network]
        assert (adam["use"], float(adam["lr"])) == ("adam", 1e-4)
        assert adam["betas"] == ([0.0, 0.99] if method == "r3gan" else [0.8, 0.999])
    assert recipe["train"]["batch_size"] == 100 * METHODS[method]
    assert recipe.get("game", {}).get("pack", 1) == METHODS[method]
    assert ("ema" in recipe) == (method == "r3gan")


def test_recipes_can_be_trained(name: str) -> None:
    registry = load_registry()
    recipe, notes = load(RECIPES / f"{name}.yaml", registry, ["dataset.samples=1000"])
    assert notes == []
    trainer = build.prepare(recipe, device=torch.device("cpu")).trainer
    values = trainer.step()
    assert all(torch.isfinite(torch.as_tensor(float(value))) for value in values.values())
    pack = METHODS[name.split("_")[1]]
    first = next(trainer.networks["discriminator"].parameters())
    assert first.shape == (1000, 2 * pack)


def test_a_trial_is_a_function_of_its_seed() -> None:
    registry, device = load_registry(), torch.device("cpu")
    one, same, other = (
        benchmark.trial("grid_gan", seed, 2, registry, device) for seed in (0, 0, 1)
    )
    assert one[:2] == same[:2]
    assert 0 <= one.modes <= 25
    assert 0.0 <= one.share <= 1.0
    assert other.seconds > 0


def test_samples_are_those_of_an_average_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never moves makes the same samples after one step and after three."""
    seen: list[Tensor] = []

    def count(samples: Tensor, centers: Tensor, std: float) -> tuple[int, float]:
        seen.append(samples)
        return 0, 0.0

    monkeypatch.setattr(benchmark, "modes", count)
    registry, device = load_registry(), torch.device("cpu")
    monkeypatch.setattr(Average, "update", lambda self: None)
    benchmark.trial("ring_r3gan", 0, 1, registry, device)
    benchmark.trial("ring_r3gan", 0, 3, registry, device)
    assert torch.equal(*seen)
    assert seen[0].shape == (2500, 2)


def test_means_have_standard_errors() -> None:
    # Of 1, 2 and 6: the mean is 3, the variance (4 + 1 + 9) / 2, its root over sqrt(3) is 1.53.
    assert spread([1, 2, 6]) == "3.0 ± 1.5"
    assert spread([50.0], " %") == "50.0 %"


def test_a_row_has_what_is_measured_before_what_is_published() -> None:
    trials = [Trial(7, 0.95, 10.0), Trial(8, 0.97, 20.0)]
    assert benchmark.row("ring_pacgan", trials) == (
        "ring_pacgan",
        "7.5 ± 0.5",
        "96.0 ± 1.0 %",
        "7.9 ± 0.1",
        "95.6 ± 2.0 %",
        "15 s",
    )


def test_the_table_is_markdown_with_straight_columns() -> None:
    rows = [benchmark.row(name, [Trial(7, 0.9, 1.0)]) for name in PUBLISHED]
    lines = markdown(benchmark.HEAD, rows).split("\n")
    assert len(lines) == 2 + len(PUBLISHED)
    assert len({len(line) for line in lines}) == 1
    places = [[match.start() for match in re.finditer(r"\|", line)] for line in lines]
    assert all(place == places[0] for place in places)
    assert set(lines[1]) == {"|", "-"}


def test_the_shortening_is_told() -> None:
    cpu = torch.device("cpu")
    assert "20,000 steps a run (5.00% of the published 400,000)" in benchmark.conditions(
        20_000, 3, cpu
    )
    assert "400,000 steps a run (as published)" in benchmark.conditions(400_000, 10, cpu)


def test_the_command_trains_counts_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "modes.md"
    given = ["--steps", "2", "--seeds", "2", "--only", "ring_gan", "--device", "cpu", "--output"]
    benchmark.main([*given, str(output)])
    shown = capsys.readouterr().out
    assert re.search(r"ring_gan seed 0: \d modes, ", shown)
    assert re.search(r"ring_gan seed 1: \d modes, ", shown)
    text = output.read_text(encoding="utf-8")
    assert text.startswith("2 steps a run (0.00% of the published 400,000), 2 runs of each")
    assert re.search(r"\| ring_gan +\| \d\.\d ± ", text)
    assert "| 6.3 ± 0.5" in text
    assert "grid_gan" not in text
    assert text.split("\n\n")[1].strip() in shown


def test_unknown_recipes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(["--only", "ring_wgan"])
    assert "ring_wgan" in capsys.readouterr().err
