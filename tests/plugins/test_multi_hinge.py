"""The hinge loss of K + 1 classes against loops in numpy, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_acgan import SHAPE, Classifier, K, Plain, labels_of, trainer_of
from test_consistency import Maker, latents, round_of
from test_regularizers import close, samples
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_conditional.multi_hinge import MultiHinge, hinge


def by_hand(logits: np.ndarray, targets: np.ndarray):
    """max(0, 1 + best other - own) of each row, and its gradient by the logits."""
    values, slopes = np.zeros(len(logits)), np.zeros_like(logits)
    for row, target in enumerate(targets):
        others = [place for place in range(logits.shape[1]) if place != target]
        best = max(others, key=lambda place: logits[row, place])
        margin = 1 + logits[row, best] - logits[row, target]
        if margin > 0:
            values[row] = margin
            slopes[row, best], slopes[row, target] = 1, -1
    return values, slopes


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_the_margin(scale: float, count: int) -> None:
    logits = (scale * samples(count, K)).requires_grad_()
    targets = labels_of(count)
    value = hinge(logits, targets)
    expected, slopes = by_hand(logits.detach().numpy(), targets.numpy())
    close(value.detach(), torch.from_numpy(expected))
    (gradient,) = torch.autograd.grad(value.sum(), [logits])
    close(gradient, torch.from_numpy(slopes))
    if count > 1 and scale > 1:
        assert (value == 0).any()
        assert (value > 0).any()


@pytest.mark.parametrize("count", [1, 64])
def test_the_discriminator(count: int) -> None:
    """Real samples belong to their class, generated ones to the last."""
    maker, judge, x = Maker(SHAPE), Classifier(K + 1), samples(count, *SHAPE)
    labels = labels_of(count)
    round = round_of({"generator": maker, "discriminator": judge}, x, labels=labels)
    value = MultiHinge().discriminator(round)
    w, flat = judge.w.detach().numpy(), x.numpy().reshape(count, -1)
    g = np.tanh(latents(count) @ maker.a.detach().numpy())
    of_real, by_real = by_hand(flat @ w, labels.numpy())
    of_fake, by_fake = by_hand(g @ w, np.full(count, K))
    close(value.detach(), torch.from_numpy(of_real + of_fake), atol=1e-10)
    (by_w,) = torch.autograd.grad(value.mean(), [judge.w])
    close(by_w, torch.from_numpy((flat.T @ by_real + g.T @ by_fake) / count), atol=1e-10)


@pytest.mark.parametrize("count", [1, 64])
def test_the_generator(count: int) -> None:
    """A generated sample is to belong to the class that it was made for."""
    maker, judge, labels = Maker(SHAPE), Classifier(K + 1), labels_of(count)
    nets = {"generator": maker, "discriminator": judge.requires_grad_(False)}
    round = round_of(nets, samples(count, *SHAPE), phase="generator", labels=labels)
    value = MultiHinge().generator(round)
    z, a, w = latents(count, "generator"), maker.a.detach().numpy(), judge.w.numpy()
    g = np.tanh(z @ a)
    expected, by_logits = by_hand(g @ w, labels.numpy())
    close(value.detach(), torch.from_numpy(expected), atol=1e-10)
    (by_a,) = torch.autograd.grad(value.mean(), [maker.a])
    slope = z.T @ ((by_logits @ w.T) * (1 - g**2)) / count
    close(by_a, torch.from_numpy(slope), atol=1e-10)


def test_of_one_class_it_is_the_hinge_loss_of_the_difference() -> None:
    """max(0, 1 - s(x)) + max(0, 1 + s(g)) with s = C_1 - C_2 (Lim and Ye 2017)."""
    maker, judge, x = Maker(SHAPE), Classifier(2), samples(64, *SHAPE)
    nets = {"generator": maker, "discriminator": judge}
    round = round_of(nets, x, labels=torch.zeros(64, dtype=torch.int64))
    s = [round.outputs(side)["class_logits"] @ torch.tensor([1.0, -1.0]).double()
         for side in ("real", "fake")]  # fmt: skip
    expected = torch.clamp(1 - s[0], min=0) + torch.clamp(1 + s[1], min=0)
    close(MultiHinge().discriminator(round).detach(), expected.detach())


@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_micro_batches_change_nothing(side: str) -> None:
    nets = {"generator": Maker(SHAPE), "discriminator": Classifier(K + 1)}
    real, labels = samples(6, *SHAPE), labels_of(6)
    loss = getattr(MultiHinge(), side)
    whole = loss(round_of(nets, real, phase=side, labels=labels))
    for where in (slice(0, 2), slice(2, 6)):
        part = loss(round_of(nets, real, phase=side, labels=labels, where=where))
        close(part.detach(), whole[where].detach())


@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_what_a_user_may_get_wrong(side: str) -> None:
    def told(judge: nn.Module, labels: Tensor | None) -> UsageError:
        nets = {"generator": Maker(SHAPE), "discriminator": judge}
        with pytest.raises(UsageError, match="loss multi_hinge needs") as error:
            getattr(MultiHinge(), side)(round_of(nets, samples(4, *SHAPE), labels=labels))
        assert error.value.hint
        return error.value

    assert "data set has none" in told(Classifier(K + 1), None).message
    assert "this one returns features, logits" in told(Plain(), labels_of(4)).message


def test_scores_are_no_probabilities() -> None:
    scores = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.equal(MultiHinge().belief(scores), scores)


def test_the_recipes_discriminator_has_a_class_more_than_the_data() -> None:
    judge = trainer_of("multi_hinge").networks["discriminator"]
    images, labels = torch.rand(5, 1, 28, 28), torch.arange(5)
    heads = judge(images, labels)
    assert heads["class_logits"].shape == (5, 11)
    own = heads["class_logits"][torch.arange(5), labels]
    torch.testing.assert_close(heads["logits"], own - heads["class_logits"][:, 10])
