"""The callbacks, each in a real run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.engine import checkpoint
from ganforge.engine.callback import Callback
from ganforge.engine.run import Run
from ganforge.engine.tally import Values
from ganforge.errors import UsageError
from ganforge_callbacks.history import History
from ganforge_callbacks.loss_plot import plot, smoothed
from ganforge_callbacks.metrics import Metrics, read_rows
from ganforge_callbacks.progress import describe, duration
from ganforge_callbacks.sample_grid import SampleGrid
from ganforge_callbacks.terminal_preview import half_blocks, shades

MakeRun = Callable[..., Run]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_grids_come_by_steps_by_named_epochs_and_at_the_end(make_run: MakeRun) -> None:
    run = make_run(
        "dataset.classes=[1]",  # 1,135 test images: two batches of 500
        "train.batch_size=500",
        "train.steps=5",
        "callbacks=[{use: sample_grid, every: 3 steps, count: 6, columns: 3, at_epochs: [2]}]",
    )
    assert run.play() == "finished"
    assert names(run.folder / "samples") == [
        "epoch_0002.png",
        "step_0000003.png",
        "step_0000005.png",
    ]
    picture = Image.open(run.folder / "samples" / "step_0000005.png")
    assert picture.size == (3 * 30 + 2, 2 * 30 + 2)
    shown = np.asarray(picture)[2:30, 2:30]
    sample = run.sample(run.fixed_latents(6))[0, 0]
    assert np.array_equal(shown, ((sample + 1) * 127.5).round().clamp(0, 255).byte().numpy())


def test_fixed_latents_are_the_same_in_the_whole_run(make_run: MakeRun) -> None:
    run = make_run("callbacks=[{use: sample_grid, enabled: false}]")
    before = run.fixed_latents(3)
    run.play()
    assert torch.equal(before, run.fixed_latents(3))


def test_metrics_are_the_values_of_every_step(make_run: MakeRun) -> None:
    run = make_run()
    seen: list[dict[str, float]] = []

    class Recorder(Callback):
        def on_step(self, run: Run, values: Values) -> None:
            seen.append({name: float(value) for name, value in values.items()})

    run.callbacks = {**run.callbacks, "recorder": Recorder()}
    run.play()
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [{k: v for k, v in row.items() if "/" in k} for row in rows] == seen
    assert rows[-1]["epoch"] == pytest.approx(6 * 8 / 10_000, abs=1e-4)
    assert sorted(row["seconds"] for row in rows) == [row["seconds"] for row in rows]
    assert set(seen[0]) == {
        "discriminator/adversarial",
        "discriminator/loss",
        "discriminator/belief_real",
        "discriminator/belief_fake",
        "generator/adversarial",
        "generator/loss",
        "generator/belief_fake",
    }


def test_metrics_wait_in_memory_until_enough_have_come(make_run: MakeRun) -> None:
    metrics = Metrics(every=2, flush=2)
    run = make_run()
    run.callbacks = {"metrics": metrics}
    metrics.on_start(run)
    counts = []
    for _ in range(8):
        metrics.on_step(run, run.trainer.step())
        counts.append(len((run.folder / "metrics.jsonl").read_text().splitlines()))
    assert counts == [0, 0, 0, 2, 2, 2, 2, 4]


def test_checkpoints_keep_the_newest_few(make_run: MakeRun) -> None:
    run = make_run("callbacks=[{use: checkpoint, every: 1 steps, keep: 2}]")
    run.play()
    assert list(checkpoint.steps(run.checkpoints)) == [5, 6]


def test_the_end_is_saved_without_the_callback_too(make_run: MakeRun) -> None:
    run = make_run("callbacks=[{use: checkpoint, enabled: false}]")
    run.play()
    assert list(checkpoint.steps(run.checkpoints)) == [6]


def test_watching_does_not_change_the_training(make_run: MakeRun) -> None:
    plain = make_run(
        "callbacks=[{use: sample_grid, enabled: false}, {use: metrics, enabled: false},"
        " {use: loss_plot, enabled: false}, {use: checkpoint, enabled: false}]"
    )
    watched = make_run(
        "callbacks=[{use: sample_grid, every: 1 steps}, {use: checkpoint, every: 1 steps}]"
    )
    plain.play()
    watched.play()
    for name, network in plain.trainer.networks.items():
        other = watched.trainer.networks[name].state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(value, other[key]), f"{name}: {key}"


def test_the_loss_plot_needs_the_metrics(make_run: MakeRun) -> None:
    run = make_run("callbacks=[{use: metrics, enabled: false}]")
    with pytest.raises(UsageError, match="'loss_plot' draws what the callback 'metrics' writes"):
        run.play()
    assert run.outcome == "failed"


def test_the_loss_plot_shows_every_phase(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": s, "discriminator/loss": 1.0, "encoder/loss": s / 10} for s in range(1, 101)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 101, "disc')
    history = History(path)
    history.read()
    assert set(history.losses) == {"discriminator", "encoder"}
    (tmp_path / "a.png").write_bytes(plot(history.losses, title="t", steps_per_epoch=10))
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).reshape(-1, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):  # both lines are there
        assert (np.abs(pixels.astype(int) - colour).sum(axis=1) < 12).sum() > 100


def test_smoothing_is_a_centred_mean_that_shortens_at_the_ends() -> None:
    values = np.array([1.0, 2.0, 6.0, 3.0])
    assert smoothed(values, 3).tolist() == [1.5, 3.0, 11 / 3, 4.5]
    assert smoothed(values, 1).tolist() == values.tolist()


def test_progress_tells_losses_and_beliefs_once() -> None:
    values = {
        "discriminator/adversarial": torch.tensor(1.3),
        "discriminator/loss": torch.tensor(1.25),
        "discriminator/belief_real": torch.tensor(0.6),
        "discriminator/belief_fake": torch.tensor(0.4),
        "generator/loss": torch.tensor(0.7),
        "generator/belief_fake": torch.tensor(0.3),
    }
    told = "discriminator loss 1.250  generator loss 0.700  D(x) 0.60  D(G(z)) 0.40"
    assert describe(values) == told
    assert [duration(s) for s in (9, 75, 3725)] == ["0:09", "1:15", "1:02:05"]


def test_a_picture_becomes_half_blocks_or_shades() -> None:
    picture = Image.new("L", (2, 4))
    picture.putdata([0, 255, 10, 20, 255, 255, 255, 255])
    text = half_blocks(picture)
    assert text.plain == "▀▀\n▀▀\n"
    assert str(text.spans[1].style) == "rgb(255,255,255) on rgb(20,20,20)"
    assert shades(Image.new("L", (3, 4), 255)).plain == "███\n███\n"
    assert shades(Image.new("L", (3, 4), 0)).plain == "   \n   \n"


def test_a_failed_run_draws_no_last_grid(make_run: MakeRun) -> None:
    """It is saved all the same: the step before the fault was whole."""
    told: list[str] = []
    run = make_run("callbacks=[{use: sample_grid, every: 100 steps}]", tell=told.append)

    class Fault(Callback):
        def on_step(self, run: Run, values: Values) -> None:
            raise RuntimeError("a fault in a callback")

    run.callbacks = {**run.callbacks, "fault": Fault()}
    assert any(isinstance(callback, SampleGrid) for callback in run.callbacks.values())
    with pytest.raises(RuntimeError, match="a fault in a callback"):
        run.play()
    assert told == [f"Saved is step 1. To go on from there: ganforge resume {run.folder}"]
    assert (run.folder / "checkpoints" / "step_00000001").is_dir()
    assert not (run.folder / "samples").exists()
    assert len((run.folder / "metrics.jsonl").read_text().splitlines()) == 1


def test_samples_that_are_no_pictures_are_refused_before_training(make_run: MakeRun) -> None:
    run = make_run()
    run.facts = dataclasses.replace(run.facts, sample_shape=(2,))
    with pytest.raises(UsageError, match=r"'sample_grid' cannot draw samples of shape \(2,\)"):
        run.play()
    assert run.clock.step == 0


def test_lines_that_are_no_rows_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n\xff\xfe\n7\n{}\n{"step": "x"}\n{"step": 2}\n{"st')
    assert [row["step"] for row in read_rows(path)] == [1, 2]


def test_a_callback_that_records_before_metrics_makes_no_second_row(make_run: MakeRun) -> None:
    class First(Callback):
        def on_step(self, run: Run, values: Values) -> None:
            if run.clock.step % 2 == 0:
                run.record(noted=run.clock.step)

    run = make_run("train={steps: 5, batch_size: 8}", "callbacks=[{use: metrics, flush: 2}]")
    run.callbacks = {"first": First(), **run.callbacks}
    run.play()
    rows = read_rows(run.folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row.get("noted") for row in rows] == [None, 2, None, 4, None]
    assert all("discriminator/loss" in row for row in rows)
