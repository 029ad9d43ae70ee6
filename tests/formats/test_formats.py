"""Runs kept from each released format: what was saved once can be loaded for ever."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
from keptruns import CPU, EXPORTS, describe, describe_state, digests
from PIL import Image

from ganforge import build, export
from ganforge.cli import main
from ganforge.engine import checkpoint
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.reader import read_file

HERE = Path(__file__).parent
FOLDERS = sorted(path for path in HERE.glob("checkpoint_*") if path.is_dir())
SUMS = HERE / "SHA256SUMS"
STEPS = 7
"""How far each kept run has come."""

Command = Callable[..., tuple[int, str]]

each_format = pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture
def ganforge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """``ganforge(*arguments)`` in an empty folder: the exit code and all that was said."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ganforge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(capfd.readouterr())
        assert "Traceback" not in said
        return int(ended.value.code or 0), said

    return call


def copied(kept: Path, tmp_path: Path) -> Path:
    """The folder of a run as its owner has it, without what only the tests know."""
    ignored = shutil.ignore_patterns("expected.json")
    return shutil.copytree(kept, tmp_path / "run", ignore=ignored)


def expected(kept: Path) -> Any:
    return json.loads((kept / "expected.json").read_text())


def manifest_of(run: Path, step: int = STEPS) -> Any:
    path = run / "checkpoints" / f"step_{step:08d}" / checkpoint.MANIFEST
    return json.loads(path.read_text())


def description_of(exported: Path) -> Any:
    """What an exported file says of its network, as it stands there."""
    with safetensors.safe_open(exported, "pt") as file:
        return json.loads(file.metadata()["ganforge"])


def rows(run: Path) -> list[Any]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_every_format_that_is_written_or_read_has_a_kept_run() -> None:
    kept = {manifest_of(folder)["format"]: folder.name for folder in FOLDERS}
    assert kept == {number: f"checkpoint_{number}" for number in checkpoint.READABLE}
    assert checkpoint.FORMAT in checkpoint.READABLE
    exports = {description_of(folder / name)["format"] for folder in FOLDERS for name in EXPORTS}
    assert export.FORMAT in exports


def test_no_kept_file_was_changed_added_or_lost() -> None:
    lines = [line.split("  ", 1) for line in SUMS.read_text().splitlines()]
    sums = {path: digest for digest, path in lines}
    there = {
        f"{folder.name}/{path}": hashlib.sha256(content).hexdigest()
        for folder in FOLDERS
        for path, content in contents(folder).items()
    }
    assert there == sums


@each_format
def test_it_loads_to_the_very_bits_that_were_written(kept: Path) -> None:
    found = json.loads(json.dumps(describe(kept)))  # keys and tuples as JSON has them
    wanted = expected(kept)
    assert found["checkpoint"] == wanted["checkpoint"]
    assert len(wanted["checkpoint"]["tensors"]) > 50
    for name in EXPORTS:
        one, other = found["exports"][name], wanted["exports"][name]
        assert one["tensors"] == other["tensors"]
        # Later versions may say more of a network, with defaults for what is not in the file.
        codes = {"categorical": [], "continuous": 0}
        assert one["facts"].pop("latent") == {**codes, **other["facts"].pop("latent")}
        assert {key: one["facts"][key] for key in other["facts"]} == other["facts"]
    newest = checkpoint.load_newest(kept / "checkpoints", device=CPU, tell=pytest.fail)
    assert newest.path.name == f"step_{STEPS:08d}"
    assert digests(newest.state) == wanted["checkpoint"]["tensors"]


@each_format
def test_todays_trainer_takes_all_of_the_state(kept: Path, tmp_path: Path) -> None:
    # Whatever it left out would be missing where it gives its state back.
    recipe = check(read_file(kept / "recipe.yaml"), load_registry())
    run = build.start(build.prepare(recipe, device=CPU), tmp_path, tell=pytest.fail, quiet=True)
    newest = checkpoint.load_newest(kept / "checkpoints", device=CPU, tell=pytest.fail)
    before = digests(run.state_dict())
    run.load_state_dict(newest.state)
    after = json.loads(json.dumps(describe_state(run.state_dict())))
    for part, wanted in expected(kept)["checkpoint"].items():
        own = {path: known for path, known in wanted.items() if path.startswith("trainer/")}
        assert {path: after[part].get(path) for path in own} == own
    weights = "trainer/networks/generator/project.0.weight"
    assert before[weights] != after["tensors"][weights]


