"""``evaluate``, ``compare`` and ``diagnose``, on runs of the recipe ``smoke``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commandline import Ganforge
from PIL import Image

FEW = ("--samples", "200", "--references", "300")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))


def made_run(folder: Path, name: str, rows: list[dict[str, Any]], **recipe: Any) -> Path:
    """A run's folder as far as ``compare`` and ``diagnose`` look into it."""
    run = folder / "runs" / name / "00001"
    run.mkdir(parents=True)
    plain = {"version": 1, "name": name, "callbacks": [{"use": "health"}], **recipe}
    (run / "recipe.yaml").write_text(yaml.safe_dump(plain))
    text = "".join(
        json.dumps({"epoch": row["step"] / 10, "seconds": row["step"] / 5, **row}) + "\n"
        for row in rows
    )
    (run / "metrics.jsonl").write_text(text)
    return run


def evaluated(step: int, value: float) -> dict[str, Any]:
    return {"step": step, "evaluate/distance": value, "better": {"distance": "lower"}}


def test_a_run_is_measured_with_its_protocol(in_process: Ganforge, short_run: Path) -> None:
    done = in_process("evaluate", str(short_run), *FEW)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == str(short_run)
    assert lines[1].split() == ["metric", "value", "real", "samples"]
    assert lines[2].startswith("frechet_distance  ")
    assert lines[2].endswith("lower is better")
    assert "200 samples, seed 0; weights as trained of step 6" in done.out
    assert "reference: 300 of {use: mnist, split: test" in done.out
    assert "features: MNISTClassifier, sha256 " in done.out
    assert in_process("evaluate", str(short_run), *FEW).out == done.out
    other = in_process("evaluate", str(short_run), *FEW, "--seed", "1")
    assert other.out != done.out


def test_for_programs_it_says_everything(in_process: Ganforge, short_run: Path) -> None:
    file = short_run / "generator.safetensors"
    done = in_process(
        "evaluate", str(file), *FEW, "-m", "frechet_distance", "--repeats", "3", "--json"
    )
    (found,) = json.loads(done.out)
    assert found["source"] == str(file)
    assert len(found["repeats"]) == 3
    values = [one["frechet_distance"] for one in found["repeats"]]
    assert found["mean"]["frechet_distance"] == pytest.approx(sum(values) / 3)
    assert found["std"]["frechet_distance"] > 0
    assert found["floor"]["frechet_distance"] < min(values)
    assert found["protocol"]["reference"]["count"] == 300
    assert len(found["protocol"]["feature_networks"][0]["sha256"]) == 64


def test_metrics_and_data_are_written_as_in_a_recipe(in_process: Ganforge, short_run: Path) -> None:
    done = in_process(
        "evaluate", str(short_run), *FEW, "--metric",
        "{use: precision_recall, neighbours: 5}", "--dataset", "{use: mnist, classes: [1]}",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "precision" in done.out
    assert "recall" in done.out
    assert "classes: [1]" in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-m", "frechet"], "unknown metric 'frechet'"),
        (["-m", "{use: precision_recall, neighbors: 3}"], "unknown option 'neighbors'"),
        (["-m", "{use: "], "the text ends where a value is due"),
        (["-m", "mixture_modes"], "mixture_modes counts the modes of a ring or a grid"),
        (["--dataset", "mixture"], "makes samples of (1, 28, 28), and those of the data set are"),
        (["-m", "{use: frechet_distance, features: {use: inception}}"], "weights of InceptionV3"),
        (["--samples", "1"], "1 is not in the range"),
    ],
)
def test_mistakes_are_told(
    in_process: Ganforge, short_run: Path, arguments: list[str], told: str
) -> None:
    done = in_process("evaluate", str(short_run), *FEW, *arguments)
    assert done.code == 2
    assert told in done.err


def test_runs_are_compared_best_first(in_process: Ganforge, tmp_path: Path) -> None:
    slow = made_run(
        tmp_path, "slow", [evaluated(s, 50 - s / 2) for s in (10, 20, 30)], train={"steps": 30}
    )
    fast = made_run(
        tmp_path,
        "fast",
        [evaluated(10, 9.0), evaluated(20, 4.5), evaluated(30, 7.0) | {"health": "overfitting"}],
        train={"steps": 30},
        optimizer={"generator": {"use": "adam", "lr": 0.002}},
    )
    done = in_process("compare", str(slow), str(fast))
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert "best distance" in lines[0]
    assert lines[1].split()[:2] == ["best", str(fast)]
    assert lines[1].split()[-4:] == ["4.5", "20", "7", "overfitting"]
    assert str(slow) in lines[2]
    assert "optimizer.generator.lr" in done.out
    assert "train.steps" not in done.out  # it is the same in both
    with Image.open(tmp_path / "comparison.png") as picture:
        assert picture.size[0] > 1000
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 20


