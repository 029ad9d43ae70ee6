"""Nothing that a stranger sends leads elsewhere: no file is read, written, run or deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from forging import STEP, Call, described

from ganforge.engine import checkpoint

CPU = torch.device("cpu")
RUNS = "from pathlib import Path\nPath({!r}).touch()\nfrom ganforge import hookimpl\n"
LOSS = "@hookimpl\ndef register_losses(register):\n    register('x', 'elsewhere:X')\n"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's, outside of the run; every byte of it stays."""
    path = tmp_path / "precious"
    path.mkdir()
    (path / "file").write_bytes(b'{"step": 99}\n')
    (path / "elsewhere.py").write_text(RUNS.format(str(tmp_path / "executed")) + LOSS)
    return path


def seen(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def linked(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


LINKS = ["metrics.jsonl", "generator.safetensors", ".partial_generator.safetensors", ".lock",
         "plots/losses.png", f"checkpoints/{STEP}/state.pt", "samples/step_00000008.png",
         "checkpoints/.partial_step_00000008"]  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_a_link_out_of_a_run(run: Path, precious: Path, ganforge: Call, name: str) -> None:
    linked(run / name, precious / "file")
    before = seen(precious)
    code, said = ganforge("resume", str(run), "-q", "train.steps=8")
    assert code == 2
    assert f"'{run / name}' is a link that leads out of the run's folder" in said
    assert seen(precious) == before


@pytest.mark.parametrize("name", ["samples", "plots", "checkpoints/step_00000009"])
def test_a_folder_that_is_a_link(run: Path, precious: Path, ganforge: Call, name: str) -> None:
    for path in run.glob(f"{name}/*"):
        path.unlink()
    if (run / name).is_dir():
        (run / name).rmdir()
    (run / name).symlink_to(precious)
    code, said = ganforge("resume", str(run), "-q", "train.steps=8")
    assert (code, "leads out of the run's folder" in said) == (2, True)
    assert set(seen(precious)) == {"file", "elsewhere.py"}


def test_a_pipe_in_a_run(run: Path, ganforge: Call) -> None:
    """To read one is to wait for ever."""
    (run / "metrics.jsonl").unlink(missing_ok=True)
    os.mkfifo(run / "metrics.jsonl")
    code, said = ganforge("resume", str(run), "-q", "train.steps=8")
    assert (code, "is no file that a run writes" in said) == (2, True)


def test_a_link_within_a_run_is_its_own(run: Path, ganforge: Call) -> None:
    (run / "newest").symlink_to(Path("checkpoints") / STEP)
    assert ganforge("resume", str(run), "-q", "train.steps=7")[0] == 0


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", "state.pt"])
def test_a_checkpoint_of_links(run: Path, precious: Path, name: str) -> None:
    path = run / "checkpoints" / STEP
    (precious / name).write_bytes((path / name).read_bytes())
    linked(path / name, precious / name)
    with pytest.raises(checkpoint.CheckpointError, match="is a file elsewhere"):
        checkpoint.load(path, device=CPU)


def named(run: Path, plugin: str) -> None:
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    (run / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "plugins": [plugin]}))


@pytest.mark.parametrize("command", ["resume", "generate"])
@pytest.mark.parametrize("how", ["relative", "absolute", "link"])
def test_a_plugin_elsewhere(
    run: Path, precious: Path, ganforge: Call, tmp_path: Path, command: str, how: str
) -> None:
    """The recipe of a run names copies of plugins in its own folder, and no others."""
    plugin = precious / "elsewhere.py"
    if how == "link":
        linked(run / "plugins" / "elsewhere.py", plugin)
    names = {"relative": "../precious/elsewhere.py", "absolute": str(plugin)}
    named(run, names.get(how, "plugins/elsewhere.py"))
    out = ("--out", str(tmp_path / "x.png")) if command == "generate" else ("-q",)
    code, said = ganforge(command, str(run), *out)
    assert code == 2
    assert "is not in its folder" in said or "leads out of the run's folder" in said
    assert not (tmp_path / "executed").exists()


def test_a_plugin_of_the_runs_own(run: Path, precious: Path, ganforge: Call) -> None:
    (run / "plugins").mkdir()
    (run / "plugins" / "own.py").write_text((precious / "elsewhere.py").read_text())
    named(run, "plugins/own.py")
    assert ganforge("resume", str(run), "-q", "train.steps=7")[0] == 0


@pytest.mark.parametrize("name", ["../../x", "/x", "..", "a/b", "a\\b", ".x", "x\0y", "-x"])
def test_a_recipe_whose_name_is_a_path(
    tmp_path: Path, ganforge: Call, run: Path, name: str
) -> None:
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps({**recipe, "name": name}))
    code, said = ganforge("run", str(path), "-o", str(tmp_path / "deep" / "runs"))
    assert (code, f"{path}:1:" in said) == (2, True)
    assert {each.name for each in tmp_path.iterdir()} == {"x.yaml", "run"}


def test_a_plugin_file_that_an_export_names(
    run: Path, precious: Path, ganforge: Call, tmp_path: Path
) -> None:
    """It is told, and never loaded."""
    plugin = str(precious / "elsewhere.py")
    path = tmp_path / "x.safetensors"
    path.write_bytes(described(run, plugin_file=plugin, plugin="elsewhere", use="x", kind="loss"))
    code, said = ganforge("generate", str(path))
    assert code == 1
    assert f"Load it with -p {plugin}" in said
    assert not (tmp_path / "executed").exists()


def test_manifests_name_no_files_elsewhere(
    run: Path, precious: Path, sealed: Callable[..., Path]
) -> None:
    for name in ("../../../precious/file", str(precious / "file"), "..", ".", "", "x/../../y"):
        path = sealed(files={name: {"bytes": 13, "sha256": "0" * 64}})
        with pytest.raises(checkpoint.CheckpointError) as caught:
            checkpoint.load(path, device=CPU)
        assert any(word in caught.value.reason for word in ("is a file elsewhere", "is no file"))
