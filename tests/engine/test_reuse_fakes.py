"""Two phases of a step share one pass through the generator: checked against a loop by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganforge.api import NotFiniteError, Term
from ganforge.engine.trainer import Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating
from ganforge_regularizers.gradients import R2

DATA = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
STEPS = 3

MakeTrainer = Callable[..., Trainer]


class Counted(nn.Module):
    """A generator with batch norm that counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
        self.passes = 0

    def forward(self, latents: Tensor) -> Tensor:
        self.passes += 1
        made: Tensor = self.layers(latents)
        return made


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": Counted(),
        "discriminator": nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)),
    }


def game(**options: Any) -> TwoPlayer:
    wanted = {"loss": NonSaturating(), "regularizers": [], "reuse_fakes": True}
    return TwoPlayer(**{**wanted, **options})


def by_hand(trainer: Trainer, made: dict[str, nn.Module], steps: int, d_steps: int = 1) -> None:
    """The loop of pytorch/examples: one pass, its fakes judged detached, then with their graph."""
    generator, discriminator = made["generator"], made["discriminator"]
    rates = {name: torch.optim.SGD(net.parameters(), lr=0.1) for name, net in made.items()}
    batches = iter_batches(trainer, steps * d_steps)
    for step in range(steps):
        for repeat in range(d_steps):
            stream = trainer.streams.generator("latent", step, "discriminator", repeat)
            last = repeat == d_steps - 1
            statistics = [buffer.clone() for buffer in generator.buffers()]
            fake = generator(trainer.latent.sample(8, stream))
            if not last:  # frozen there, so its statistics stay
                for buffer, before in zip(generator.buffers(), statistics, strict=True):
                    buffer.data.copy_(before)
            real = next(batches)
            rates["discriminator"].zero_grad()
            scores = discriminator(real).flatten(), discriminator(fake.detach()).flatten()
            (softplus(-scores[0]).mean() + softplus(scores[1]).mean()).backward()
            rates["discriminator"].step()
        rates["generator"].zero_grad()
        softplus(-discriminator(fake).flatten()).mean().backward()
        rates["generator"].step()


def iter_batches(trainer: Trainer, count: int) -> Any:
    for number in range(count):
        yield DATA[trainer.feed.order.rows(number)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("d_steps", [1, 3])
def test_a_step_is_that_of_the_loop_by_hand(make_trainer: MakeTrainer, d_steps: int) -> None:
    trainer = make_trainer(game(d_steps=d_steps), networks(), DATA)
    expected = networks()
    for _ in range(STEPS):
        trainer.step()
    by_hand(trainer, expected, STEPS, d_steps)
    for name, network in trainer.networks.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(
                value, expected[name].state_dict()[key], rtol=1e-5, atol=1e-6
            )


def test_the_generator_runs_once_a_step(make_trainer: MakeTrainer) -> None:
    for reuse, passes in ((True, 1), (False, 2)):
        trainer = make_trainer(game(reuse_fakes=reuse), networks(), DATA)
        trainer.step()
        assert trainer.networks["generator"].passes == passes


def test_further_steps_of_the_generator_make_fakes_of_their_own(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(game(g_steps=3), networks(), DATA)
    trainer.step()
    assert trainer.networks["generator"].passes == 3


def test_micro_batches_give_the_gradients_of_the_whole(make_trainer: MakeTrainer) -> None:
    def without_norm() -> dict[str, nn.Module]:
        made = networks()
        made["generator"].layers[1] = nn.Identity()  # type: ignore[index, operator]
        return made

    ends = []
    for portions in (1, 4):
        trainer = make_trainer(game(), without_norm(), DATA, micro_batches=portions)
        for _ in range(STEPS):
            trainer.step()
        ends.append(torch.cat([p.flatten() for p in trainer.networks["generator"].parameters()]))
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


def test_a_penalty_on_the_fakes_does_not_reach_the_generator(make_trainer: MakeTrainer) -> None:
    """R2 differentiates by the fakes: in the discriminator's phase they are leaves."""
    trainer = make_trainer(game(regularizers=[Term("r2", R2(), 1.0)]), networks(), DATA)
    values = trainer.step()
    assert torch.isfinite(values["discriminator/r2"])
    assert trainer.networks["generator"].passes == 1


class FailsOnce(NonSaturating):
    """The generator's loss is not finite in the first play of a run that goes on."""

    bad = True

    def generator(self, round: Any) -> Tensor:
        value = super().generator(round)
        if self.bad:
            return value * float("nan")
        return value


def test_a_run_that_ends_between_the_phases_goes_on_bit_for_bit(make_trainer: MakeTrainer) -> None:
    """What was left is gone then: it is made again of the same latents, and batch norm's
    statistics, which know it already, are not told twice."""
    straight = make_trainer(game(), networks(), DATA)
    for _ in range(STEPS):
        straight.step()

    loss = FailsOnce()
    first = make_trainer(game(loss=loss), networks(), DATA)
    with pytest.raises(NotFiniteError):
        first.step()
    state = first.state_dict()
    assert state["played"] == 1, "the discriminator has learned, the generator has not"

    second = make_trainer(game(), networks(), DATA)
    second.load_state_dict(state)
    for _ in range(STEPS):
        second.step()
    for name, network in straight.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, second.networks[name].state_dict()[key]), f"{name}.{key}"


def test_a_skipped_play_of_the_discriminator_leaves_the_step_whole(
    make_trainer: MakeTrainer,
) -> None:
    class Bad(NonSaturating):
        def discriminator(self, round: Any) -> Tensor:
            return super().discriminator(round) * float("nan")

    trainer = make_trainer(game(loss=Bad()), networks(), DATA, not_finite="skip")
    before = [p.detach().clone() for p in trainer.networks["generator"].parameters()]
    trainer.step()
    after = list(trainer.networks["generator"].parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert trainer.judge.skipped == 1
