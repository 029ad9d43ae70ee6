"""N steps straight are k steps, an end, and N - k steps more: every tensor, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge import build
from ganforge.api import Callback, Run, Values
from ganforge.engine import checkpoint
from ganforge.plugins import load_registry
from ganforge.recipe.load import load

CPU = torch.device("cpu")
TOTAL = 70
EPOCH_EDGE = 40
"""40 batches are an epoch; with five a step, 8 steps are one, and 40 are five."""
STOPS = (1, 67, EPOCH_EDGE, TOTAL - 1)

PLUGIN = """
import torch
from ganforge import hookimpl
from ganforge.api import Dataset

class Tiles(Dataset):
    def __init__(self):
        generator = torch.Generator().manual_seed(3)
        tiles = torch.randint(0, 256, (327, 1, 16, 16), generator=generator, dtype=torch.uint8)
        super().__init__(samples=tiles)

@hookimpl
def register_datasets(register):
    register("tiles", Tiles, summary="noise")
"""

RECIPE = """
version: 1
name: exact
plugins: [acme_tiles.py]
dataset: {{use: tiles}}
latent: {{dim: 6}}
generator: {{use: dcgan, channels: 4}}
discriminator: {{use: dcgan, channels: 4}}
{game}
optimizer:
  generator: {{use: adam, lr: 1e-3, betas: [0.0, 0.9]}}
  discriminator: {{use: adam, lr: 1e-3, betas: [0.0, 0.9]}}
train: {{steps: {total}, batch_size: 8, workers: {workers}}}
callbacks:
  - {{use: sample_grid, enabled: false}}
  - {{use: loss_plot, enabled: false}}
  - {{use: checkpoint, every: 1000 steps}}
"""

GAMES = {
    "dcgan": "loss: {use: non_saturating}",
    "wgan_gp": (
        "loss: {use: wasserstein}\n"
        "game: {d_steps: 5}\n"
        "regularizers: [{use: gradient_penalty, weight: 10}]"
    ),
    "lazy_r1_ema": (
        "loss: {use: non_saturating}\n"
        "regularizers: [{use: r1, weight: 1.0, every: 4}]\n"
        "ema: {decay: 0.9}"
    ),
    # Everything that remembers: moving averages of scores and of lengths, and a controller.
    "states": (
        "loss: {use: hinge}\n"
        "regularizers: [{use: lecam}, {use: path_length, every: 2}]\n"
        "augmentations: [{use: ada, interval: 3, speed: 1000}]\n"
        "ema: {decay: 0.9, ramp_up: 0.1}"
    ),
}


class StopAt(Callback):
    """Stops as a signal would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == self.step:
            run.request_stop("max_time")


Start = Callable[[Path, str, int], Run]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """``start(folder, game, workers)``: a run, all made anew as a new process makes it."""
    (tmp_path / "acme_tiles.py").write_text(PLUGIN)
    path = tmp_path / "exact.yaml"

    def make(folder: Path, game: str, workers: int) -> Run:
        path.write_text(RECIPE.format(game=GAMES[game], total=TOTAL, workers=workers))
        recipe, _ = load(path, load_registry())
        folder.mkdir(exist_ok=True)
        prepared = build.prepare(recipe, device=CPU)
        return build.start(prepared, folder, tell=pytest.fail, quiet=True)

    return make


def tensors(value: Any, place: str = "") -> dict[str, Any]:
    """Every leaf of a state by its place; tensors as their type, shape and bytes."""
    if isinstance(value, Tensor):
        return {place: (value.dtype, value.shape, value.contiguous().numpy().tobytes())}
    if isinstance(value, dict):
        return {k: v for key in value for k, v in tensors(value[key], f"{place}.{key}").items()}
    if isinstance(value, list | tuple):
        pairs = enumerate(value)
        return {k: v for i, item in pairs for k, v in tensors(item, f"{place}.{i}").items()}
    return {place: value}


def steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").open()]


@pytest.mark.parametrize("workers", [0, 2], ids=["resident", "2 workers"])
@pytest.mark.parametrize("game", GAMES)
def test_a_resumed_run_ends_as_the_uninterrupted_one(
    start: Start, tmp_path: Path, game: str, workers: int
) -> None:
    """The uninterrupted one keeps the data in memory, so workers change nothing either."""
    straight = start(tmp_path / "straight", game, 0)
    assert straight.clock.steps_per_epoch * (5 if game == "wgan_gp" else 1) == 40
    assert straight.play() == "finished"
    wanted = tensors(straight.trainer.state_dict())
    assert len(wanted) > 60

    for stop in STOPS:
        folder = tmp_path / f"stopped at {stop}"
        first = start(folder, game, workers)
        first.callbacks = {**first.callbacks, "stop": StopAt(stop)}
        assert first.play() == "stopped"
        assert list(checkpoint.steps(folder / "checkpoints")) == [stop]

        second = start(folder, game, workers)
        found = checkpoint.load_newest(folder / "checkpoints", device=CPU, tell=pytest.fail)
        second.load_state_dict(found.state)
        assert second.clock.step == stop
        assert second.play() == "finished"
        reached = tensors(second.trainer.state_dict())
        assert reached.keys() == wanted.keys()
        assert [place for place in wanted if reached[place] != wanted[place]] == [], stop
        assert steps(folder) == list(range(1, TOTAL + 1))
