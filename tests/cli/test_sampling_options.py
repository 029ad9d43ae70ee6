"""Classes, truncation, sources and the ways between samples, on networks whose output is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commandline import Ganforge
from PIL import Image

PLUGIN = """
from typing import ClassVar

import torch
from torch import nn
from ganforge import hookimpl
from ganforge.api import AdversarialRound, Dataset, DatasetOption, class_weights
from ganforge_games.two_player import TwoPlayer


class Classes(nn.Module):
    '''The class as a grey level, and the first number of the latent in the upper left corner.'''

    takes_class_weights = True

    def __init__(self, *, num_classes: int, latent_dim: int) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.linspace(-1.0, 1.0, num_classes))
        self.num_classes = num_classes

    def forward(self, latents, labels):
        levels = class_weights(labels, self.num_classes) @ self.levels
        images = levels[:, None, None, None].expand(-1, 1, 8, 8).clone()
        images[:, 0, 0, 0] = latents[:, 0].clamp(-1, 1)
        return images


class Indices(Classes):
    '''The same for indices alone.'''

    takes_class_weights = False


class Negative(nn.Module):
    '''Turns dark into light.'''

    def __init__(self, *, source_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(-1.0))

    def forward(self, source):
        return source * self.scale


class Judge(nn.Module):
    def __init__(self, *, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 1)

    def forward(self, samples):
        return self.layer(samples.flatten(1)).squeeze(1)


class Rows(AdversarialRound):
    @property
    def fake(self):
        return self.generate(self.play.batch.source)


class Translate(TwoPlayer):
    '''A generator that starts from pictures.'''

    samples_of: ClassVar[str] = "source"

    def round(self, play):
        return Rows(play)


class Levels(Dataset):
    '''Flat images of four classes.'''

    def __init__(self, *, negative: bool = False) -> None:
        labels = torch.arange(32) % 4
        levels = (labels * 60).to(torch.uint8)
        images = levels[:, None, None, None].expand(-1, 1, 8, 8).clone()
        super().__init__(samples=255 - images if negative else images, labels=labels, num_classes=4)


class Both(Dataset):
    '''Two data sets as one.'''

    def __init__(self, *, target: DatasetOption, source: DatasetOption) -> None:
        super().__init__(samples=target.samples, source=source, paired=True)


@hookimpl
def register_generators(register):
    register("classes", Classes)
    register("indices", Indices)
    register("negative", Negative)

@hookimpl
def register_discriminators(register):
    register("judge", Judge)

@hookimpl
def register_games(register):
    register("translate", Translate)

@hookimpl
def register_datasets(register):
    register("levels", Levels)
    register("both", Both)
"""

RECIPE = """
version: 1
name: tried
plugins: [acme_try.py]
dataset: {dataset}
latent: {{dim: 3}}
game: {{use: {game}}}
generator: {{use: {generator}}}
discriminator: {{use: judge}}
loss: {{use: hinge}}
optimizer:
  generator: {{use: sgd, lr: 1e-30}}
  discriminator: {{use: sgd, lr: 1e-30}}
train: {{steps: 2, batch_size: 4}}
callbacks:
  - {{use: sample_grid, every: 2 steps, count: 20}}
