"""What the pages tell their reader to do works, in the order in which they tell it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from itertools import combinations
from math import exp, log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from docpages import ROOT, blocks, pages, tables
from docshell import Reader, in_process
from PIL import Image

from ganforge import build
from ganforge.api import DataError, Draw, UsageError
from ganforge.engine.streams import Streams
from ganforge.export import read
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.reader import read_file
from ganforge.selection import Selection
from ganforge.testing import check_plugin

SHORT = "train.epochs=0.005"
REFERENCE = f"{SHORT} callbacks.1.samples=100 callbacks.1.references=100"
"""Of ``mnist_dcgan``, which evaluates itself."""

INSTEAD = {
    # What the test's own environment has already.
    "python3 -m venv .venv": "",
    ". .venv/bin/activate": "",
    "pip install -c constraints.txt .": "",
    # Some steps instead of some minutes; the numbers mean nothing, the commands are the same.
    "ganforge run mnist_dcgan": f"ganforge run mnist_dcgan {REFERENCE}",
    "ganforge run mnist_dcgan generator.channels=96 train.epochs=2": (
        f"ganforge run mnist_dcgan generator.channels=96 train.epochs=2 {REFERENCE}"
    ),
    "ganforge run mnist_dcgan game.d_steps=2 train.epochs=2": (
        f"ganforge run mnist_dcgan game.d_steps=2 train.epochs=2 {REFERENCE}"
    ),
    "ganforge resume runs/mnist_dcgan/00001 train.epochs=20": (
        "ganforge resume runs/mnist_dcgan/00001 train.epochs=0.01"
    ),
    "ganforge -p relativistic.py run mnist_dcgan loss.use=relativistic train.epochs=1": (
        f"ganforge -p relativistic.py run mnist_dcgan loss.use=relativistic {REFERENCE}"
    ),
    "ganforge run relativistic.yaml": f"ganforge run relativistic.yaml {SHORT}",
    "ganforge run watched.yaml": (f"ganforge run watched.yaml {SHORT} callbacks.0.every='2 steps'"),
    "ganforge run two_judges.yaml": f"ganforge run two_judges.yaml {SHORT}",
    "ganforge run by_class.yaml": f"ganforge run by_class.yaml {SHORT}",
    "ganforge -p roll.py run mnist_dcgan 'augmentations=[{use: roll, pixels: 3}]' train.epochs=1": (
        "ganforge -p roll.py run mnist_dcgan 'augmentations=[{use: roll, pixels: 3}]' " + REFERENCE
    ),
    "ganforge run ported.yaml": f"ganforge run ported.yaml {SHORT}",
    "ganforge run smoke": "ganforge run smoke train.steps=4",
    "ganforge -p halves.py run smoke 'dataset={use: halves, of: {use: mnist, split: test}}'": (
        "ganforge -p halves.py run smoke train.steps=4 "
        "'dataset={use: halves, of: {use: mnist, split: test}}'"
    ),
}


def follow(page: str, folder: Path) -> Path:
    """The folder in which a reader has followed a page."""
    Reader(folder, in_process, INSTEAD).follow(page)
    return folder


def metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.jsonl."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_no_shorter_command_is_left_over() -> None:
    typed = {
        line.strip()
        for page in pages()
        for block in blocks(page)
        if block.language == "sh"
        for line in block.text.splitlines()
    }
    assert set(INSTEAD) <= typed


def test_the_quick_start(tmp_path: Path) -> None:
    run = follow("index.md", tmp_path) / "runs" / "mnist_dcgan" / "00001"
    for file, *_ in table("index.md"):
        name = re.sub(r"\d+", "*", file.split("`")[1])
        assert list(run.glob(name)), name
    with Image.open(tmp_path / "digits.png") as picture:
        assert picture.size == (8 * 30 + 2, 8 * 30 + 2)
    changed = read_file(tmp_path / "runs" / "mnist_dcgan" / "00002" / "recipe.yaml").value
    assert changed["generator"] == {"use": "dcgan_fast", "channels": 96, "depth": 3, "patch": 4}


def test_the_quick_start_installs_as_the_readme_does() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = blocks("index.md")[0].text.splitlines()
    assert lines[0] in readme
    assert lines[2] in readme


def test_a_loss(tmp_path: Path) -> None:
    follow("write-a-plugin/loss.md", tmp_path)
    loss = module(tmp_path / "relativistic.py").Relativistic()
    scores = {"real": torch.tensor([2.0, -1.0]), "fake": torch.tensor([0.5, 3.0])}
    round = SimpleNamespace(scores=scores.__getitem__)
    assert loss.discriminator(round).tolist() == pytest.approx(
        [log(1 + exp(0.5 - 2.0)), log(1 + exp(3.0 + 1.0))]
    )
    assert loss.generator(round).tolist() == pytest.approx(
        [log(1 + exp(2.0 - 0.5)), log(1 + exp(-1.0 - 3.0))]
    )
    rows = metrics(tmp_path / "runs" / "relativistic" / "00001")
    assert all("generator/belief_real" in row for row in rows)  # G's phase scores real samples too
    assert ["discriminator/r1" in row for row in rows] == [True, False, False, False, False]


def test_networks_that_know_the_class(tmp_path: Path) -> None:
    run = follow("write-a-plugin/conditional.md", tmp_path) / "runs" / "by_class" / "00001"
    with Image.open(sorted((run / "samples").glob("step_*.png"))[-1]) as picture:
        assert picture.size == (8 * 30 + 2, 10 * 30 + 2)  # a row for each class
    registry = load_registry(selection=Selection(named=(str(tmp_path / "by_class.py"),)))
    generator = read(run / "generator.safetensors", registry, device=torch.device("cpu"))
    latents = torch.randn(1, 32).repeat(2, 1)
    three, eight = generator(latents, labels=torch.tensor([3, 8]))
    assert not torch.allclose(three, eight)
    between = generator(latents[:1], labels=torch.eye(10)[3:4] / 2 + torch.eye(10)[8:9] / 2)
    assert not torch.allclose(between[0], three)


def test_an_augmentation(tmp_path: Path) -> None:
    run = follow("write-a-plugin/augmentation.md", tmp_path) / "runs" / "mnist_dcgan" / "00001"
    assert metrics(run)
    roll = module(tmp_path / "roll.py").Roll(pixels=3)
    draw = Draw(Streams(0), (0, "discriminator", 0), 200, slice(0, 200), torch.device("cpu"))
    images = torch.arange(4 * 100.0).reshape(1, 4, 10, 10).repeat(200, 1, 1, 1)
    moves = Counter[tuple[int, int]]()
    for moved in roll(images, draw, "a"):
        [move] = [
            (down, right)
            for down in range(-3, 4)
            for right in range(-3, 4)
            if torch.equal(images[0].roll((down, right), (1, 2)), moved)
        ]
        moves.update([move])
    assert {down for down, _ in moves} == {right for _, right in moves} == set(range(-3, 4))


def test_a_data_set(tmp_path: Path) -> None:
    follow("write-a-plugin/dataset.md", tmp_path)
    pictures = module(tmp_path / "picture_folder.py").PictureFolder
    mnist = load_registry().find("dataset", "mnist").load()(split="test")
    halves = module(tmp_path / "halves.py").Halves(of=mnist)
    assert torch.equal(halves.samples, mnist.samples[::2])
    assert torch.equal(halves.labels, mnist.labels[::2])
    dataset = pictures(root=str(tmp_path / "pictures"), colour=False)
    assert dataset.samples.shape == (300, 1, 28, 28)
    for index in (0, 7, 299):
        with Image.open(tmp_path / "pictures" / f"{index:04d}.png") as picture:
            assert dataset.samples[index, 0].tolist() == np.asarray(picture.convert("L")).tolist()
    Image.new("RGB", (40, 20), (255, 0, 10)).save(tmp_path / "pictures" / "wide.JPG", quality=100)
    coloured = pictures(root=str(tmp_path / "pictures"), size=8).samples
    assert coloured.shape == (301, 3, 8, 8)
    assert (coloured[300].float().mean((1, 2)) - torch.tensor([255.0, 0.0, 10.0])).abs().max() < 3
    with pytest.raises(DataError, match="there is no picture in"):
        pictures(root=str(tmp_path / "runs" / "nowhere"))
    (tmp_path / "pictures" / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"cannot read .*text\.png"):
        pictures(root=str(tmp_path / "pictures"))


def test_a_callback(tmp_path: Path) -> None:
    run = follow("write-a-plugin/callback.md", tmp_path) / "runs" / "watched" / "00001"
    code, _ = in_process(["ganforge", "resume", str(run), "train.epochs=0.0064"], tmp_path)
    assert code == 0
    rows = [json.loads(line) for line in (run / "diversity.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]

    generator = read(run / "generator.safetensors", load_registry(), device=torch.device("cpu"))
    latents = generator.latent.sample(64, Streams(0).generator("fixed_latents"))
    samples = generator(latents).flatten(1)
    distances = [(one - other).norm() for one, other in combinations(samples, 2)]
    assert rows[-1]["distance"] == pytest.approx(float(sum(distances) / len(distances)), rel=1e-4)


def test_a_game(tmp_path: Path) -> None:
    run = follow("write-a-plugin/game.md", tmp_path) / "runs" / "two_judges" / "00001"
    for row in metrics(run):
        both = row["discriminator/first"] + row["discriminator/second"]
        assert row["discriminator/loss"] == pytest.approx(both, rel=1e-5)
        mean = 0.7 * row["generator/first"] + 0.3 * row["generator/second"]
        assert row["generator/loss"] == pytest.approx(mean, rel=1e-5)
    recipe, _ = load(tmp_path / "two_judges.yaml", load_registry(), ["train.batch_size=4"])
    trainer = build.prepare(recipe, device=torch.device("cpu")).trainer
    passes = Counter[str]()
    for name, network in trainer.networks.items():
        network.register_forward_hook(lambda *_, name=name: passes.update([name]))
    trainer.step()
    # Each phase generates once; D's phase judges real and fake, G's phase only fakes.
    assert passes == {"generator": 2, "discriminator": 3, "second": 3}


def test_bringing_your_own_networks(tmp_path: Path) -> None:
    follow("porting.md", tmp_path)
    selection = Selection(named=(str(tmp_path / "ported"),))
    registry = load_registry(selection=selection)
    own = module(tmp_path / "ported" / "gan.py")
    torch.manual_seed(0)
    images = torch.rand(5, 1, 28, 28) * 2 - 1
    latents = torch.randn(5, 100)

    made = registry.find("generator", "ported").load()(image_shape=(1, 28, 28), latent_dim=100)
    generator = own.G(100, 28)
    generator.load_state_dict(made.inner.state_dict())
    torch.testing.assert_close((made(latents) + 1) / 2, generator(latents[:, :, None, None]))

    judge = registry.find("discriminator", "ported").load()(image_shape=(1, 28, 28))
    discriminator = own.D(28)
    discriminator.load_state_dict(judge.inner.state_dict())
    probability = discriminator((images + 1) / 2)[:, 0]
    torch.testing.assert_close(torch.sigmoid(judge(images)), probability)
    with pytest.raises(UsageError, match="square"):
        registry.find("discriminator", "ported").load()(image_shape=(1, 28, 32))


def module(path: Path) -> Any:
    """A file of a page, imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def table(page: str) -> list[list[str]]:
    """The rows of the only table of a page."""
    (rows,) = tables(page)
    return rows


def test_a_feature_network_of_ones_own(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("metrics.md") if block.language == "python"]
    assert block.title is not None
    (tmp_path / block.title).write_text(block.text)
    findings = check_plugin(tmp_path / block.title)
    assert {f.check for f in findings if f.component == "feature_network row_brightness"} >= {
        "output",
        "each-by-itself",
    }
