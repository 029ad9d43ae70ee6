"""The terms that games share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ganforge.api import Game, discriminator_term
from ganforge.engine.trainer import Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import Hinge, NonSaturating

MakeTrainer = Callable[..., Trainer]


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": nn.Linear(3, 2), "discriminator": nn.Linear(2, 1)}


@pytest.mark.parametrize("reuse", [False, True])
def test_fakes_are_made_before_anything_is_judged(reuse: bool, make_trainer: MakeTrainer) -> None:
    game: Game = TwoPlayer(loss=NonSaturating(), regularizers=[], reuse_fakes=reuse)
    made, order = networks(), list[str]()
    for name, network in made.items():
        network.register_forward_pre_hook(lambda *_, name=name: order.append(name))
    make_trainer(game, made, torch.randn(40, 2)).step()
    fresh = [] if reuse else ["generator"]
    assert order == ["generator", "discriminator", "discriminator", *fresh, "discriminator"]


def test_it_is_the_loss_and_its_weight(make_trainer: MakeTrainer) -> None:
    term = discriminator_term(Hinge(), 0.25)
    assert (term.name, term.weight, term.every) == ("adversarial", 0.25, 1)
    samples = torch.randn(40, 2)
    values = []
    for weight in (1.0, 0.25):
        game = TwoPlayer(loss=Hinge(), regularizers=[], discriminator_weight=weight)
        values.append(make_trainer(game, networks(), samples).step())
    plain, quarter = values
    assert torch.equal(plain["discriminator/adversarial"], quarter["discriminator/adversarial"])
    assert torch.equal(0.25 * plain["discriminator/loss"], quarter["discriminator/loss"])
