"""What the plot of the losses keeps of a run of any length."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganforge.api import Run
from ganforge_callbacks.history import Curve, History
from ganforge_callbacks.loss_plot import plot

MakeRun = Callable[..., Run]


def write(path: Path, *rows: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17, 100, 1023])
def test_a_curve_of_any_length_has_few_points_and_keeps_its_means(count: int) -> None:
    curve = Curve(most=8)
    numbers = np.random.default_rng(0).normal(size=count)
    for step, number in enumerate(numbers, start=1):
        curve.add(step, number)
    each = 1
    while count > 8 * each:
        each *= 2
    starts = range(0, count, each)
    assert len(curve) == len(starts)
    steps, samples = curve.samples
    assert steps.tolist() == [1 + start for start in starts]
    assert samples.tolist() == [numbers[start] for start in starts]
    middles, means = curve.means
    assert middles == pytest.approx([np.mean(range(count)[s : s + each]) + 1 for s in starts])
    assert means == pytest.approx([numbers[start : start + each].mean() for start in starts])


def test_it_reads_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    history = History(path)
    write(path, {"step": 1, "g/loss": 1.0}, {"step": 2, "g/loss": 2.0, "d/loss": None})
    history.read()
    path.write_text("x" * 16 + path.read_text()[16:])  # what was read is not read again
    write(path, {"step": 3, "g/loss": 3.0, "g/adversarial": 5.0})
    with path.open("a") as file:
        file.write("no row\n[1]\n" + '{"step": 4, "g/lo')  # the rest of it is still to come
    history.read()
    history.read()
    assert history.losses.keys() == {"g"}
    assert history.losses["g"].samples[1].tolist() == [1.0, 2.0, 3.0]
    with path.open("a") as file:
        file.write('ss": 4.0}\n')
    history.read()
    assert [each.tolist() for each in history.losses["g"].samples] == [[1, 2, 3, 4]] * 2


def test_a_last_row_that_was_taken_back_and_written_again(tmp_path: Path) -> None:
    """As ``metrics`` does when a callback finds something in a step whose row is written."""
    path = tmp_path / "metrics.jsonl"
    history = History(path)
    write(path, {"step": 1, "g/loss": 1.0})
    before = path.stat().st_size
    write(path, {"step": 2, "g/loss": 2.0})
    history.read()
    with path.open("r+") as file:
        file.truncate(before)
    history.read()
    write(path, {"step": 2, "g/loss": 2.0, "health": "mode collapse"}, {"step": 3, "g/loss": 3.0})
    history.read()
    write(path, {"step": 4, "health": "ok"}, {"step": 5, "g/loss": 5.0})
    history.read()
    assert history.losses["g"].samples[0].tolist() == [1, 2, 3, 5]
    assert history.spans() == [("mode collapse", 2, 4)]


def test_the_plot_of_a_run_that_goes_back_has_no_step_twice(make_run: MakeRun) -> None:
    told: list[str] = []
    run = make_run(
        "train={steps: 12, batch_size: 8}",
        "callbacks=[{use: loss_plot, every: 2}]",
        tell=told.append,
    )
    step = run.trainer.step
    went_back: list[int] = []

    def going_back(*given: Any) -> Any:
        values = step(*given)
        if run.clock.step == 4 and not went_back:
            run.request_save()
        if run.clock.step == 9 and not went_back:
            went_back.append(9)
            run.request_rollback("to see what happens")
        return values

    run.trainer.step = going_back  # type: ignore[method-assign]
    run.play()
    assert "going back to step 4" in told[0]
    assert steps_drawn(run) == list(range(1, 13))


def steps_drawn(run: Run) -> list[float]:
    history = run.callbacks["loss_plot"]._history  # type: ignore[attr-defined]
    steps: list[float] = history.losses["generator"].samples[0].tolist()
    return steps


@pytest.mark.parametrize("scale", [1e-30, -0.0007, 1.0, 5e5, -8e5, 1e9])
def test_the_name_of_the_scale_is_within_the_picture(scale: float) -> None:
    curve = Curve()
    for step in range(1, 101):
        curve.add(step, scale * (1.0 + step / 1000))
    picture = Image.open(io.BytesIO(plot({"critic": curve}, title="t", steps_per_epoch=10)))
    ink = np.asarray(picture.convert("L")) < 128
    left = np.flatnonzero(ink.any(axis=0))[0]
    assert 2 <= left < 60
