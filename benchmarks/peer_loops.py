"""The same DCGAN in other frameworks, each as its own documentation writes a GAN.

Every side has the networks' shapes, the batch, the optimizers and the resident images of a task.
The networks are written with torch's layers, as everybody writes them.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import loops
from benchmarks.loops import Task
from benchmarks.turns import Side, steps_of


class Batches:
    """So many batches, as an iterable that can be walked again."""

    def __init__(self, task: Task, count: int) -> None:
        self.task = task
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        for _ in range(self.count):
            yield self.task.batch()


def ignite(task: Task) -> Side:
    """The update function of PyTorch-Ignite's DCGAN example, run by its ``Engine``."""
    from ignite.engine import Engine, Events
    from ignite.metrics import RunningAverage

    generator, discriminator = task.networks()
    rates = task.adam(generator, fused=False), task.adam(discriminator, fused=False)
    criterion = nn.BCEWithLogitsLoss()
    ones = torch.ones(task.batch_size, device=task.images.device)
    zeros = torch.zeros_like(ones)

    def update(_engine: Engine, real: Tensor) -> dict[str, float]:
        discriminator.zero_grad()
        output = discriminator(real)
        real_loss = criterion(output, ones)
        real_loss.backward()
        belief = output.mean().item()
        fake = generator(task.latents())
        output = discriminator(fake.detach())
        fake_loss = criterion(output, zeros)
        fake_loss.backward()
        rates[1].step()
        generator.zero_grad()
        loss = criterion(discriminator(fake), ones)
        loss.backward()
        rates[0].step()
        return {"errD": (real_loss + fake_loss).item(), "errG": loss.item(), "D_x": belief}

    engine = Engine(update)
    for name in ("errD", "errG", "D_x"):
        RunningAverage(output_transform=lambda found, name=name: found[name]).attach(engine, name)
    engine.add_event_handler(Events.ITERATION_COMPLETED(every=100), lambda _: None)

    def side(count: int) -> None:
        engine.run(Batches(task, count), max_epochs=1, epoch_length=count)

    return side


def lightning(task: Task) -> Side:
    """Lightning's GAN example: manual optimization, optimizers toggled, losses logged."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    import lightning.pytorch as pl
    from torch.nn import functional

    class GAN(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.generator, self.discriminator = task.networks()
            self.taken = 0.0

        def training_step(self, batch: Tensor) -> None:
            optimizer_g, optimizer_d = self.optimizers()
            ones = torch.ones(len(batch), device=batch.device)
            zeros = torch.zeros(len(batch), device=batch.device)
            latents = task.latents()
            self.toggle_optimizer(optimizer_g)
            score = self.discriminator(self.generator(latents))
            g_loss = functional.binary_cross_entropy_with_logits(score, ones)
            self.log("g_loss", g_loss, prog_bar=True)
            self.manual_backward(g_loss)
            optimizer_g.step()
            optimizer_g.zero_grad()
            self.untoggle_optimizer(optimizer_g)
            self.toggle_optimizer(optimizer_d)
            real_loss = functional.binary_cross_entropy_with_logits(self.discriminator(batch), ones)
            fake = self.generator(latents).detach()
            fake_loss = functional.binary_cross_entropy_with_logits(self.discriminator(fake), zeros)
            d_loss = (real_loss + fake_loss) / 2
            self.log("d_loss", d_loss, prog_bar=True)
            self.manual_backward(d_loss)
            optimizer_d.step()
            optimizer_d.zero_grad()
            self.untoggle_optimizer(optimizer_d)

        def configure_optimizers(self) -> Any:
            adam = (task.adam(net, fused=False) for net in (self.generator, self.discriminator))
            return list(adam), []

        def on_train_start(self) -> None:
            self.taken = -time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.taken += time.perf_counter()

    model = GAN()

    def side(count: int) -> float:
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="gpu" if task.images.device.type == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, train_dataloaders=Batches(task, count))
        return model.taken  # without what it does before the first step and after the last

    return side


def keras(task: Task) -> Side:
    """Keras' DCGAN example with a train step of one's own, on the torch backend."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np
    from keras import layers

    _, side_length, _ = task.images.shape[1:]
    base, width = side_length // 4, task.channels
    discriminator = keras.Sequential(
        [
            keras.Input((side_length, side_length, 1)),
            layers.Conv2D(width, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(2 * width, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    generator = keras.Sequential(
        [
            keras.Input((task.latent_dim,)),
            layers.Dense(base * base * 2 * width, use_bias=False),
            layers.Reshape((base, base, 2 * width)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
        ]
    )

    class GAN(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = discriminator
            self.generator = generator
            self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)
            self.d_optimizer = keras.optimizers.Adam(task.lr, *task.betas)
            self.g_optimizer = keras.optimizers.Adam(task.lr, *task.betas)
            self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
            self.g_loss_tracker = keras.metrics.Mean(name="g_loss")
            self.built = True

        def train_step(self, _data: Any) -> dict[str, Any]:
            real = task.batch().permute(0, 2, 3, 1)
            fake = self.generator(task.latents())
            both = torch.cat([fake.detach(), real])
            labels = torch.cat([torch.zeros(len(real), 1), torch.ones(len(real), 1)])
            labels = labels.to(real.device)
            self.zero_grad()
            d_loss = self.loss_fn(labels, self.discriminator(both))
            d_loss.backward()
            self._apply(self.d_optimizer, self.discriminator)
            self.zero_grad()
            wanted = torch.ones(len(real), 1, device=real.device)
            g_loss = self.loss_fn(wanted, self.discriminator(self.generator(task.latents())))
            g_loss.backward()
            self._apply(self.g_optimizer, self.generator)
            self.d_loss_tracker.update_state(d_loss)
            self.g_loss_tracker.update_state(g_loss)
            return {"d_loss": self.d_loss_tracker.result(), "g_loss": self.g_loss_tracker.result()}

        def _apply(self, optimizer: Any, network: Any) -> None:
            weights = list(network.trainable_weights)
            gradients = [weight.value.grad for weight in weights]
            with torch.no_grad():
                optimizer.apply(gradients, weights)

    class Clock(keras.callbacks.Callback):
        taken = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.taken = -time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.taken += time.perf_counter()

    model = GAN()
    model.compile()
    clock = Clock()

    def side(count: int) -> float:
        nothing = np.zeros((count, 1), dtype="float32")
        model.fit(nothing, batch_size=1, epochs=1, verbose=0, callbacks=[clock])
        return clock.taken

    return side


def plain(task: Task) -> Side:
    """The loop of pytorch/examples."""
    return steps_of(loops.plain(task))


PACKAGES = {"ignite": "ignite", "lightning": "lightning", "keras": "keras"}
"""What has to be installed for a side."""

SIDES = {"plain loop": plain, "ignite": ignite, "lightning": lightning, "keras": keras}
