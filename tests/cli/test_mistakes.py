"""A user's mistake: one clear message, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from commandline import SHORT, Ganforge


@pytest.mark.parametrize(
    ("arguments", "code", "texts"),
    [
        (["run", "mnist_dcgann"], 2, ["no recipe 'mnist_dcgann'", "Did you mean 'mnist_dcgan'?"]),
        (["run", "nowhere/x.yaml"], 2, ["no recipe 'nowhere/x.yaml'", "Available: grid_gan"]),
        (
            ["run", "smoke", "generator.use=dcgam"],
            2,
            ["unknown generator 'dcgam'", "Did you mean 'dcgan'?", "generator.use=dcgam", "^"],
        ),
        (
            ["run", "smoke", "generator.chanels=3"],
            2,
            ["generator 'dcgan': unknown option 'chanels'", "Did you mean 'channels'?"],
        ),
        (
            ["run", "smoke", "train.batch_size=0"],
            2,
            ["train: batch_size: should be greater than or equal to 1, not 0"],
        ),
        (
            ["run", "smoke", "train.epochs=1"],
            2,
            ["give exactly one of 'epochs' and 'steps'"],
        ),
        (["run", "smoke", "trian.steps=1"], 2, ["unknown key 'trian'", "Did you mean 'train'?"]),
        (["run", "smoke", "--device", "cuda:99"], 2, ["device 'cuda:99' cannot be used here"]),
        (["run", "smoke", "--device", "gpu"], 2, ["device 'gpu' cannot be used here", "auto, cpu"]),
        (
            ["run", "smoke", "-o", "/proc/ganforge"],
            1,
            ["cannot make a run folder in '/proc/ganforge/smoke'", "-o DIR"],
        ),
        (
            ["run", "smoke", "dataset.root=nowhere"],
            1,
            ["nowhere"],
        ),
        (
            ["run", "smoke", "dataset.size=30"],
            2,
            ["30"],
        ),
        (
            ["run", "smoke", "train.batch_size=20000"],
            1,
            ["10000 samples, fewer than one batch of 20000"],
        ),
        (
            ["run", "smoke", "loss.use=nothing", "seed=-1"],
            2,
            ["2 problems", "unknown loss", "seed"],
        ),
        (
            ["run", "smoke", "train.steps=null", "train.epochs=.inf"],
            2,
            ["train: epochs: should be"],
        ),
        (["run", "smoke", "optimizer.generator.lr=.inf"], 2, ["lr: should be a finite number"]),
        (["run", "smoke", "--device", "meta"], 2, ["ganforge trains on cpu, cuda or mps"]),
        (
            ["run", "smoke", "optimizer.generator={use: sgd, nesterov: true}"],
            2,
            ["optimizer 'sgd': nesterov needs a momentum"],
        ),
        (["resume", "runs"], 2, ["'runs' is no run folder"]),
        (["generate", "nothing.safetensors"], 2, ["there is no file 'nothing.safetensors'"]),
        (["describe", "generator", "dcgam"], 2, ["unknown generator", "Did you mean 'dcgan'?"]),
        (["describe", "gen", "dcgan"], 2, ["'gen' is not one of"]),
        (["runn"], 2, ["No such command 'runn'", "'run'"]),
    ],
)
def test_the_message_says_what_where_and_what_next(
    in_process: Ganforge, tmp_path: Path, arguments: list[str], code: int, texts: list[str]
) -> None:
    done = in_process(*arguments)
    assert done.code == code, done.err
    for text in texts:
        assert text in done.err
    assert done.out == ""
    assert not (tmp_path / "runs").exists()


def test_a_corrupt_data_file_is_named(ganforge: Ganforge, tmp_path: Path) -> None:
    root = tmp_path / "mnist"
    shutil.copytree(str(files("ganforge_mnist") / "data"), root)
    labels = root / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[100] = 3 if content[100] != 3 else 4
    labels.write_bytes(gzip.compress(bytes(content)))
    done = ganforge("run", "smoke", *SHORT, "dataset.root=mnist")
    assert done.code == 1
    assert "t10k-labels-idx1-ubyte.gz" in done.err
    assert "SHA-256" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_no_export_is_refused(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not at all")
    done = in_process("generate", "x.safetensors")
    assert done.code == 1
    assert "not a readable safetensors file" in done.err


def damage(checkpoint: Path) -> None:
    state = checkpoint / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])


def test_a_damaged_checkpoint_is_passed_over(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    run = shutil.copytree(short_run, tmp_path / "run")
    damage(run / "checkpoints" / "step_00000006")
    done = in_process("resume", "run", "train.steps=9", "-q")
    assert done.code == 0, done.err
    told, *_ = done.err.splitlines()
    assert told.startswith("step_00000006 is damaged (state.pt has 1,000 bytes in place of ")
    assert told.endswith("); going on from step_00000003")
    rows = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 10))


def test_only_damaged_checkpoints_are_refused(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    run = shutil.copytree(short_run, tmp_path / "run")
    for checkpoint in (run / "checkpoints").iterdir():
        damage(checkpoint)
    done = in_process("resume", "run", "train.steps=9")
    assert done.code == 1
    assert "no checkpoint in run/checkpoints can be read: step_00000006: state.pt has" in done.err
    assert "Start the run afresh" in done.err


def test_a_checkpoint_of_another_recipe_is_refused_with_what_changed(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    run = shutil.copytree(short_run, tmp_path / "run")
    recipe = run / "recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("channels: 8", "channels: 16").replace("steps: 6", "steps: 9"))
    done = in_process("resume", "run")
    assert done.code == 2
    assert done.err.splitlines() == [
        "Error: the recipe is no longer the one that the checkpoint was made with:",
        "  generator.channels: 8 -> 16",
        "  discriminator.channels: 8 -> 16",
        "Put it back, start another run, or go on with it all the same: --allow-changes",
    ]
    done = in_process("resume", "run", "--allow-changes")
    assert done.code == 1
    assert "the checkpoint does not fit the network 'generator'" in done.err


def test_another_learning_rate_only_if_the_user_insists(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    run = shutil.copytree(short_run, tmp_path / "run")
    words = ["resume", "run", "train.steps=7", "optimizer.generator.lr=0.5", "-q"]
    done = in_process(*words)
    assert done.code == 2
    assert "  optimizer.generator.lr: 0.001 -> 0.5\n" in done.err
    assert "lr: 0.5" not in (run / "recipe.yaml").read_text()
    done = in_process(*words, "--allow-changes")
    assert done.code == 0, done.err
    assert "changed: optimizer.generator.lr: 0.001 -> 0.5\n" in done.err
    assert "lr: 0.5" in (run / "recipe.yaml").read_text()


def test_a_checkpoint_of_other_versions_is_told(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    run = shutil.copytree(short_run, tmp_path / "run")
    place = run / "checkpoints" / "step_00000006"
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["torch"] = "2.0.1"
    text = json.dumps(manifest).encode()
    (place / "manifest.json").write_bytes(text)
    seal = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n"
    (place / "manifest.sha256").write_text(seal)
    done = in_process("resume", "run", "train.steps=7", "-q")
    assert done.code == 0, done.err
    assert "the checkpoint was written with torch 2.0.1, this is" in done.err


def test_two_processes_do_not_write_into_one_run(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    run = shutil.copytree(short_run, tmp_path / "run")
    holder = "import sys, time\nfrom pathlib import Path\nfrom ganforge.runlock import hold\n"
    holder += "with hold(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(run)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        done = in_process("resume", "run", "train.steps=7")
        assert done.code == 1
        assert f"another process is writing into 'run': process {other.pid} on " in done.err
    finally:
        other.kill()  # as a crash would: the lock goes with the process
        other.wait()
    assert in_process("resume", "run", "train.steps=7", "-q").code == 0
    assert not (run / ".lock.json").exists()


def test_a_discriminator_makes_no_samples(in_process: Ganforge, short_run: Path) -> None:
    done = in_process("generate", str(short_run / "discriminator.safetensors"))
    assert done.code == 2
    assert "is of kind discriminator and makes no samples" in done.err


def test_a_plugins_fault_names_the_plugin_and_shows_it(
    ganforge: Ganforge, plugin: Callable[[str], None]
) -> None:
    plugin(
        "from ganforge import hookimpl\n"
        "from ganforge.api import Callback\n"
        "@hookimpl\ndef register_callbacks(register): register('fault', Fault)\n"
        "class Fault(Callback):\n"
        "    def __init__(self) -> None: pass\n"
        "    def on_step(self, run, values): return [][len(values)]\n"
    )
    done = ganforge("run", "smoke", SHORT[0], "callbacks=[{use: fault}]", traceback=True)
    assert done.code == 1
    assert "acme_gan.py" in done.err  # the traceback
    assert done.err.splitlines()[-2:] == [
        "Error: plugin 'acme' (acme-gan 0.3) failed: IndexError('list index out of range')",
        "What the run saved before is untouched.",
    ]
