"""Channels last: the same mathematics, whichever way images lie in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ganforge.engine.layout import follow_parameters, has_channels_last, lay_out
from ganforge.engine.trainer import Trainer
from ganforge_dcgan.models import DCGANDiscriminator, DCGANGenerator
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating

IMAGES = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": DCGANGenerator(image_shape=(3, 16, 16), latent_dim=3, channels=4),
        "discriminator": DCGANDiscriminator(image_shape=(3, 16, 16), channels=4),
    }


def trained(make_trainer: Callable[..., Trainer], layout: str, state: object = None) -> Trainer:
    """Three steps of Adam; after a state that was saved, if there is one."""
    made = networks()
    lay_out(made.values(), layout)  # type: ignore[arg-type]
    optimizers = {
        name: torch.optim.Adam(net.parameters(), 1e-3, fused=True) for name, net in made.items()
    }
    game = TwoPlayer(loss=NonSaturating(), regularizers=[])
    trainer = make_trainer(game, made, IMAGES, optimizers=optimizers)
    if state is not None:
        trainer.load_state_dict(state)  # type: ignore[arg-type]
    for _ in range(3):
        trainer.step()
    return trainer


def assert_same(one: Trainer, other: Trainer) -> None:
    for name, network in one.networks.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(
                value, other.networks[name].state_dict()[key], rtol=1e-4, atol=1e-5, msg=key
            )


def test_training_is_the_same_up_to_rounding(make_trainer: Callable[..., Trainer]) -> None:
    last, first = (trained(make_trainer, way) for way in ("channels_last", "contiguous"))
    assert all(map(has_channels_last, last.networks.values()))
    assert not any(map(has_channels_last, first.networks.values()))
    assert_same(last, first)


@pytest.mark.parametrize("before", ["channels_last", "contiguous"])
@pytest.mark.parametrize("after", ["channels_last", "contiguous"])
def test_a_run_can_go_on_in_another_layout(
    make_trainer: Callable[..., Trainer], before: str, after: str
) -> None:
    """Fused Adam goes through weights and moments in the order of memory: both must lie alike."""
    straight = trained(make_trainer, "contiguous")
    for _ in range(3):
        straight.step()
    state = trained(make_trainer, before).state_dict()
    assert_same(trained(make_trainer, after, state), straight)


def test_moments_follow_their_weights() -> None:
    weight = nn.Parameter(torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last))
    optimizer = torch.optim.Adam([weight])
    moment = torch.arange(48.0).reshape(4, 3, 2, 2)
    optimizer.state[weight]["exp_avg"] = moment
    follow_parameters(optimizer)
    followed = optimizer.state[weight]["exp_avg"]
    assert followed.stride() == weight.stride()
    assert torch.equal(followed, moment)


def test_auto_is_channels_last_where_something_convolves() -> None:
    assert lay_out(networks().values(), "auto")
    assert not lay_out([nn.Linear(3, 2)], "auto")
    assert not lay_out(networks().values(), "contiguous")
