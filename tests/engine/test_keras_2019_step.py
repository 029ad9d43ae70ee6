"""The recipe of 2019 against its own step, written out with tensors and formulas alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry

MakeTrainer = Callable[..., Trainer]
Weights = list[Tensor]

RECIPE = Path(__file__).parents[2] / "recipes" / "mnist_dcgan_2019.yaml"
SEED = 11
RATE, MOMENTUM = 5e-4, 0.9
"""The optimizer of both networks in the write-up: SGD with Nesterov momentum."""


def component(kind: str, spec: dict[str, Any], **given: Any) -> Any:
    """What a recipe's ``{use: NAME, ...}`` makes; PyYAML reads ``5e-4`` as a text."""
    options = {
        key: float(value) if key == "lr" else value for key, value in spec.items() if key != "use"
    }
    return load_registry().find(kind, spec["use"]).load()(**options, **given)


def images(count: int) -> Tensor:
    """uint8 images of the size of MNIST's."""
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)


def prepare(make_trainer: MakeTrainer, *, batch_size: int, samples: Tensor) -> Trainer:
    """The recipe's own components and options, on other data and in batches of another size."""
    recipe = yaml.safe_load(RECIPE.read_text())
    torch.manual_seed(0)
    shape = tuple(samples.shape[1:])
    networks: dict[str, nn.Module] = {
        "generator": component(
            "generator",
            recipe["generator"],
            image_shape=shape,
            latent_dim=recipe["latent"]["dim"],
        ),
        "discriminator": component("discriminator", recipe["discriminator"], image_shape=shape),
    }
    loss = component("loss", recipe["loss"])
    return make_trainer(
        component("game", recipe["game"], loss=loss, regularizers=[]),
        networks,
        samples,
        optimizers={
            name: component("optimizer", spec, params=list(networks[name].parameters()))
            for name, spec in recipe["optimizer"].items()
        },
        latent=Latent(**recipe["latent"]),
        batch_size=batch_size,
        seed=SEED,
    )


# The experiment once more. Weights are in the order of the layers: weight, bias, weight, bias...


def generate(w: Weights, latents: Tensor) -> Tensor:
    hidden = torch.tanh(latents @ w[0].T + w[1])
    units = hidden @ w[2].T + w[3]
    centred = units - units.mean(dim=0)
    units = centred / (centred.pow(2).mean(dim=0) + 1e-3).sqrt() * w[4] + w[5]
    maps = torch.tanh(units).reshape(-1, 128, 7, 7)
    maps = maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    maps = torch.tanh(F.conv2d(maps, w[6], w[7], padding=2))
    maps = maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return torch.tanh(F.conv2d(maps, w[8], w[9], padding=2))


def judge(w: Weights, pictures: Tensor) -> Tensor:
    maps = F.max_pool2d(torch.tanh(F.conv2d(pictures, w[0], w[1], padding=2)), 2)
    maps = F.max_pool2d(torch.tanh(F.conv2d(maps, w[2], w[3])), 2)
    hidden = torch.tanh(maps.flatten(1) @ w[4].T + w[5])
    return (hidden @ w[6].T + w[7]).squeeze(1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Keras's ``binary_crossentropy``: the mean over the batch, whatever is in it."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="mean")


def descend(weights: Weights, velocities: Weights, loss: Tensor) -> None:
    """Keras's SGD with ``nesterov=True``: v = m v - lr g, then w = w + m v - lr g."""
    gradients = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
            velocity.mul_(MOMENTUM).sub_(RATE * gradient)
            weight.add_(MOMENTUM * velocity - RATE * gradient)


def train_by_hand(g: Weights, d: Weights, samples: Tensor, batch: int, steps: int) -> list[Tensor]:
    """Train both weight lists in place; returns the losses, D's and G's in turn."""
    streams = Streams(SEED)
    order = torch.randperm(len(samples), generator=streams.generator("data_order", 0))
    pictures = (samples.float() - 127.5) / 127.5
    g_velocities, d_velocities = ([torch.zeros_like(w) for w in weights] for weights in (g, d))
    losses = []
    for step in range(steps):

        def noise(phase: str, step: int = step) -> Tensor:
            numbers = torch.rand(batch, 100, generator=streams.generator("latent", step, phase, 0))
            return numbers * 2 - 1

        real = pictures[order[step * batch : (step + 1) * batch]]
        fake = generate(g, noise("discriminator")).detach()
        merged = torch.cat([real, fake])
        targets = torch.tensor([1.0] * batch + [0.0] * batch)
        d_loss = cross_entropy(judge(d, merged), targets)
        descend(d, d_velocities, d_loss)

        g_loss = cross_entropy(judge(d, generate(g, noise("generator"))), torch.ones(batch))
        descend(g, g_velocities, g_loss)
        losses += [d_loss.detach(), g_loss.detach()]
    return losses


def copied(network: nn.Module) -> Weights:
    return [parameter.detach().clone().requires_grad_() for parameter in network.parameters()]


def flat(weights: Iterable[Tensor]) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in weights])


@pytest.mark.parametrize(("batch", "steps"), [(16, 3), (128, 1)])
def test_the_recipes_step_is_that_of_2019(
    batch: int, steps: int, make_trainer: MakeTrainer
) -> None:
    """BCE over the merged, labelled batch for D; fresh noise with label 1 through D for G."""
    samples = images(batch * steps)
    trainer = prepare(make_trainer, batch_size=batch, samples=samples)
    g, d = copied(trainer.networks["generator"]), copied(trainer.networks["discriminator"])
    start = {
        "generator": [w.detach().clone() for w in g],
        "discriminator": [w.detach().clone() for w in d],
    }

    played = []
    for _ in range(steps):
        values = trainer.step()
        played += [values["discriminator/loss"], values["generator/loss"]]

    losses = train_by_hand(g, d, samples, batch, steps)
    torch.testing.assert_close(played, losses, rtol=0, atol=1e-5)
    for name, mine in (("generator", g), ("discriminator", d)):
        parameters = trainer.networks[name].parameters()
        theirs, ours, before = (flat(weights) for weights in (parameters, mine, start[name]))
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)
        # One step at this rate moves hardly a weight by 1e-4: the movement is what must agree.
        assert (theirs - ours).norm() < 1e-2 * (ours - before).norm(), name


def test_the_recipe_states_the_experiment() -> None:
    """Batches of 128, 100 uniform latents, joint batch, D's loss halved, SGD for both networks."""
    recipe = yaml.safe_load(RECIPE.read_text())
    optimizer = {"use": "sgd", "lr": "5e-4", "momentum": 0.9, "nesterov": True}
    assert recipe["latent"] == {"dim": 100, "distribution": "uniform"}
    assert recipe["game"]["discriminator_batch"] == "joint"
    assert recipe["game"]["discriminator_weight"] == 0.5
    assert recipe["optimizer"] == {"generator": optimizer, "discriminator": optimizer}
    assert recipe["train"] == {"epochs": 150, "batch_size": 128}