def test_numbers_that_were_measured_otherwise_are_told(
    in_process: Ganforge, tmp_path: Path
) -> None:
    def run(name: str, samples: int, every: str, split: str) -> Path:
        callback = {"use": "evaluate", "samples": samples, "every": every}
        return made_run(
            tmp_path,
            name,
            [evaluated(10, 5.0)],
            dataset={"use": "mnist", "split": split},
            callbacks=[callback],
        )

    one, other = run("one", 100, "1 epoch", "train"), run("other", 200, "2 epochs", "test")
    told = "Not measured in the same way"
    done = in_process("compare", str(one), str(other))
    assert f"{told}, so that the numbers mean little beside each other: " in done.out
    assert ": callbacks.evaluate.samples, dataset.split\n" in done.out
    assert done.out.splitlines()[1].endswith("not watched")
    found = json.loads(in_process("compare", str(one), str(other), "--json").out)
    assert found["measured_unlike"] == ["callbacks.evaluate.samples", "dataset.split"]
    seldom = run("seldom", 100, "3 epochs", "train")
    assert told not in in_process("compare", str(one), str(seldom)).out


def test_comparing_for_programs(in_process: Ganforge, tmp_path: Path) -> None:
    one = made_run(tmp_path, "one", [evaluated(10, 5.0)])
    two = made_run(tmp_path, "two", [evaluated(10, 3.0), evaluated(20, 4.0)], seed=1)
    found = json.loads(in_process("compare", str(one), str(two), "--json").out)
    assert found["metric"] == "distance"
    assert [run["run"] for run in found["runs"]] == [str(two), str(one)]
    assert found["runs"][0]["best"]["distance"] == {"step": 10, "seconds": 2.0, "value": 3.0}
    assert found["differences"]["seed"] == ["1", "-"]


def test_runs_without_evaluations_show_their_losses(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    done = in_process("compare", str(short_run), "--out", "losses.png")
    assert done.code == 0, done.err
    assert (tmp_path / "losses.png").stat().st_size > 10_000


def test_what_cannot_be_compared(in_process: Ganforge, tmp_path: Path) -> None:
    run = made_run(tmp_path, "one", [evaluated(10, 5.0)])
    for arguments, told in (
        ([str(tmp_path)], "is no run folder: it has no recipe.yaml"),
        ([str(run), "--metric", "fid"], "no run was evaluated by 'fid'"),
        ([str(run), "--out", "plot.svg"], "--out must name a .png file"),
    ):
        done = in_process("compare", *arguments)
        assert done.code == 2
        assert told in done.err
    (run / "metrics.jsonl").unlink()
    assert "has no metrics.jsonl" in in_process("compare", str(run)).err


def test_a_run_is_diagnosed(in_process: Ganforge, tmp_path: Path) -> None:
    rows = [{"step": step} for step in range(1, 41)]
    rows[9] |= {"health": "mode collapse", "evidence": "all alike", "advice": "Go back."}
    rows[29] |= {"health": "ok"}
    rows[39] |= evaluated(40, 3.0)
    run = made_run(tmp_path, "sick", rows)
    done = in_process("diagnose", str(run))
    assert done.out.splitlines() == [
        f"{run}: 40 steps, 0.1 minutes of training",
        "health: ok from step 0 to 10",
        "health: mode collapse from step 10 to 30",
        "  evidence: all alike",
        "  what helps: Go back.",
        "health: ok from step 30 to 40",
        "distance (lower is better): best 3 at step 40, last 3 at step 40",
    ]
    found = json.loads(in_process("diagnose", str(run), "--json").out)
    assert found["health"][1] == {
        "state": "mode collapse",
        "from": 10,
        "to": 30,
        "evidence": "all alike",
        "advice": "Go back.",
    }


def test_a_run_that_nobody_watched(in_process: Ganforge, tmp_path: Path) -> None:
    off = [{"use": "health", "enabled": False}]
    run = made_run(tmp_path, "blind", [{"step": 1}], callbacks=off)
    done = in_process("diagnose", str(run))
    assert "health: not recorded" in done.out
    assert "evaluations: none; add {use: evaluate}" in done.out
