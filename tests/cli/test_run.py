"""``ganforge run`` and ``resume`` as a user meets them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import yaml
from commandline import SHORT, Ganforge, command
from PIL import Image


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def state(run: Path, step: int) -> dict[str, object]:
    path = run / "checkpoints" / f"step_{step:08d}" / "state.pt"
    loaded: dict[str, object] = torch.load(path, weights_only=True)
    return loaded


def assert_equal(one: object, other: object, where: str = "") -> None:
    """Two states are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor), where
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert isinstance(other, dict), where
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list):
        assert isinstance(other, list), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{where}/{index}")
    else:
        assert one == other, where


def test_a_run_leaves_everything_in_its_folder(short_run: Path) -> None:
    assert short_run.name == "00001"
    assert short_run.parent.name == "smoke"
    files = {str(path.relative_to(short_run)) for path in short_run.rglob("*") if path.is_file()}
    assert files == {
        "recipe.yaml",
        "environment.json",
        "metrics.jsonl",
        "samples/step_0000003.png",
        "samples/step_0000006.png",
        "plots/losses.png",
        "checkpoints/step_00000003/state.pt",
        "checkpoints/step_00000003/manifest.json",
        "checkpoints/step_00000003/manifest.sha256",
        "checkpoints/step_00000006/state.pt",
        "checkpoints/step_00000006/manifest.json",
        "checkpoints/step_00000006/manifest.sha256",
        ".lock",
        "generator.safetensors",
        "discriminator.safetensors",
    }
    assert [row["step"] for row in rows(short_run)] == [1, 2, 3, 4, 5, 6]
    assert Image.open(short_run / "samples" / "step_0000006.png").size == (122, 122)
    facts = json.loads((short_run / "environment.json").read_text())
    assert (
        facts["packages"]["torch"] == torch.__version__.split("+")[0]
        or facts["packages"]["torch"] == torch.__version__
    )
    assert facts["plugins"]["mnist"].startswith("ganforge ")
    assert facts["command"][1] == "run"


def test_the_resolved_recipe_runs_again_to_the_same_weights(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    again = ganforge("run", str(short_run / "recipe.yaml"), "-q")
    assert again.code == 0
    assert_equal(state(short_run, 6)["trainer"], state(tmp_path / again.out.strip(), 6)["trainer"])


def test_the_resolved_recipe_has_every_default_and_the_overrides(short_run: Path) -> None:
    recipe = yaml.safe_load((short_run / "recipe.yaml").read_text())
    assert recipe["train"] == {
        "steps": 6,
        "batch_size": 32,
        "micro_batches": 1,
        "workers": 0,
        "memory_format": "auto",
        "precision": "auto",
        "compile": False,
        "cuda_graphs": False,
        "verify": False,
        "not_finite": "stop",
        "max_skips": 20,
        "max_rollbacks": 3,
    }
    assert recipe["game"]["d_steps"] == 1
    assert [c["use"] for c in recipe["callbacks"]] == [
        "progress",
        "metrics",
        "loss_plot",
        "health",
        "sample_grid",
        "checkpoint",
    ]


def test_the_start_and_the_end_tell_what_matters(ganforge: Ganforge) -> None:
    done = ganforge("run", "smoke", *SHORT)
    assert done.code == 0
    assert done.out == "runs/smoke/00001\n"
    assert "mnist: 10,000 samples of 1 x 28 x 28, 10 classes" in done.err
    assert "dcgan: 14,769 parameters" in done.err
    assert "6 steps of 32 samples" in done.err
    assert "runs/smoke/00001/samples/step_0000006.png" in done.err
    assert "ganforge generate runs/smoke/00001 -n 64" in done.err
    assert "step 6/6" in done.err
    assert "\x1b" not in done.err  # no terminal, no colours, no bar


def test_quiet_says_nothing_but_the_folder(ganforge: Ganforge) -> None:
    done = ganforge("run", "smoke", *SHORT, "-q")
    assert (done.code, done.out, done.err) == (0, "runs/smoke/00001\n", "")


def test_a_dry_run_builds_everything_and_writes_nothing(ganforge: Ganforge, tmp_path: Path) -> None:
    done = ganforge("run", "mnist_dcgan", "--dry-run", "train.epochs=2")
    assert done.code == 0
    assert yaml.safe_load(done.out)["train"]["epochs"] == 2.0
    assert "60,000 samples" in done.err
    assert not list(tmp_path.iterdir())


def test_each_run_gets_a_folder_of_its_own(ganforge: Ganforge, tmp_path: Path) -> None:
    folders = [ganforge("run", "smoke", *SHORT, "-q", "-o", "here").out.strip() for _ in range(2)]
    assert folders == ["here/smoke/00001", "here/smoke/00002"]
    one, other = (state(tmp_path / folder, 6)["trainer"] for folder in folders)
    assert_equal(one, other)  # the same seed


def test_a_finished_run_can_be_made_longer_bit_for_bit(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    longer = tmp_path / "longer"
    shutil.copytree(short_run, longer)
    done = ganforge("resume", str(longer), "train.steps=9", "-q")
    assert done.code == 0
    straight = ganforge("run", "smoke", *SHORT, "train.steps=9", "-q")
    assert_equal(state(longer, 9)["trainer"], state(tmp_path / straight.out.strip(), 9)["trainer"])
    assert [row["step"] for row in rows(longer)] == list(range(1, 10))
    assert yaml.safe_load((longer / "recipe.yaml").read_text())["train"]["steps"] == 9


def test_a_finished_run_has_nothing_left_to_do(short_run: Path, ganforge: Ganforge) -> None:
    before = {path: path.read_bytes() for path in short_run.rglob("*") if path.is_file()}
    for overrides in ([], ["train.steps=3"]):
        done = ganforge("resume", str(short_run), *overrides)
        assert done.code == 0
        assert "Nothing to do: the run has completed 6 steps" in done.err
        assert f"ganforge resume {short_run} train.steps=" in done.err
    assert before == {path: path.read_bytes() for path in short_run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_resume(
    number: signal.Signals,
    code: int,
    tmp_path: Path,
    environment: dict[str, str],
    ganforge: Ganforge,
) -> None:
    arguments = ["train.steps=100000", "callbacks.1.every=100000 steps"]
    process = subprocess.Popen(
        command("run", "smoke", *arguments),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = tmp_path / "runs" / "smoke" / "00001"
    deadline = time.monotonic() + 60
    while not list(run.glob("samples/*.png")):  # a picture shows that training is under way
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert out == "runs/smoke/00001\n"
    assert "Resume with: ganforge resume runs/smoke/00001" in err
    (saved,) = (run / "checkpoints").iterdir()
    step = int(saved.name.removeprefix("step_"))
    assert [row["step"] for row in rows(run)] == list(range(1, step + 1))
    more = ganforge("resume", "runs/smoke/00001", f"train.steps={step + 3}", "-q")
    assert more.code == 0
    assert [row["step"] for row in rows(run)] == list(range(1, step + 4))


def test_a_broken_metrics_line_and_rows_behind_the_checkpoint_are_taken_back(
    short_run: Path, ganforge: Ganforge, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(short_run, killed)
    shutil.rmtree(killed / "checkpoints" / "step_00000006")
    (killed / "checkpoints" / ".partial_step_00000009").mkdir()
    with (killed / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "epo')
    assert ganforge("resume", str(killed), "-q").code == 0
    assert [row["step"] for row in rows(killed)] == [1, 2, 3, 4, 5, 6]
    assert_equal(state(killed, 6)["trainer"], state(short_run, 6)["trainer"])