"""

LEVELS = [0, 85, 170, 255]
PAIRS = "{use: both, target: {use: levels}, source: {use: levels, negative: true}}"


@pytest.fixture
def trained(tmp_path: Path, in_process: Ganforge) -> Callable[..., Path]:
    """``trained(generator, game=, dataset=)``: the folder of a run."""

    def train(generator: str, game: str = "two_player", dataset: str = "{use: levels}") -> Path:
        (tmp_path / "acme_try.py").write_text(PLUGIN)
        text = RECIPE.format(generator=generator, game=game, dataset=dataset)
        (tmp_path / "tried.yaml").write_text(text)
        done = in_process("run", "tried.yaml", "-q")
        assert done.code == 0, done.err
        return tmp_path / done.out.strip()

    return train


def tiles(path: Path, columns: int, padding: int = 2) -> list[list[tuple[int, int]]]:
    """Of each image in a grid: its corner, and its level."""
    pixels = np.asarray(Image.open(path))
    side = 8 + padding
    rows = (pixels.shape[0] - padding) // side
    return [
        [
            (int(pixels[top, left]), int(pixels[top + 4, left + 4]))
            for left in range(padding, padding + columns * side, side)
        ]
        for top in range(padding, padding + rows * side, side)
    ]


def test_classes_have_rows(trained: Callable[..., Path], in_process: Ganforge) -> None:
    run = trained("classes")
    shown = tiles(run / "samples" / "step_0000002.png", 5)
    assert [[level for _, level in row] for row in shown] == [[level] * 5 for level in LEVELS]
    corners = [[corner for corner, _ in row] for row in shown]
    assert corners == [corners[0]] * 4  # the same latents in each row
    assert len(set(corners[0])) > 2

    home = run.parents[2]
    assert in_process("generate", str(run), "-n", "10", "--out", "all.png").code == 0
    rows = tiles(home / "all.png", 3)
    assert [[level for _, level in row] for row in rows] == [
        *([level] * 3 for level in LEVELS[:3]),
        [LEVELS[3], 0, 0],  # ten samples are 3, 3, 3 and 1
    ]
    assert in_process("generate", str(run), "-n", "4", "--class", "2", "--out", "two.png").code == 0
    assert {level for row in tiles(home / "two.png", 2) for _, level in row} == {170}
    assert in_process("generate", str(run), "-n", "8", "--best-of", "3", "--out", "b.png").code == 0
    best = tiles(home / "b.png", 2)
    assert [[level for _, level in row] for row in best] == [[level] * 2 for level in LEVELS]


def test_classes_that_are_not_there(trained: Callable[..., Path], in_process: Ganforge) -> None:
    run = trained("classes")
    done = in_process("generate", str(run), "--class", "4")
    assert done.code == 2
    assert "--class 4: the classes are numbered from 0 to 3" in done.err
    done = in_process("interpolate", str(run), "--classes", "0", "9")
    assert "--classes 9: the classes are numbered from 0 to 3" in done.err
    done = in_process("generate", str(run), "--source", "there.png")
    assert "this generator starts from noise, not from pictures" in done.err


def test_truncation_bounds_the_noise(trained: Callable[..., Path], in_process: Ganforge) -> None:
    run = trained("classes")
    options = ["-n", "400", "--class", "0", "--truncation", "0.25"]
    assert in_process("generate", str(run), *options, "--out", "t.npy").code == 0
    corners = np.load(run.parents[2] / "t.npy")[:, 0, 0, 0]
    assert np.abs(corners).max() <= 0.25
    assert corners.std() > 0.1


@pytest.mark.parametrize("limit", ["nan", "inf", "0", "-1"])
def test_a_limit_that_is_none(
    trained: Callable[..., Path], in_process: Ganforge, limit: str
) -> None:
    done = in_process("generate", str(trained("classes")), "--truncation", limit)
    assert done.code == 2
    assert "Invalid value for '--truncation'" in done.err


def test_fewer_samples_than_classes(trained: Callable[..., Path], in_process: Ganforge) -> None:
    done = in_process("generate", str(trained("classes")), "-n", "3")
    assert done.code == 0
    assert "more classes than samples: these are of the first 3 only" in done.err


def test_the_network_that_ranks_may_have_any_name(
    trained: Callable[..., Path], in_process: Ganforge
) -> None:
    run = trained("classes")
    options = ["-n", "4", "--best-of", "2", "--out", "best.png"]
    (run / "discriminator.safetensors").rename(run / "a_critic.safetensors")
    assert in_process("generate", str(run), *options).code == 0
    (run / "a_critic.safetensors").unlink()
    done = in_process("generate", str(run), *options)
    assert "--best-of needs the discriminator" in done.err


def test_between_latents_and_between_classes(
    trained: Callable[..., Path], in_process: Ganforge
) -> None:
    run = trained("classes")
    home = run.parents[2]
    line = ["interpolate", str(run), "--rows", "3", "--steps", "4"]
    assert in_process(*line).out == "interpolation.png\n"
    rows = tiles(home / "interpolation.png", 4)
    assert [{level for _, level in row} for row in rows] == [{0}, {85}, {170}]
    assert all(len({corner for corner, _ in row}) > 1 for row in rows)
    assert in_process(*line, "--classes", "0", "3", "--out", "c.png").code == 0
    for row in tiles(home / "c.png", 4):
        assert [level for _, level in row] == LEVELS
        assert len({corner for corner, _ in row}) == 1  # one latent a row
    assert in_process(*line, "--class", "1", "--out", "c.gif").code == 0
    with Image.open(home / "c.gif") as gif:
        assert gif.n_frames == 6  # there and back  # type: ignore[attr-defined]
        assert gif.info["loop"] == 0


def test_indices_cannot_be_mixed(trained: Callable[..., Path], in_process: Ganforge) -> None:
    done = in_process("interpolate", str(trained("indices")), "--classes", "0", "1")
    assert done.code == 2
    assert "'indices' takes class indices only" in done.err
    assert "takes_class_weights = True" in done.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["--out", "a.jpg"], "--out must name a .png or .gif file"),
        (["--class", "1", "--classes", "0", "1"], "exclude each other"),
    ],
)
def test_interpolate_is_told_what_it_cannot_do(
    line: list[str], told: str, in_process: Ganforge
) -> None:
    done = in_process("interpolate", "nowhere", *line)
    assert done.code == 2
    assert told in done.err


def test_a_generator_that_translates(trained: Callable[..., Path], in_process: Ganforge) -> None:
    run = trained("negative", "translate", PAIRS)
    home = run.parents[2]
    found = {level for row in tiles(run / "samples" / "step_0000002.png", 5) for _, level in row}
    assert found == {0, 60, 120, 180}  # negatives of the source, which are the samples
    (home / "in").mkdir()
    for level in (10, 200):
        Image.new("L", (8, 8), level).save(home / "in" / f"{level:03d}.png")
    (home / "in" / "notes.txt").write_text("no picture")
    done = in_process("generate", str(run), "--source", "in", "--out-dir", "out")
    assert done.code == 0, done.err
    written = [np.asarray(Image.open(home / "out" / f"000{n}.png")) for n in range(2)]
    assert [set(picture.flatten().tolist()) for picture in written] == [{245}, {55}]


def test_what_cannot_be_translated(trained: Callable[..., Path], in_process: Ganforge) -> None:
    run = trained("negative", "translate", PAIRS)
    home = run.parents[2]
    (home / "text.png").write_text("no picture")
    (home / "empty").mkdir()
    Image.new("L", (9, 8)).save(home / "large.png")
    for line, told in {
        "": "this generator translates pictures, and none are given",
        "--source gone.png": "there is no picture 'gone.png'",
        "--source text.png": "'text.png' is no picture that can be read",
        "--source large.png": "'large.png' is 9x8, and should be 8x8",
        "--source empty": "there are no pictures in 'empty'",
        "--source large.png --class 1": "--class: this generator starts from pictures",
        "--source large.png --best-of 2": "--best-of: this generator starts from",
    }.items():
        done = in_process("generate", str(run), *line.split())
        assert done.code == 2
        assert told in done.err


def test_labels_that_the_data_do_not_have(tmp_path: Path, in_process: Ganforge) -> None:
    (tmp_path / "acme_try.py").write_text(PLUGIN)
    text = RECIPE.format(generator="classes", game="two_player", dataset=PAIRS)
    (tmp_path / "tried.yaml").write_text(text)
    done = in_process("run", "tried.yaml")
    assert done.code == 2
    assert "generator 'classes' is made for classes, and the data set has no labels" in done.err
    assert "Choose a data set that has labels" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_source_that_the_data_do_not_have(tmp_path: Path, in_process: Ganforge) -> None:
    (tmp_path / "acme_try.py").write_text(PLUGIN)
    text = RECIPE.format(generator="negative", game="translate", dataset="{use: levels}")
    (tmp_path / "tried.yaml").write_text(text)
    done = in_process("run", "tried.yaml")
    assert done.code == 2
    assert "starts from samples of another domain, and the data set has no source" in done.err
