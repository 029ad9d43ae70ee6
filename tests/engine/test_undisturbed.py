"""Looking at a run changes nothing of it: every bit of its state is as it would have been."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge.api import Callback, Run, Values

MakeRun = Callable[..., Run]

STEPS, EVERY = 60, 10

TINY = (
    f"train.steps={STEPS}",
    "train.batch_size=8",
    "dataset.classes=[1]",
    "dataset.size=16",  # two stages: in an image of 8 the discriminator has no batch norm
)
DCGAN = ()
WGAN_GP = (
    "loss.use=wasserstein",
    "game.d_steps=5",
    "discriminator.norm=none",
    "regularizers=[{use: gradient_penalty}]",
)
LAZY_R1_WITH_AVERAGE = (
    "regularizers=[{use: r1, weight: 1.0, every: 4}]",
    "ema={decay: 0.9}",
)


class Curious(Callback):
    """Does now and then all that a callback may do to look at a run."""

    def __init__(self) -> None:
        self.looks = 0

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step % EVERY:
            return
        self.looks += 1
        samples = run.sample(run.fixed_latents(5))
        torch.rand(7)  # from torch's global generator, as many a library does
        run.sample(torch.randn(3, run.trainer.latent.dim))
        judge = run.trainer.networks["discriminator"]
        judge.eval()
        with torch.no_grad():
            judge(samples)
        judge.train()
        for value in values.values():
            float(value)


def add_dropout(run: Run) -> None:
    """Put dropout into both networks; it has nothing to learn, so optimizers need not know."""
    for name, part in (("generator", "project"), ("discriminator", "downsample")):
        layers = run.trainer.networks[name].get_submodule(part)
        assert isinstance(layers, nn.Sequential)
        layers.append(nn.Dropout(0.3))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested containers, by its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}/{index}")
    else:
        yield path, value


def bits(value: Any) -> Any:
    """What compares equal only if every bit is: -0.0 is not 0.0, and NaN is itself."""
    if isinstance(value, Tensor):
        return (value.dtype, value.shape, value.numpy().tobytes())
    return value


@pytest.mark.parametrize(
    "recipe",
    [DCGAN, WGAN_GP, LAZY_R1_WITH_AVERAGE],
    ids=["dcgan", "wgan-gp", "lazy-r1-with-average"],
)
def test_looking_changes_no_bit_of_the_state(recipe: Sequence[str], make_run: MakeRun) -> None:
    alone = make_run(*TINY, *recipe)
    alone.callbacks = {}
    add_dropout(alone)
    networks = alone.trainer.state_dict()["networks"]
    start = {path: bits(leaf) for path, leaf in leaves(networks)}
    alone.play()

    grids = f"callbacks=[{{use: sample_grid, every: {EVERY} steps, count: 4}}]"
    watched = make_run(*TINY, *recipe, grids)
    curious = Curious()
    grid = watched.callbacks["sample_grid"]
    watched.callbacks = {"sample_grid": grid, "curious": curious}
    add_dropout(watched)
    watched.play()
    assert curious.looks == len(list((watched.folder / "samples").iterdir())) == STEPS // EVERY

    one, other = (dict(leaves(run.trainer.state_dict())) for run in (alone, watched))
    assert one.keys() == other.keys()
    assert [path for path in one if bits(one[path]) != bits(other[path])] == []
    # All has moved, or there would have been nothing to disturb; but a difference of scores has no
    # use for the last bias.
    still = {path for path, leaf in start.items() if bits(one[f"/networks{path}"]) == leaf}
    assert still <= ({"/discriminator/judge.bias"} if recipe is WGAN_GP else set())
