"""Runs that stop by themselves: their time is up, or something is not finite."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from commandline import Ganforge

from ganforge.engine import checkpoint

LONG = ("train.steps=40", "generator.channels=2", "discriminator.channels=2")


def final(run: Path) -> dict[str, torch.Tensor]:
    path = list(checkpoint.steps(run / "checkpoints").values())[-1]
    networks = checkpoint.load(path, device=torch.device("cpu")).state["trainer"]["networks"]
    return {f"{n}.{key}": value for n, state in networks.items() for key, value in state.items()}


def test_when_its_time_is_up_a_run_saves_and_says_how_to_go_on(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    done = ganforge("run", "smoke", *LONG, "train.max_time=0.05s", "-q")
    assert done.code == 0, done.err
    run = tmp_path / done.out.strip()
    step = max(checkpoint.steps(run / "checkpoints"))
    assert 0 < step < 40
    assert f"Its time is up: stopped and saved at step {step} of 40." in done.err
    assert "Resume with: ganforge resume runs/smoke/00001" in done.err

    done = ganforge("resume", "runs/smoke/00001", "train.max_time=null", "-q")
    assert done.code == 0, done.err
    straight = tmp_path / ganforge("run", "smoke", *LONG, "-q").out.strip()
    weights, wanted = final(run), final(straight)
    assert [name for name in wanted if not torch.equal(weights[name], wanted[name])] == []


def test_a_diverging_run_can_be_resumed_with_another_policy(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    done = ganforge("run", "smoke", *LONG, "optimizer.generator.lr=1e30", "-q")
    assert done.code == 1
    saved, error, hint = done.err.strip().splitlines()
    assert saved == "Saved is step 1. To go on from there: ganforge resume runs/smoke/00001"
    assert error.startswith("Error: step 2: not finite any more: phase 'discriminator' (")
    assert hint.startswith("Lower the learning rate")
    done = ganforge("resume", "runs/smoke/00001", "train.not_finite=skip", "train.max_skips=2")
    assert done.code == 1
    assert "the 2 updates of this phase before it were skipped too" in done.err
    lines = (tmp_path / "runs" / "smoke" / "00001" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


def test_a_checkpoint_that_needs_a_missing_plugin_says_which(
    ganforge: Ganforge, plugin: Callable[[str], None], tmp_path: Path
) -> None:
    plugin(
        "from ganforge import hookimpl\n"
        "@hookimpl\n"
        "def register_losses(register):\n"
        "    register('fine', 'ganforge_losses.losses:Hinge')\n"
    )
    done = ganforge("run", "smoke", "train.steps=2", "loss={use: fine}", "-q")
    assert done.code == 0, done.err
    shutil.rmtree(tmp_path / "plugins")
    done = ganforge("resume", "runs/smoke/00001", "train.steps=4", "-q")
    assert done.code == 2
    assert "unknown loss 'fine'" in done.err
    assert "The run was made with what is not installed: acme (acme-gan 0.3)." in done.err
