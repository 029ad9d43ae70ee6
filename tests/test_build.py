"""From a checked recipe to a run: what does not fit is told before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from ganforge import build, hookimpl, runfolder
from ganforge.device import choose
from ganforge.engine.run import Run
from ganforge.errors import GanforgeError, PluginError, UsageError
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.overrides import apply_overrides
from ganforge.recipe.reader import read_file
from ganforge.recipe.shipped import folder

MakeRun = Callable[..., Run]


class Faulty(nn.Module):
    """A generator that fails in its constructor, in its forward pass, or in its shape."""

    def __init__(self, *, how: str, latent_dim: int) -> None:
        super().__init__()
        if how == "constructor":
            raise ZeroDivisionError("a bug of the plugin")
        self.how = how
        self.layer = nn.Linear(latent_dim, 16)

    def forward(self, latents: Tensor) -> Tensor:
        if self.how == "forward":
            raise IndexError("another bug")
        return self.layer(latents).reshape(-1, 1, 4, 4)


def prepare(*overrides: str) -> build.Prepared:
    module = ModuleType("faulty")

    @hookimpl
    def register_generators(register):  # type: ignore[no-untyped-def]
        register("faulty", Faulty)
        register("not_a_module", lambda *, latent_dim: latent_dim)

    module.register_generators = register_generators  # type: ignore[attr-defined]
    document = read_file(folder() / "smoke.yaml")
    apply_overrides(document, list(overrides))
    recipe = check(document, load_registry(extra=[module]))
    return build.prepare(recipe, device=torch.device("cpu"))


def test_a_fault_in_a_constructor_is_reported_as_the_plugins() -> None:
    with pytest.raises(PluginError) as caught:
        prepare("generator={use: faulty, how: constructor}")
    assert caught.value.message.startswith("generator 'faulty' of plugin 'faulty'")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_fault_in_a_forward_pass_is_found_before_training() -> None:
    with pytest.raises(PluginError, match=r"generator .faulty. of plugin .faulty.*another bug"):
        prepare("generator={use: faulty, how: forward}")


def test_a_shape_that_does_not_fit_the_data_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        prepare("generator={use: faulty, how: shape}")
    assert caught.value.message == (
        "generator 'faulty' makes samples of shape (1, 4, 4), but the data are (1, 28, 28)"
    )


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(
        PluginError, match=r"is no torch\.nn\.modules\.module\.Module but <class 'int'>"
    ):
        prepare("generator={use: not_a_module}")


def test_the_random_start_of_a_network_depends_on_the_seed_and_its_name_only() -> None:
    def weights(*overrides: str) -> dict[str, Tensor]:
        return prepare(*overrides).trainer.networks["generator"].state_dict()

    one, other = weights(), weights("discriminator.channels=16", "dataset.classes=[3]")
    assert all(torch.equal(one[name], other[name]) for name in one)
    different = weights("seed=1")
    assert any(not torch.equal(one[name], different[name]) for name in one)


def test_building_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    prepare()
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (["train={epochs: 1, batch_size: 128}"], 78),  # 10,000 // 128
        (["train={epochs: 2.5, batch_size: 128}"], 195),
        (["train={epochs: 5, batch_size: 128}", "game={use: two_player, d_steps: 5}"], 78),
        (["train={epochs: 1, batch_size: 128}", "dataset.split=train"], 468),
        # 93.6: the last epoch is completed
        (["train={epochs: 1, batch_size: 128}", "dataset.split=train", "game.d_steps=5"], 94),
        (["train={epochs: 0.29, batch_size: 100}"], 29),
    ],
)
def test_epochs_become_steps(overrides: list[str], steps: int) -> None:
    assert prepare(*overrides).trainer.settings.total_steps == steps


def test_the_same_component_can_be_used_twice(make_run: MakeRun) -> None:
    run = make_run("callbacks=[{use: sample_grid, count: 4}, {use: sample_grid, count: 9}]")
    assert [name for name in run.callbacks if "sample" in name] == ["sample_grid", "sample_grid_2"]


def test_run_folders_count_up_past_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "x" / "00007").mkdir(parents=True)
    (tmp_path / "x" / "notes").mkdir()
    assert runfolder.create(tmp_path, "x").name == "00008"
    (tmp_path / "file").write_text("")
    with pytest.raises(GanforgeError, match="cannot make a run folder"):
        runfolder.create(tmp_path / "file", "x")


def test_the_device_is_chosen_or_refused_with_what_there_is() -> None:
    assert choose("cpu").type == "cpu"
    assert choose(None) == choose("auto")
    with pytest.raises(UsageError) as caught:
        choose("warp")
    assert "device 'warp' cannot be used here" in caught.value.message
    assert "Available: auto, cpu" in str(caught.value.hint)
