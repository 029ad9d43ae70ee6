"""The projection discriminator against equation 3, and the classes among its pictures."""

from __future__ import annotations

import pytest
import torch
from test_acgan import trainer_of
from test_conditional_networks import DIM, WIDTH, K, generator, labels_of, randomized
from test_regularizers import close, samples
from torch import Tensor, nn

from ganforge.api import Batch, Show, call
from ganforge.engine.streams import Streams
from ganforge_conditional.discriminators import ProjectionDiscriminator

CPU = torch.device("cpu")


class Flat(nn.Module):
    """phi(x) = x."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def linear(features: int) -> ProjectionDiscriminator:
    """A projection discriminator without convolutions: V and psi alone."""
    network = ProjectionDiscriminator(
        image_shape=(1, 8, 8), num_classes=K, channels=WIDTH, norm="none"
    )
    network.downsample = Flat()  # type: ignore[assignment]
    network.judge = nn.Linear(features, 1)
    network.project = nn.Linear(features, K, bias=False)
    found: ProjectionDiscriminator = randomized(network)
    return found


@pytest.mark.parametrize("count", [1, 64])
def test_equation_3(count: int) -> None:
    """y^T V phi(x) + psi(phi(x)): values, and the gradients by V, psi and x."""
    network = linear(12)
    images, labels = samples(count, 3, 2, 2).requires_grad_(), labels_of(count)
    v, a, b = (
        value.detach()
        for value in (network.project.weight, network.judge.weight, network.judge.bias)
    )
    phi = images.detach().reshape(count, 12)
    y = torch.eye(K, dtype=torch.float64)[labels]
    found = network(images, labels)
    close(found.detach(), torch.einsum("nk,kf,nf->n", y, v, phi) + phi @ a[0] + b, atol=1e-10)
    found.sum().backward()
    close(network.project.weight.grad, torch.einsum("nk,nf->kf", y, phi), atol=1e-10)  # type: ignore[arg-type]
    close(network.judge.weight.grad, phi.sum(0, keepdim=True), atol=1e-10)  # type: ignore[arg-type]
    close(network.judge.bias.grad, torch.tensor([float(count)]).double())  # type: ignore[arg-type]
    close(images.grad.reshape(count, 12), v[labels] + a, atol=1e-10)  # type: ignore[union-attr]


def test_classes_may_be_weights() -> None:
    """The projection is linear in them, psi does not know them."""
    network = linear(12)
    images, labels = samples(4, 3, 2, 2), labels_of(4)
    one, other = network(images, labels), network(images, (labels + 1) % K)
    mixed = 0.25 * torch.eye(K)[labels] + 0.75 * torch.eye(K)[(labels + 1) % K]
    close(network(images, mixed).detach(), (0.25 * one + 0.75 * other).detach(), atol=1e-7)


@pytest.mark.parametrize("columns", [None, 3])
def test_a_row_for_each_class(columns: int | None) -> None:
    maker = generator(by="batch_norm").eval()
    latent = trainer_of("projection").latent
    show = Show(
        networks={"generator": maker},
        latent=type(latent)(DIM),
        streams=Streams(0),
        device=CPU,
        examples=lambda count: Batch(torch.zeros(count, 1, 28, 28)),
        num_classes=K,
        count=20,
        columns=columns,
    )
    panel = show.by_class(maker)
    wide = columns or 4
    assert panel.columns == wide
    assert len(panel.samples) == K * wide
    latents = show.latents(wide)
    for number in range(K):
        row = call(maker, latents, labels=torch.full((wide,), number))
        torch.testing.assert_close(panel.samples[number * wide : (number + 1) * wide], row)


def test_the_run_shows_and_ranks_by_class() -> None:
    trainer = trainer_of("projection")
    judge = trainer.networks["discriminator"].eval()
    images = torch.rand(4, 1, 28, 28)
    found = [judge(images, torch.full((4,), number)) for number in (0, 1)]
    assert not torch.equal(*found)


def test_spectral_norm_counts_its_passes_in_the_state() -> None:
    """Vectors of the power iteration are buffers: a resumed run goes on from them."""
    trainer = trainer_of("projection")
    judge = trainer.networks["discriminator"]
    before = {name: value.clone() for name, value in judge.named_buffers()}
    assert len(before) == 2 * 4
    trainer.step()
    assert all(
        not torch.equal(before[name], value)
        for name, value in judge.named_buffers()
        if value.numel() > 1
    )
    twin = trainer_of("projection", "seed=1").networks["discriminator"]
    twin.load_state_dict(judge.state_dict())
    images, labels = torch.rand(4, 1, 28, 28), torch.arange(4)
    assert torch.equal(judge.eval()(images, labels), twin.eval()(images, labels))
