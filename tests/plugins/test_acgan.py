"""ACGAN's term against numpy in float64, and whole runs of the class-conditional recipes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_consistency import Maker, latents, round_of
from test_regularizers import close, samples
from torch import Tensor, nn

from ganforge import build
from ganforge.api import UsageError
from ganforge.engine.data import Batch
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.selection import Selection
from ganforge_conditional.auxiliary_classifier import AuxiliaryClassifier

RECIPES = Path(__file__).parents[2] / "recipes"
SHAPE, SIZE, K = (2, 3, 4), 24, 5


def trainer_of(name: str, *overrides: str) -> Trainer:
    """What ``ganforge run recipes/mnist_NAME.yaml`` would train, cut down."""
    registry = load_registry(selection=Selection(named=("ganforge_conditional",)))
    small = ["dataset.split=test", "train.batch_size=12", "train.epochs=1"]
    networks = ["generator.channels=2", "discriminator.channels=2"]
    path = RECIPES / f"mnist_{name}.yaml"
    recipe, _ = load(path, registry, [*small, *networks, *overrides])
    return build.prepare(recipe, device=torch.device("cpu")).trainer


class Classifier(nn.Module):
    """``class_logits = x W``."""

    def __init__(self, classes: int = K) -> None:
        super().__init__()
        self.w = nn.Parameter(samples(SIZE, classes, seed=13) / 5)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        class_logits = images.flatten(1) @ self.w
        return {"logits": class_logits.sum(1), "class_logits": class_logits}


def labels_of(count: int) -> Tensor:
    return torch.arange(count) * 3 % K


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits)
    return shares / shares.sum(1, keepdims=True)


def by_hand(images: np.ndarray, w: np.ndarray, labels: np.ndarray):
    """-log of the label's share of each sample, and the gradient of its mean by the logits."""
    shares = softmax(images.reshape(len(images), -1) @ w)
    gap = (shares - np.eye(K)[labels]) / len(images)
    return -np.log(shares[np.arange(len(labels)), labels]), gap


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("real", "fake"), [(1.0, 1.0), (2.0, 0.5), (1.0, 0.0), (0.0, 1.0)])
def test_for_the_discriminator(real: float, fake: float, count: int) -> None:
    maker, judge, x, labels = Maker(SHAPE), Classifier(), samples(count, *SHAPE), labels_of(count)
    round = round_of({"generator": maker, "discriminator": judge}, x, labels=labels)
    value = AuxiliaryClassifier(real=real, fake=fake, generator=9.0)(round)
    g = np.tanh(latents(count) @ maker.a.detach().numpy())
    w = judge.w.detach().numpy()
    of_real, gap_real = by_hand(x.numpy(), w, labels.numpy())
    of_fake, gap_fake = by_hand(g, w, labels.numpy())
    close(value.detach(), torch.from_numpy(real * of_real + fake * of_fake), atol=1e-10)
    (by_w,) = torch.autograd.grad(value.mean(), [judge.w])
    expected = real * x.numpy().reshape(count, -1).T @ gap_real + fake * g.T @ gap_fake
    close(by_w, torch.from_numpy(expected), atol=1e-10)


@pytest.mark.parametrize("count", [1, 64])
def test_for_the_generator(count: int) -> None:
    """The real samples have no part in it; the gradient goes through the frozen classifier."""
    maker, judge, labels = Maker(SHAPE), Classifier().requires_grad_(False), labels_of(count)
    nets = {"generator": maker, "discriminator": judge}
    round = round_of(nets, samples(count, *SHAPE), phase="generator", labels=labels)
    value = AuxiliaryClassifier(real=9.0, fake=9.0, generator=0.5)(round)
    assert "real" not in round._judged
    z, a, w = latents(count, "generator"), maker.a.detach().numpy(), judge.w.numpy()
    g = np.tanh(z @ a)
    of_fake, gap = by_hand(g, w, labels.numpy())
    close(value.detach(), torch.from_numpy(0.5 * of_fake), atol=1e-10)
    (by_a,) = torch.autograd.grad(value.mean(), [maker.a])
    close(by_a, torch.from_numpy(0.5 * z.T @ ((gap @ w.T) * (1 - g**2))), atol=1e-10)


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_micro_batches_change_nothing(phase: str) -> None:
    nets = {"generator": Maker(SHAPE), "discriminator": Classifier()}
    real, labels = samples(6, *SHAPE), labels_of(6)
    term = AuxiliaryClassifier(real=0.7)
    whole = term(round_of(nets, real, phase=phase, labels=labels))
    for where in (slice(0, 2), slice(2, 6)):
        part = term(round_of(nets, real, phase=phase, labels=labels, where=where))
        close(part.detach(), whole[where].detach())


