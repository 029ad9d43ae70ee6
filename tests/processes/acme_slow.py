"""A plugin that dawdles where it is told to, so that a signal meets a run in the middle of it.

The file ``dawdle`` in the working folder names the place; the plugin writes the file ``here`` when
it is there. What it computes does not depend on it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganforge import Register, hookimpl
from ganforge.api import AdversarialRound, Callback, MapDataset, Regularizer, Run, Values

SIDE = 28
SECONDS = 60.0


def told(place: str) -> bool:
    """Whether to dawdle here; each command does so once."""
    order = Path("dawdle")
    if not order.exists() or order.read_text() != place or Path("here").exists():
        return False
    Path("here").write_text(place)
    return True


def dawdle(place: str) -> None:
    if told(place):
        time.sleep(0.3)


class Squares(MapDataset):
    """Grey squares of random brightness; once a step was made, reading one may take a minute."""

    def __init__(self) -> None:
        super().__init__(sample_shape=(1, SIDE, SIDE))
        if told("reading"):
            time.sleep(SECONDS)

    def __len__(self) -> int:
        return 160

    def __getitem__(self, index: int) -> Tensor:
        if index % 10 == 0 and Path("clock").exists() and told("data"):
            time.sleep(SECONDS)
        noise = torch.randint(0, 20, (1, SIDE, SIDE))
        return (noise + index).to(torch.uint8)


class SlowJudge(Regularizer):
    """Looks at the real scores, slowly; remembers how often, and a lot more."""

    phase = "discriminator"

    def __init__(self) -> None:
        self.ballast = torch.zeros(2_000_000)

    def __call__(self, round: AdversarialRound) -> Tensor:
        if round.play.batch.samples.any():  # all zeros while a run is rehearsed
            dawdle(self.phase)
        self.ballast[0] += 1
        return self.score(round)

    def score(self, round: AdversarialRound) -> Tensor:
        return round.scores("real").square()

    def state_dict(self) -> dict[str, Any]:
        return {"ballast": self.ballast}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ballast.copy_(state["ballast"])


class SlowMaker(SlowJudge):
    """The same for the generator."""

    phase = "generator"

    def score(self, round: AdversarialRound) -> Tensor:
        return round.scores("fake").square()


class Look(Callback):
    """Writes down each step, and may look at samples for a minute."""

    def on_step(self, run: Run, values: Values) -> None:
        Path("clock").write_text(str(run.clock.step))
        until = time.monotonic() + SECONDS
        if told("stubborn"):
            time.sleep(SECONDS)
        if told("evaluation"):
            while not run.stopping and time.monotonic() < until:
                run.sample(run.fixed_latents(64))


@hookimpl
def register_datasets(register: Register) -> None:
    register("squares", Squares, summary="grey squares")


@hookimpl
def register_regularizers(register: Register) -> None:
    register("slow_judge", SlowJudge, summary="slow")
    register("slow_maker", SlowMaker, summary="slow")


@hookimpl
def register_callbacks(register: Register) -> None:
    register("look", Look, summary="slow")
