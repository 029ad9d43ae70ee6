"""Training loops written by hand, over the networks of ``dcgan``: what ganforge is measured by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganforge.engine.data import normalised
from ganforge_dcgan.ends import FromImages, ToImages
from ganforge_dcgan.models import DCGANDiscriminator, DCGANGenerator
from ganforge_mnist.dataset import MNIST

Step = Callable[[], None]


@dataclass(frozen=True)
class Task:
    """What all sides do: a DCGAN with Adam on images that are in memory.

    Args:
        images: uint8 ``(N, C, H, W)``, on the device.
        channels: Of the networks.
        batch_size: Of one step.
        latent_dim: Length of a latent, which is standard normal.
        lr: Of both optimizers.
        betas: Of both optimizers.
        textbook: Networks of torch's own layers, instead of ganforge's.
        seed: Of the networks' weights.
    """

    images: Tensor
    channels: int = 64
    batch_size: int = 128
    latent_dim: int = 100
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    textbook: bool = False
    seed: int = 0

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator; their weights depend on the seed alone."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            shape = tuple(self.images.shape[1:])
            generator = DCGANGenerator(
                image_shape=shape,  # type: ignore[arg-type]
                latent_dim=self.latent_dim,
                channels=self.channels,
            )
            discriminator = DCGANDiscriminator(
                image_shape=shape,  # type: ignore[arg-type]
                channels=self.channels,
            )
        if self.textbook:
            generator, discriminator = as_in_textbooks(generator), as_in_textbooks(discriminator)
        device = self.images.device
        return generator.to(device), discriminator.to(device)

    def adam(self, network: nn.Module, *, fused: bool) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), self.lr, self.betas, fused=fused)

    def batch(self) -> Tensor:
        """Real samples, normalised."""
        count, device = len(self.images), self.images.device
        rows = torch.randint(0, count, (self.batch_size,), device=device)
        return normalised(self.images[rows])

    def latents(self) -> Tensor:
        return torch.randn(self.batch_size, self.latent_dim, device=self.images.device)

    def overrides(self) -> list[str]:
        """The same as overrides of the recipe ``mnist_dcgan``."""
        network = f"{{use: dcgan, channels: {self.channels}}}"
        adam = f"{{use: adam, lr: {self.lr}, betas: {list(self.betas)}}}"
        return [
            "game={use: two_player}",
            f"generator={network}",
            f"discriminator={network}",
            f"optimizer={{generator: {adam}, discriminator: {adam}}}",
            f"latent={{dim: {self.latent_dim}, distribution: normal}}",
            f"train.batch_size={self.batch_size}",
            "ema=null",
            "callbacks=[]",
        ]


def as_in_textbooks(network: nn.Module) -> nn.Module:
    """The same network, its ends too made of torch's own layers."""
    for module in network.modules():
        if type(module) is ToImages:
            module.__class__ = nn.ConvTranspose2d
        elif type(module) is FromImages:
            module.__class__ = nn.Conv2d
    return network


def mnist(device: torch.device | str = "cpu") -> Tensor:
    """The training images."""
    return MNIST().samples.to(device)


def plain(task: Task) -> Step:
    """The loop of pytorch/examples' DCGAN: labels, BCE, one pass of the generator for both phases,
    gradients of everything, and numbers read in every step."""
    generator, discriminator = task.networks()
    rates = task.adam(generator, fused=False), task.adam(discriminator, fused=False)
    criterion = nn.BCEWithLogitsLoss()
    ones = torch.ones(task.batch_size, device=task.images.device)
    zeros = torch.zeros_like(ones)

    def step() -> None:
        discriminator.zero_grad()
        output = discriminator(task.batch())
        real_loss = criterion(output, ones)
        real_loss.backward()
        output.mean().item()
        fake = generator(task.latents())
        output = discriminator(fake.detach())
        fake_loss = criterion(output, zeros)
        fake_loss.backward()
        output.mean().item()
        rates[1].step()
        generator.zero_grad()
        output = discriminator(fake)
        loss = criterion(output, ones)
        loss.backward()
        output.mean().item()
        rates[0].step()
        (real_loss + fake_loss).item(), loss.item()

    return step


def best(task: Task, *, reuse_fakes: bool = False, channels_last: bool = True) -> Step:
    """A step of the best loop by hand, see :func:`best_with_generator`."""
    return best_with_generator(task, reuse_fakes=reuse_fakes, channels_last=channels_last)[0]


def best_with_generator(
    task: Task, *, reuse_fakes: bool = False, channels_last: bool = True
) -> tuple[Step, nn.Module]:
    """The best loop by hand: the discriminator frozen while the generator learns, no graph where
    none is needed, channels last, fused optimizers, and nothing read.

    Args:
        task: What it does.
        reuse_fakes: One pass of the generator for both phases.
        channels_last: How images lie in memory.
    """
    generator, discriminator = task.networks()
    if channels_last:
        for network in (generator, discriminator):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rates = task.adam(generator, fused=True), task.adam(discriminator, fused=True)
    judged = list(discriminator.parameters())

    def step() -> None:
        for weight in judged:
            weight.requires_grad_(True)
        rates[1].zero_grad()
        with torch.set_grad_enabled(reuse_fakes):
            fake = generator(task.latents())
        real_loss = functional.softplus(-discriminator(task.batch())).mean()
        fake_loss = functional.softplus(discriminator(fake.detach())).mean()
        (real_loss + fake_loss).backward()
        rates[1].step()
        for weight in judged:
            weight.requires_grad_(False)
        rates[0].zero_grad()
        if not reuse_fakes:
            fake = generator(task.latents())
        functional.softplus(-discriminator(fake)).mean().backward()
        rates[0].step()

    return step, generator
