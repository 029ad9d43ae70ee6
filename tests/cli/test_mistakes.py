"""A user's mistake: one clear message, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from commandline import SHORT, Ganforge


@pytest.mark.parametrize(
    ("arguments", "code", "texts"),
    [
        (["run", "mnist_dcgann"], 2, ["no recipe 'mnist_dcgann'", "Did you mean 'mnist_dcgan'?"]),
        (["run", "nowhere/x.yaml"], 2, ["no recipe 'nowhere/x.yaml'", "Available: mnist_dcgan"]),
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


def test_a_damaged_checkpoint_is_refused(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    shutil.copytree(short_run, tmp_path / "run")
    state = tmp_path / "run" / "checkpoints" / "step_00000006" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    done = in_process("resume", "run", "train.steps=9")
    assert done.code == 1
    assert "step_00000006: this checkpoint cannot be read" in done.err
    assert "Delete the folder to resume from the checkpoint before it" in done.err


def test_a_checkpoint_of_other_networks_is_refused(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    shutil.copytree(short_run, tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("channels: 8", "channels: 16"))
    done = in_process("resume", "run", "train.steps=9")
    assert done.code == 1
    assert "the checkpoint does not fit the network 'generator'" in done.err


def test_a_resumed_run_can_only_get_longer(
    in_process: Ganforge, tmp_path: Path, short_run: Path
) -> None:
    shutil.copytree(short_run, tmp_path / "run")
    done = in_process("resume", "run", "optimizer.generator.lr=0.5")
    assert done.code == 2
    assert "cannot be resumed with 'optimizer.generator.lr=0.5'" in done.err
    assert "ganforge run run/recipe.yaml optimizer.generator.lr=0.5" in done.err


def test_a_discriminator_makes_no_samples(in_process: Ganforge, short_run: Path) -> None:
    done = in_process("generate", str(short_run / "discriminator.safetensors"))
    assert done.code == 2
    assert "holds a discriminator, which makes no samples" in done.err


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
