"""What does not fit is told before a run has a folder, and trying it out changes nothing."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganforge import build, hookimpl
from ganforge.api import AdversarialLoss, AdversarialRound, Regularizer
from ganforge.errors import PluginError, UsageError
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import locate
from ganforge.rehearsal import rehearse

CPU = torch.device("cpu")


class Judge(nn.Module):
    """A discriminator that fails as it is told."""

    def __init__(self, *, how: str = "shape") -> None:
        super().__init__()
        self.how = how
        self.stem = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 8))
        self.head = nn.Linear(9, 1)

    def forward(self, images: Tensor) -> Tensor:
        if self.how == "bug":
            raise KeyError("no such thing")
        return self.head(self.stem(images)[:, :8])


class Hungry(Regularizer):
    """A term that finds no memory."""

    def __call__(self, round: AdversarialRound) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")


class Clumsy(Regularizer):
    """A term with a bug of its own."""

    phase = "generator"

    def __call__(self, round: AdversarialRound) -> Tensor:
        return torch.zeros(2) + torch.zeros(3)


class Believing(AdversarialLoss):
    """A loss whose D(x) fails: there is no second axis."""

    def discriminator(self, round: AdversarialRound) -> Tensor:
        return softplus(round.scores("fake")) + softplus(-round.scores("real"))

    def generator(self, round: AdversarialRound) -> Tensor:
        return softplus(-round.scores("fake"))

    def belief(self, scores: Tensor) -> Tensor:
        return scores.softmax(dim=1)


def prepare(name: str, *overrides: str) -> build.Prepared:
    module = ModuleType("strangers")

    @hookimpl
    def register_discriminators(register):  # type: ignore[no-untyped-def]
        register("judge", Judge)

    @hookimpl
    def register_regularizers(register):  # type: ignore[no-untyped-def]
        register("hungry", Hungry)
        register("clumsy", Clumsy)

    @hookimpl
    def register_losses(register):  # type: ignore[no-untyped-def]
        register("believing", Believing)

    module.register_losses = register_losses  # type: ignore[attr-defined]
    module.register_discriminators = register_discriminators  # type: ignore[attr-defined]
    module.register_regularizers = register_regularizers  # type: ignore[attr-defined]
    registry = load_registry(extra=[module])
    recipe, _ = load(locate(name, registry), registry, list(overrides))
    return build.prepare(recipe, device=CPU)


def test_the_layer_that_does_not_fit_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        prepare("smoke", "discriminator={use: judge}", "train.batch_size=16")
    assert caught.value.message.startswith(
        "discriminator: discriminator 'judge' does not fit what game 'two_player' gives it: its "
        "'head' (Linear) cannot take (16, 8): mat1 and mat2 shapes cannot be multiplied"
    )
    assert re.search(r"\(test_rehearsal.py, line \d+\)$", caught.value.message)


def test_another_fault_of_a_network_is_its_plugins() -> None:
    with pytest.raises(PluginError, match=r"^discriminator: discriminator 'judge' of plugin") as e:
        prepare("smoke", "discriminator={use: judge, how: bug}")
    assert isinstance(e.value.__cause__, KeyError)


def test_memory_that_runs_out_is_told_before_the_run() -> None:
    with pytest.raises(UsageError, match="a batch of 32 needs more memory than there is"):
        prepare("smoke", "regularizers=[{use: hungry}]")


def test_a_fault_outside_of_all_networks_is_left_to_who_can_name_it() -> None:
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        prepare("smoke", "regularizers=[{use: clumsy}]")


def test_a_fault_in_what_is_computed_later_is_told_now() -> None:
    with pytest.raises(IndexError, match="Dimension out of range"):
        prepare("smoke", "loss.use=believing")


UNPAIRED = "{use: unpaired, source: {use: edges, of: {use: mnist}}, target: {use: mnist}}"


@pytest.mark.parametrize(
    ("recipe", "overrides", "said"),
    [
        ("mnist_pix2pix", [f"dataset={UNPAIRED}"], "game 'pix2pix' learns from pairs"),
        ("mnist_bigan", ["discriminator={use: dcgan}"], "network 'encoder' would never learn"),
        ("mnist_ada", ["loss.use=wasserstein"], "augmentation 'ada' goes by the sign of scores"),
        ("smoke", ["dataset={use: mixture}"], r"dcgan makes and judges images .* are \(2,\)"),
        (
            "smoke",
            ["dataset={use: mixture}", "generator={use: keras_dcgan}"],
            r"keras_dcgan makes and judges images .* are \(2,\)",
        ),
        ("ring_gan", ["train.batch_size=1"], r"'layers.1' \(BatchNorm1d\) cannot take \(1, 400\)"),
    ],
)
def test_what_would_train_in_vain_is_refused(recipe: str, overrides: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        prepare(recipe, *overrides)
    assert caught.value.hint


def test_an_augmentation_that_does_not_adapt_takes_any_loss() -> None:
    prepare("mnist_ada", "loss.use=wasserstein", "augmentations=[{use: ada, p: 0.2}]")


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("smoke", ["regularizers=[{use: lecam}, {use: r1, every: 4}]", "ema={decay: 0.9}"]),
        ("mnist_ada", ["train.batch_size=8"]),
        ("mnist_progressive", ["train.batch_size=8"]),
        ("mnist_cyclegan", []),
    ],
)
def test_a_rehearsal_changes_nothing(recipe: str, overrides: list[str]) -> None:
    prepared = prepare(recipe, *overrides)
    trainer = prepared.trainer
    for _ in range(2):  # so that there are moments, averages and statistics to disturb
        trainer.step()
    before = flat(trainer.state_dict())
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    rehearse(prepared.recipe, trainer, prepared.dataset)
    assert torch.equal(torch.rand(1), expected)
    assert_equal(flat(trainer.state_dict()), before)
    assert all(p.grad is None for n in trainer.networks.values() for p in n.parameters())


def flat(state: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of a nested state, tensors as copies."""
    if isinstance(state, dict):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = dict(enumerate(state)).items()
    else:
        return {path: state.clone() if isinstance(state, Tensor) else state}
    return {k: v for name, value in items for k, v in flat(value, f"{path}/{name}").items()}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        same = (
            torch.equal(found[name], value) if isinstance(value, Tensor) else found[name] == value
        )
        assert same, name
