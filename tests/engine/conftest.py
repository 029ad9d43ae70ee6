"""What all engine tests need: a trainer, built by hand and not from a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge.api import Dataset, Game
from ganforge.engine.average import Average
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.latent import Latent
from ganforge.engine.recording import Recorder
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer

CPU = torch.device("cpu")


def build(
    game: Game,
    networks: Mapping[str, nn.Module],
    samples: Tensor,
    *,
    optimizers: Mapping[str, Optimizer] | None = None,
    schedules: Mapping[str, LRScheduler] | None = None,
    averages: Mapping[str, Average] | None = None,
    latent: Latent | None = None,
    seed: int = 0,
    batch_size: int = 8,
    total_steps: int = 100,
    wait: bool | None = None,
    recorder: Recorder | None = None,
    **settings: Any,
) -> Trainer:
    """A trainer on the CPU; without optimizers every network gets gradient descent at 0.1."""
    if optimizers is None:
        optimizers = {
            name: torch.optim.SGD(network.parameters(), lr=0.1)
            for name, network in networks.items()
        }
    streams = Streams(seed)
    feed = ResidentFeed(
        Dataset(samples=samples), batch_size=batch_size, streams=streams, device=CPU
    )
    return Trainer(
        game=game,
        networks=networks,
        optimizers=optimizers,
        schedules=schedules,
        averages=averages,
        feed=feed,
        latent=latent or Latent(3),
        streams=streams,
        settings=Settings(total_steps=total_steps, batch_size=batch_size, **settings),
        device=CPU,
        wait=wait,
        recorder=recorder,
    )


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    """``make_trainer(game, networks, samples, ...)``: see :func:`build`."""
    return build
