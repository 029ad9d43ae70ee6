"""What the engine promises of augmentations, in steps, states and gradients; of those that ship."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge import build
from ganforge.api import (
    AdversarialRound,
    Augmentation,
    Batch,
    Callback,
    Draw,
    Latent,
    Play,
    Regularizer,
    Run,
    Term,
    Values,
)
from ganforge.engine import checkpoint
from ganforge.engine.finite import NotFiniteError
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Interrupted, Trainer
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge_augmentations.ada import AdaptiveAugmentation
from ganforge_augmentations.diffaugment import DiffAugment
from ganforge_augmentations.instance_noise import InstanceNoise
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating
from ganforge_regularizers.gradients import R1

CPU = torch.device("cpu")
SHAPE = (1, 6, 6)
P, RT, STD = (f"discriminator/{name}" for name in ("augmentation_p", "r_t", "instance_noise_std"))

Make = Callable[[], list[Augmentation]]
MakeTrainer = Callable[..., Trainer]

KINDS: dict[str, Make] = {
    "ada": lambda: [AdaptiveAugmentation(interval=2, speed=100, target=0.0)],
    "ada at 0.7": lambda: [AdaptiveAugmentation(p=0.7)],
    "all three": lambda: [
        DiffAugment(),
        AdaptiveAugmentation(interval=2, speed=100),
        InstanceNoise(std=0.3, steps=20),
    ],
    "diffaugment": lambda: [DiffAugment()],
    "noise": lambda: [InstanceNoise(std=0.3)],
}


class Painter(nn.Module):
    """A generator of images."""

    def __init__(self) -> None:
        super().__init__()
        self.paint = nn.Linear(3, 36)

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(self.paint(latents)).view(-1, *SHAPE)


class Critic(nn.Module):
    """A discriminator that looks at one image at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.layers(samples)
        return logits