def test_a_silent_recipe_gets_the_papers_weights() -> None:
    term = AuxiliaryClassifier()
    assert (term.real, term.fake, term.generator, term.default_weight) == (1.0, 1.0, 1.0, 1.0)
    assert term.phase == ("discriminator", "generator")


class Packs(nn.Module):
    """One judgement for each two samples."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": images.sum((1, 2, 3)), "class_logits": images.flatten(1)[::2, :K]}


class Plain(nn.Module):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": images.sum((1, 2, 3)), "features": images}


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_what_a_user_may_get_wrong(phase: str) -> None:
    real, term = samples(4, *SHAPE), AuxiliaryClassifier()

    def told(judge: nn.Module, labels: Tensor | None) -> UsageError:
        nets = {"generator": Maker(SHAPE), "discriminator": judge}
        with pytest.raises(UsageError, match="auxiliary_classifier needs") as error:
            term(round_of(nets, real, phase=phase, labels=labels))
        assert error.value.hint
        return error.value

    assert "data set has none" in told(Classifier(), None).message
    assert "this one returns features, logits" in told(Plain(), labels_of(4)).message
    assert (
        "of each of 4 samples, and the discriminator returns 2"
        in told(Packs(), labels_of(4)).message
    )


# Whole runs.

CONDITIONAL = ("acgan", "cgan", "multi_hinge", "projection")


class Seen:
    """What each network was called with, by name."""

    def __init__(self, trainer: Trainer) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.hooks: list[Callable[[], None]] = []
        for name, network in trainer.networks.items():
            handle = network.register_forward_pre_hook(self._note(name), with_kwargs=True)
            self.hooks.append(handle.remove)

    def _note(self, name: str) -> Callable[..., None]:
        def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.calls.append((name, args, kwargs))

        return note


@pytest.mark.parametrize("name", CONDITIONAL)
def test_recipes_train(name: str) -> None:
    trainer = trainer_of(name)
    before = {
        f"{name}.{key}": value.clone()
        for name, network in trainer.networks.items()
        for key, value in network.named_parameters()
    }
    for _ in range(2):
        values = trainer.step()
    assert all(np.isfinite(float(value)) for value in values.values())
    after = {
        f"{name}.{key}": value
        for name, network in trainer.networks.items()
        for key, value in network.named_parameters()
    }
    assert [key for key in before if torch.equal(before[key], after[key])] == []
    if name == "acgan":
        assert "discriminator/auxiliary_classifier" in values
        assert "generator/auxiliary_classifier" in values


@pytest.mark.parametrize("name", CONDITIONAL)
def test_fakes_are_made_of_the_batchs_labels_and_judged_with_them(name: str) -> None:
    trainer = trainer_of(name)
    drawn: list[Batch] = []
    take = trainer.feed.next

    def keep() -> Batch:
        drawn.append(take())
        return drawn[-1]

    trainer.feed.next = keep  # type: ignore[method-assign]
    seen = Seen(trainer)
    trainer.step()
    (batch,) = drawn
    told = [kwargs.get("labels") for who, _, kwargs in seen.calls if who == "generator"]
    assert len(told) == 2
    judged = [kwargs for who, _, kwargs in seen.calls if who == "discriminator"]
    assert len(judged) == 3
    if name == "acgan":
        assert all(not kwargs for kwargs in judged)
    else:
        told += [kwargs["labels"] for kwargs in judged]
    assert batch.labels is not None
    assert all(torch.equal(labels, batch.labels) for labels in told)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_micro_batches_have_the_gradients_of_the_whole(name: str) -> None:
    """Where no layer looks at the batch, nor counts its passes."""
    gradients = []
    for portions in (1, 3):
        by = [] if name == "acgan" else ["generator.by=concat"]
        trainer = trainer_of(
            name, "discriminator.norm=none", f"train.micro_batches={portions}", *by
        )
        _without_batch_norm(trainer.networks["generator"])
        with _steps_left_out(trainer):
            trainer.step()
        gradients.append(
            {
                f"{name}.{key}": value.grad.clone()
                for name, network in trainer.networks.items()
                for key, value in network.named_parameters()
                if value.grad is not None
            }
        )
    whole, parts = gradients
    assert whole.keys() == parts.keys()
    assert any(value.any() for value in whole.values())
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=1e-4, atol=1e-6)


def _without_batch_norm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = lambda maps: maps  # type: ignore[method-assign]


@contextlib.contextmanager
def _steps_left_out(trainer: Trainer) -> Any:
    """Gradients, without anyone learning of them."""
    for optimizer in trainer.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 0.0
    yield
