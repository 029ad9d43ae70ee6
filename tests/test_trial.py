"""What is faster is tried out before a run has a folder, and left out where it does not work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganforge import build
from ganforge.engine.layout import has_channels_last
from ganforge.errors import GanforgeError, UsageError
from ganforge.plugins import load_registry
from ganforge.recipe.load import load

CPU = torch.device("cpu")

PLUGIN = '''
import torch
from torch import Tensor, nn
from ganforge import hookimpl
from ganforge.api import Dataset


class Noise(Dataset):
    def __init__(self):
        generator = torch.Generator().manual_seed(3)
        images = torch.randint(0, 256, (64, 1, 16, 16), generator=generator, dtype=torch.uint8)
        super().__init__(samples=images)


class Views(nn.Module):
    """As many networks do, it takes for granted that channels come first in memory."""

    def __init__(self, *, image_shape):
        super().__init__()
        self.maps = nn.Conv2d(image_shape[0], 4, 4, 2, 1)
        self.score = nn.Linear(4 * 8 * 8, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.score(self.maps(images).view(len(images), -1))


class Depends(nn.Module):
    """Its scores depend on how images lie in memory, which they never should."""

    def __init__(self, *, image_shape):
        super().__init__()
        self.maps = nn.Conv2d(image_shape[0], 4, 4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        return maps.flatten(1).mean(1) * (1.0 if maps.is_contiguous() else 2.0)


@hookimpl
def register_datasets(register):
    register("noise", Noise, summary="noise")


@hookimpl
def register_discriminators(register):
    register("views", Views, summary="views")
    register("depends", Depends, summary="depends")
'''

RECIPE = """
version: 1
name: tried
plugins: [acme_views.py]
dataset: {{use: noise}}
latent: {{dim: 4}}
generator: {{use: dcgan, channels: 4}}
discriminator: {{use: {discriminator}}}
loss: {{use: non_saturating}}
optimizer:
  generator: {{use: adam}}
  discriminator: {{use: adam}}
train: {{steps: 2, batch_size: 8, {train}}}
"""


def prepared(tmp_path: Path, discriminator: str, train: str = "workers: 0") -> build.Prepared:
    (tmp_path / "acme_views.py").write_text(PLUGIN)
    path = tmp_path / "tried.yaml"
    path.write_text(RECIPE.format(discriminator=discriminator, train=train))
    recipe, _ = load(path, load_registry())
    return build.prepare(recipe, device=CPU)


def last(made: build.Prepared) -> bool:
    return any(map(has_channels_last, made.trainer.networks.values()))


def test_images_lie_with_channels_last_without_a_word(tmp_path: Path) -> None:
    made = prepared(tmp_path, "dcgan")
    assert last(made)
    assert not made.notes


def test_a_network_that_cannot_do_with_it_trains_all_the_same(tmp_path: Path) -> None:
    made = prepared(tmp_path, "views")
    assert not last(made)
    (note,) = made.notes
    assert note.startswith("channels_last does not work here, so it is left out: discriminator: ")
    assert made.trainer.step()["discriminator/loss"].isfinite()


def test_what_the_user_asked_for_is_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="discriminator: discriminator 'views' does not fit"):
        prepared(tmp_path, "views", "memory_format: channels_last")


def test_verify_says_how_near_the_plain_way_is(tmp_path: Path) -> None:
    made = prepared(tmp_path, "dcgan", "verify: true")
    (note,) = made.notes
    assert note.startswith("verified: losses and gradients are those of the plain way, at most ")
    assert last(made), "it is put back"


def test_verify_refuses_what_is_something_else(tmp_path: Path) -> None:
    with pytest.raises(
        GanforgeError, match=r"train\.verify: \w+/\w+ is .* the plain way"
    ) as caught:
        prepared(tmp_path, "depends", "verify: true")
    assert "memory_format: contiguous" in str(caught.value.hint)
    prepared(tmp_path, "depends", "verify: true, memory_format: contiguous")


def test_verifying_changes_nothing(tmp_path: Path) -> None:
    ends = []
    for train in ("verify: true", "verify: false"):
        made = prepared(tmp_path, "dcgan", train)
        made.trainer.step()
        ends.append(
            torch.cat([p.flatten() for p in made.trainer.networks["generator"].parameters()])
        )
    assert torch.equal(*ends)


def test_compiled_networks_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dynamo without its code generator, which takes half a minute."""
    usual = torch.nn.Module.compile

    def compile_quickly(self: torch.nn.Module) -> None:
        usual(self, backend="aot_eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_quickly)
    made = prepared(tmp_path, "dcgan", "compile: true, verify: true")
    assert made.trainer.execution.compiled
    (note,) = made.notes
    assert note.startswith("verified: ")


def test_without_a_compiler_networks_are_interpreted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: torch.nn.Module) -> None:
        def call(*_: object, **__: object) -> None:
            raise RuntimeError("no working C++ compiler was found")

        self._compiled_call_impl = call

    monkeypatch.setattr(torch.nn.Module, "compile", fails)
    made = prepared(tmp_path, "dcgan", "compile: true")
    assert not made.trainer.execution.compiled
    (note,) = made.notes
    assert "train.compile does not work here, so it is left out: " in note
    assert "no working C++ compiler was found" in note
    assert made.trainer.step()["discriminator/loss"].isfinite()


def test_without_a_gpu_there_are_no_graphs_and_that_is_told(tmp_path: Path) -> None:
    made = prepared(tmp_path, "dcgan", "cuda_graphs: true")
    assert made.notes == [
        "train.cuda_graphs does not work here, so it is left out: it is for NVIDIA's and AMD's "
        "GPUs, and this is device 'cpu'"
    ]
    assert made.trainer.step()["discriminator/loss"].isfinite()