def pictures() -> Tensor:
    return torch.rand(40, *SHAPE, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.fixture
def start(make_trainer: MakeTrainer) -> MakeTrainer:
    """``start(augmentations, ...)``: a trainer of two players, the same ones each time."""

    def make(
        augmentations: list[Augmentation],
        *,
        regularizers: tuple[Term, ...] = (),
        joint: bool = False,
        d_steps: int = 1,
        **settings: Any,
    ) -> Trainer:
        torch.manual_seed(5)
        networks = {"generator": Painter(), "discriminator": Critic()}
        game = TwoPlayer(
            loss=NonSaturating(),
            regularizers=regularizers,
            augmentations=augmentations,
            discriminator_batch="joint" if joint else "separate",
            d_steps=d_steps,
        )
        return make_trainer(game, networks, pictures(), **settings)

    return make


def weights(trainer: Trainer) -> Tensor:
    networks = trainer.networks.values()
    return torch.cat([p.detach().flatten() for n in networks for p in n.parameters()])


def test_every_round_sees_other_numbers_and_each_side_too(start: MakeTrainer) -> None:
    seen: list[str] = []

    class Spy(Augmentation):
        def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
            seen.append(f"{draw.counters} {stream}")
            return samples

    trainer = start([Spy(), Spy()], regularizers=(Term("r1", R1()),))
    trainer.step()
    trainer.step()
    assert len(set(seen)) == len(seen) == 2 * 2 * 3  # real and fake; and fake for the generator


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_micro_batches_change_nothing(start: MakeTrainer, kind: str) -> None:
    """Weights and values, p and the noise among them, up to the order of sums."""
    whole, parts = start(KINDS[kind]()), start(KINDS[kind](), micro_batches=3)
    for _ in range(12):
        expected, found = whole.step(), parts.step()
        assert found.keys() == expected.keys()
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_forward_pass_for_both_sides_changes_nothing(start: MakeTrainer, kind: str) -> None:
    """A discriminator that looks at one image at a time is trained the same by a joint batch."""
    separate, joint = start(KINDS[kind]()), start(KINDS[kind](), joint=True)
    for _ in range(12):
        expected, found = separate.step(), joint.step()
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(weights(joint), weights(separate), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("d_steps", [1, 3])
def test_p_follows_the_signs(start: MakeTrainer, d_steps: int, joint: bool) -> None:
    """Simulated by hand from the recorded r_t; of a step's plays the values are means."""
    interval, speed = 2 * d_steps, 200
    augment = AdaptiveAugmentation(interval=interval, speed=speed, target=0.1)
    trainer = start([augment], joint=joint, d_steps=d_steps)
    p, signs, seen = 0.0, [], []
    for step in range(40):
        values = trainer.step()
        assert float(values[P]) == pytest.approx(p, abs=1e-5)
        seen.append(p)
        signs.append(float(values[RT]))
        if step % 2:
            up = 1 if sum(signs[-2:]) / 2 > 0.1 + 1e-6 else -1
            p = min(1.0, max(0.0, p + up * 8 * interval / speed))
    assert len(set(seen)) > 3


def test_the_strength_is_in_the_values_and_in_the_checkpoint(start: MakeTrainer) -> None:
    trainer = start(KINDS["all three"]())
    before = trainer.step()
    assert float(before[STD]) == pytest.approx(0.3)
    for _ in range(9):
        values = trainer.step()
    assert float(values[STD]) == pytest.approx(0.3 * (1 - 9 / 20))
    assert -1 <= float(values[RT]) <= 1
    assert not any(name.startswith("generator/augmentation") for name in values)
    state = trainer.state_dict()["game"]
    assert list(state) == ["augmentation_1"]
    assert float(state["augmentation_1"]["p"]) == float(trainer.step()[P])


class Breaks(Regularizer):
    """Fails once, when the discriminator has spoken."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.left = 1

    def __call__(self, round: AdversarialRound) -> Tensor:
        scores = round.scores("real")
        if round.play.step == 5 and self.left:
            self.left -= 1
            if self.error is not None:
                raise self.error
            return scores * torch.inf
        return scores * 0.0


@pytest.mark.parametrize("error", [OSError("the disk"), None], ids=["raises", "is infinite"])
def test_a_play_that_fails_leaves_the_controller_as_it_was(
    start: MakeTrainer, error: Exception | None
) -> None:
    """And repeated, it is what it would have been."""
    broken = start(KINDS["ada"](), regularizers=(Term("breaks", Breaks(error)),))
    whole = start(KINDS["ada"](), regularizers=(Term("breaks", Breaks(None), every=1000),))
    for _ in range(5):
        broken.step()
        whole.step()
    before = broken.state_dict()["game"]
    with pytest.raises(OSError if error else NotFiniteError):
        broken.step()
    assert equal(broken.state_dict()["game"], before)
    for _ in range(5):
        broken.step()
        whole.step()
    assert equal(broken.state_dict()["game"], whole.state_dict()["game"])
    assert torch.equal(weights(broken), weights(whole))


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    return bool(first == second)


@pytest.mark.parametrize("plays", [1, 2, 4, 5])
def test_a_run_stopped_within_a_step_goes_on_bit_for_bit(start: MakeTrainer, plays: int) -> None:
    """After any of the plays of two steps, so also between two adjustments."""
    straight, first = start(KINDS["ada"](), d_steps=3), start(KINDS["ada"](), d_steps=3)
    for _ in range(8):
        straight.step()
    asked = iter(range(100))  # before each batch, and only the discriminator draws any
    with suppress(Interrupted):
        for _ in range(8):
            first.step(lambda: next(asked) >= plays)
    assert (first.step_count, first.state_dict()["played"]) == (plays // 3, plays % 3)
    second = start(KINDS["ada"](), d_steps=3)
    second.load_state_dict(first.state_dict())
    while second.step_count < 8:
        second.step()
    assert equal(second.state_dict()["game"], straight.state_dict()["game"])
    assert torch.equal(weights(second), weights(straight))


# Gradients.


def round_of(
    augmentations: list[Augmentation],
    networks: dict[str, nn.Module],
    learns: str,
    *,
    differentiates: tuple[str, ...] = (),
) -> AdversarialRound:
    """A round of 4 samples in float64."""
    play = Play(
        phase=learns,
        networks=networks,
        learning=frozenset({learns}),
        differentiates=frozenset(differentiates),
        batch=Batch(pictures()[:4].double()),
        latent=Latent(3),
        draw=Draw(Streams(0), (3, learns, 0), 4, slice(0, 4), CPU),
    )
    return AdversarialRound(play, augmentations=augmentations)


class Ready(Painter):
    """Latents are float32."""

    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents.double())


@pytest.fixture
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(5)
    return {"generator": Ready().double(), "discriminator": Critic().double()}


def difference(function: Callable[[], Tensor], weight: Tensor, place: Any) -> float:
    """The slope of a function by one weight, from its values beside it."""
    values = []
    for change in (1e-5, -2e-5, 1e-5):
        with torch.no_grad():
            weight[place] += change
        values.append(float(function().detach()))
    return (values[0] - values[1]) / 2e-5


FIXED: dict[str, Make] = {
    "ada": lambda: [AdaptiveAugmentation(p=0.7)],
    "diffaugment": lambda: [DiffAugment()],
    "noise": lambda: [InstanceNoise(std=0.3)],
}


@pytest.mark.parametrize("kind", sorted(FIXED))
def test_the_generator_learns_through_it(networks: dict[str, nn.Module], kind: str) -> None:
    """Its gradient, against differences of its loss."""
    bias = networks["generator"].get_parameter("paint.bias")

    def loss() -> Tensor:
        round = round_of(FIXED[kind](), networks, "generator")
        return NonSaturating().generator(round).mean()

    (found,) = torch.autograd.grad(loss(), [bias])
    for place in (0, 7, 35):
        assert float(found[place]) == pytest.approx(difference(loss, bias, place), abs=1e-9)
    assert found.abs().max() > 1e-3


@pytest.mark.parametrize("kind", sorted(FIXED))
def test_r1_looks_through_it(networks: dict[str, nn.Module], kind: str) -> None:
    """By the image before it was changed: |J^T grad D(T(x))|^2 / 2, with J of T by autograd."""
    term, critic = R1(), networks["discriminator"]
    value = term(round_of(FIXED[kind](), networks, "discriminator", differentiates=("real",)))
    draw = round_of([], networks, "discriminator").play.draw
    given = pictures()[:4].double()

    def shown(x: Tensor) -> Tensor:
        return FIXED[kind]()[0](x, draw, "augmentation/0/real")

    jacobian = torch.autograd.functional.jacobian(shown, given).reshape(4 * 36, 4 * 36)
    seen = shown(given).requires_grad_()
    (slope,) = torch.autograd.grad(critic(seen).sum(), seen)
    expected = (jacobian.T @ slope.flatten()).view(4, 36).square().sum(1) / 2
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)

    weight = critic.get_parameter("layers.1.weight")
    (found,) = torch.autograd.grad(value.sum(), [weight])

    def total() -> Tensor:
        round = round_of(FIXED[kind](), networks, "discriminator", differentiates=("real",))
        return term(round).sum()

    for place in ((0, 0), (3, 20), (7, 35)):
        assert float(found[place]) == pytest.approx(difference(total, weight, place), abs=1e-8)
    assert found.abs().max() > 1e-4


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_it_trains_with_r1(start: MakeTrainer, kind: str, joint: bool) -> None:
    trainer = start(KINDS[kind](), regularizers=(Term("r1", R1(), 0.1),), joint=joint)
    values = [trainer.step() for _ in range(8)]
    assert all(bool(value.isfinite()) for each in values for value in each.values())
    assert all(float(each["discriminator/r1"]) > 0 for each in values)


# Whole runs, from a recipe to a checkpoint's files.

PLUGIN = """
from ganforge import hookimpl
from ganforge_augmentations.ada import AdaptiveAugmentation

@hookimpl
def register_augmentations(register):
    register("adapting", AdaptiveAugmentation, summary="as it ships")
"""

RECIPE = """
version: 1
name: exact
plugins: [acme_adapting.py]
dataset: {use: mnist, split: test, size: 8, classes: [4]}
latent: {dim: 6}
generator: {use: dcgan, channels: 4}
discriminator: {use: dcgan, channels: 4}
loss: {use: non_saturating}
game: {d_steps: 3}
augmentations:
  - {use: adapting, speed: 200, strength: {hue: 0.5}}
regularizers: [{use: r1, weight: 1.0, every: 4}]
optimizer:
  generator: {use: adam, lr: 1e-3}
  discriminator: {use: adam, lr: 1e-2}
train: {steps: 25, batch_size: 8}
callbacks:
  - {use: sample_grid, enabled: false}
  - {use: loss_plot, enabled: false}
  - {use: checkpoint, every: 1000 steps}
"""


class StopAt(Callback):
    """Stops as a signal would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == self.step:
            run.request_stop("max_time")


@pytest.fixture
def begin(tmp_path: Path) -> Callable[[str], Run]:
    """``begin(folder)``: a run, all made anew as a new process makes it."""
    (tmp_path / "acme_adapting.py").write_text(PLUGIN)
    (tmp_path / "exact.yaml").write_text(RECIPE)

    def make(name: str) -> Run:
        recipe, _ = load(tmp_path / "exact.yaml", load_registry())
        (tmp_path / name).mkdir(exist_ok=True)
        prepared = build.prepare(recipe, device=CPU)
        return build.start(prepared, tmp_path / name, tell=pytest.fail, quiet=True)

    return make


def rows(folder: Path) -> list[dict[str, float]]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    return [{name: row[name] for name in row if name != "seconds"} for row in found]


def test_a_resumed_run_ends_as_the_uninterrupted_one(
    begin: Callable[[str], Run], tmp_path: Path
) -> None:
    """All weights and states, and every recorded value; most stops are between two adjustments."""
    straight = begin("straight")
    assert straight.play() == "finished"
    wanted, lines = straight.trainer.state_dict(), rows(tmp_path / "straight")
    assert len({row[P] for row in lines}) > 8

    for stop in (1, 12, 18, 24):
        first = begin(f"stopped at {stop}")
        first.callbacks = {**first.callbacks, "stop": StopAt(stop)}
        assert first.play() == "stopped"
        second = begin(f"stopped at {stop}")
        folder = tmp_path / f"stopped at {stop}"
        found = checkpoint.load_newest(folder / "checkpoints", device=CPU, tell=pytest.fail)
        second.load_state_dict(found.state)
        assert second.play() == "finished"
        reached = second.trainer.state_dict()
        for group in ("game", "networks", "optimizers"):
            assert equal(reached[group], wanted[group]), (stop, group)
        assert rows(folder) == lines