@each_format
def test_resume_goes_on_without_gaps_or_doubles(
    kept: Path, tmp_path: Path, ganforge: Command
) -> None:
    run = copied(kept, tmp_path)
    # What a run that was killed some steps after it saved leaves behind.
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({**rows(kept)[-1], "step": STEPS + 1, "seconds": -1.0}) + "\n")
    code, said = ganforge("resume", "run", f"train.steps={STEPS + 2}", "-q")
    assert code == 0, said
    assert "changed: " not in said
    done = rows(run)
    assert [row["step"] for row in done] == list(range(1, STEPS + 3))
    assert done[:STEPS] == rows(kept)
    assert all(row["seconds"] >= done[STEPS - 1]["seconds"] for row in done[STEPS:])
    newest = checkpoint.load_newest(run / "checkpoints", device=CPU, tell=pytest.fail)
    trainer = newest.state["trainer"]
    assert trainer["step"] == STEPS + 2
    assert trainer["feed"]["drawn"] == 2 * (STEPS + 2)  # two steps of the discriminator in each
    taken = {name: state["state"][0]["step"] for name, state in trainer["optimizers"].items()}
    assert taken == {"discriminator": 2 * (STEPS + 2), "generator": STEPS + 2}
    assert description_of(run / EXPORTS[0])["step"] == STEPS + 2


@each_format
def test_generate_makes_a_picture(kept: Path, tmp_path: Path, ganforge: Command) -> None:
    shutil.copy(kept / EXPORTS[0], tmp_path / "alone.safetensors")
    assert ganforge("generate", "alone.safetensors", "-n", "4", "--out", "grid.png")[0] == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (2 + 2 * (16 + 2), 2 + 2 * (16 + 2))
        low, high = picture.convert("L").getextrema()
    assert low != high
    copied(kept, tmp_path)  # the discriminator's file chooses
    best = ("--best-of", "3", "--out-dir", "best")
    assert ganforge("generate", "run", "-n", "2", *best)[0] == 0
    assert len(list((tmp_path / "best").glob("*.png"))) == 2


def test_a_checkpoint_of_the_future_is_refused(tmp_path: Path, ganforge: Command) -> None:
    run = copied(FOLDERS[-1], tmp_path)
    # An older one that could be read: to go back to it would throw away what was trained since.
    future = run / "checkpoints" / f"step_{STEPS + 1:08d}"
    shutil.copytree(run / "checkpoints" / f"step_{STEPS:08d}", future)
    number = max(checkpoint.READABLE) + 1
    changed = {**manifest_of(run), "format": number, "step": STEPS + 1}
    text = json.dumps(changed).encode()
    (future / checkpoint.MANIFEST).write_bytes(text)
    seal = f"{hashlib.sha256(text).hexdigest()}  {checkpoint.MANIFEST}\n"
    (future / checkpoint.SEAL).write_bytes(seal.encode())
    before = contents(run)
    code, said = ganforge("resume", "run", f"train.steps={STEPS + 2}")
    assert code == 1
    readable = ", ".join(map(str, checkpoint.READABLE))
    assert f"checkpoint format {number}, this version reads {readable}" in said
    assert "Resume with the version of ganforge that wrote it." in said
    (run / ".lock").unlink(missing_ok=True)
    assert contents(run) == before


def test_an_export_of_the_future_is_refused(tmp_path: Path, ganforge: Command) -> None:
    kept = FOLDERS[-1] / EXPORTS[0]
    number = export.FORMAT + 1
    facts = {**description_of(kept), "format": number}
    path = tmp_path / "future.safetensors"
    tensors = safetensors.torch.load_file(kept)
    safetensors.torch.save_file(tensors, path, {"ganforge": json.dumps(facts)})
    code, said = ganforge("generate", "future.safetensors")
    assert code == 1
    assert f"it has format {number}; this version reads format {export.FORMAT}" in said
    assert not (tmp_path / "generated.png").exists()
