"""Exported networks: self-describing, safe to read, and clear when they cannot be used."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from ganforge import export
from ganforge.engine.run import Run
from ganforge.errors import GanforgeError, UsageError
from ganforge.plugins import load_registry

CPU = torch.device("cpu")
MakeRun = Callable[..., Run]


@pytest.fixture
def exported(make_run: MakeRun) -> Path:
    run = make_run("ema={decay: 0.9}")
    run.play()
    return run.folder / "generator.safetensors"


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of an exported file whose description is changed."""
    with safetensors.safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["ganforge"])
    change(facts)
    tensors = safetensors.torch.load_file(path)
    other = path.with_name("changed.safetensors")
    safetensors.torch.save_file(tensors, other, {"ganforge": json.dumps(facts)})
    return other


def test_the_file_gives_the_averaged_network_back(make_run: MakeRun) -> None:
    run = make_run("ema={decay: 0.9}")
    run.play()
    back = export.read(run.folder / "generator.safetensors", load_registry(), device=CPU)
    latents = back.latent.sample(4, torch.Generator().manual_seed(1))
    assert torch.equal(back(latents), run.sample(latents))
    own = run.trainer.networks["generator"].eval()
    assert not torch.equal(back(latents), own(latents))
    assert back.facts["averaged"] is True
    assert back.facts["step"] == 6
    assert back.facts["package"].startswith("ganforge ")
    assert back.facts["sample_shape"] == [1, 28, 28]


def test_a_missing_plugin_is_named(exported: Path) -> None:
    def change(facts: dict[str, Any]) -> None:
        facts.update(plugin="acme", use="superb", package="ganforge-acme 3.1")

    with pytest.raises(GanforgeError) as caught:
        export.read(rewrite(exported, change), load_registry(), device=CPU)
    assert "needs generator 'acme:superb' of ganforge-acme 3.1" in caught.value.message
    assert caught.value.hint == "pip install ganforge-acme"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: f.update(format=99), "has format 99; this version reads format 1"),
        (lambda f: f.pop("latent"), "latent: Field required"),
        (lambda f: f["latent"].update(distribution="x"), "latent.distribution: Input should be"),
        (lambda f: f.update(options=3), "options: Input should be an object"),
        (
            lambda f: f["injected"].pop("latent_dim"),
            "its description is damaged: it does not say latent_dim",
        ),
        (lambda f: f["options"].update(channels=-1), "channels: should be greater than"),
        (
            lambda f: f["options"].update(channels=4),
            "its description is damaged: it makes .project",
        ),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    exported: Path, change: Callable[[dict[str, Any]], None], text: str
) -> None:
    with pytest.raises(GanforgeError, match=text):
        export.read(rewrite(exported, change), load_registry(), device=CPU)


def test_a_file_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(UsageError, match="does not say how to build its network"):
        export.read(path, load_registry(), device=CPU)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    path, proof = tmp_path / "generator.safetensors", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Bomb(proof)))
    with pytest.raises(GanforgeError, match="not a readable safetensors file"):
        export.read(path, load_registry(), device=CPU)
    assert not proof.exists()


def test_tied_weights_are_written_once_each(tmp_path: Path) -> None:
    network = torch.nn.ModuleDict({"one": torch.nn.Linear(2, 2)})
    network["other"] = network["one"]
    export.write(tmp_path / "tied.safetensors", network, {})
    back = safetensors.torch.load_file(tmp_path / "tied.safetensors")
    assert torch.equal(back["one.weight"], back["other.weight"])
