"""A disk that is full costs what could not be written, and nothing else."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.engine import checkpoint, files
from ganforge.engine.callback import Callback
from ganforge.engine.run import Run
from ganforge.engine.tally import Values
from ganforge.errors import GanforgeError

CPU = torch.device("cpu")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 400 kB; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def state_of(numbers: int) -> dict[str, Any]:
    return {"weights": torch.arange(float(numbers))}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_leaves_the_older_checkpoint_and_names_the_file(small_disk: Path) -> None:
    first = checkpoint.save(small_disk, state_of(10_000), {"step": 1})
    before = content(first)
    with pytest.raises(OSError, match="No space left on device") as caught:
        checkpoint.save(small_disk, state_of(100_000), {"step": 2})
    assert str(caught.value.filename).endswith("step_00000002/state.pt")
    assert content(first) == before
    assert [path.name for path in small_disk.iterdir()] == ["step_00000001"]
    assert (
        checkpoint.load(first, device=CPU).state["weights"].sum()
        == state_of(10_000)["weights"].sum()
    )
    assert checkpoint.save(small_disk, state_of(10_000), {"step": 3}).is_dir()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_an_input_output_error_at_any_place_of_a_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    first = checkpoint.save(tmp_path, state_of(20_000), {"step": 1})
    before = content(first)
    limit = share * (first / "state.pt").stat().st_size
    write = files.HashingWriter.write

    def failing(self: files.HashingWriter, data: bytes) -> int:
        if self.size + len(data) > limit:
            self.error = self.error or OSError(errno.EIO, "Input/output error")
            raise self.error
        return write(self, data)

    monkeypatch.setattr(files.HashingWriter, "write", failing)
    with pytest.raises(OSError, match="Input/output error") as caught:
        checkpoint.save(tmp_path, state_of(20_000), {"step": 2})
    assert str(caught.value.filename).endswith("step_00000002/state.pt")
    assert content(first) == before
    assert list(checkpoint.steps(tmp_path)) == [1]


class Disk:
    """Says 'full' to every save of some steps."""

    def __init__(self, full_at: range) -> None:
        self.full_at = full_at
        self.save = checkpoint.save

    def __call__(self, folder: Path, state: dict[str, Any], manifest: dict[str, Any]) -> Path:
        if manifest["step"] in self.full_at:
            raise OSError(errno.ENOSPC, "No space left on device", f"{folder}/state.pt")
        return self.save(folder, state, manifest)


class SaveAlways(Callback):
    def on_step(self, run: Run, values: Values) -> None:
        run.request_save()


def test_training_goes_on_without_a_save_and_tells_it_once(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    run = make_run(tell=told.append)
    run.callbacks["always"] = SaveAlways()
    monkeypatch.setattr(checkpoint, "save", Disk(range(2, 5)))
    assert run.play() == "finished"
    (line,) = told
    assert line.startswith("step 2: checkpoint: not written: ")
    assert line.endswith("/state.pt: No space left on device; training goes on")
    assert list(checkpoint.steps(run.checkpoints)) == [1, 5, 6]


def test_an_end_that_cannot_be_saved_is_a_failure_that_says_what_is_saved(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tell=lambda line: None)
    run.callbacks["always"] = SaveAlways()
    monkeypatch.setattr(checkpoint, "save", Disk(range(4, 7)))
    with pytest.raises(
        GanforgeError, match=r"step 6 could not be saved: .*; saved is step 3"
    ) as caught:
        run.play()
    assert caught.value.hint == f"Make room, then go on from there: ganforge resume {run.folder}"
    assert run.outcome == "failed"


class Unwritable(Callback):
    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step in (2, 3, 5):
            raise OSError(errno.ENOSPC, "No space left on device", "picture.png")


def test_a_callback_that_cannot_write_stops_nothing(make_run: Any) -> None:
    told: list[str] = []
    run = make_run(tell=told.append)
    run.callbacks["picture"] = Unwritable()
    assert run.play() == "finished"
    expected = (
        "callback 'picture': not written: picture.png: No space left on device; training goes on"
    )
    assert told == [f"step 2: {expected}", f"step 5: {expected}"]


class Shrink(Callback):
    """After two steps there is room for half a row more; after four, for all."""

    def on_step(self, run: Run, values: Values) -> None:
        import resource

        if run.clock.step in (3, 5):
            room = (run.folder / "metrics.jsonl").stat().st_size + 50
            wanted = room if run.clock.step == 3 else resource.RLIM_INFINITY
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (wanted, most))


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is Unix's")
def test_a_row_of_which_half_was_written_comes_once(make_run: Any) -> None:
    told: list[str] = []
    run = make_run("callbacks=[{use: metrics, flush: 1}]", tell=told.append)
    run.callbacks = {"shrink": Shrink(), **run.callbacks}
    assert run.play() == "finished"
    (line,) = told
    assert line.startswith("step 3: callback 'metrics': not written: ")
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
