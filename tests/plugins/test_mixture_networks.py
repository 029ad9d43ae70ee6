"""The networks ``mlp`` and ``pacgan_mixture``: sizes, starts, and forward passes written again."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge.options import read_signature
from ganforge.testing import examine
from ganforge_mixture.mlp import MLPDiscriminator, MLPGenerator
from ganforge_mixture.pacgan import Maxout, PacGANMixtureDiscriminator, PacGANMixtureGenerator

Array = NDArray[np.float64]
NETWORKS = [
    ("discriminator", MLPDiscriminator),
    ("discriminator", PacGANMixtureDiscriminator),
    ("generator", MLPGenerator),
    ("generator", PacGANMixtureGenerator),
]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def randomized(network: nn.Module) -> nn.Module:
    """float64, with parameters and statistics that are neither 0 nor 1, which would hide them."""
    network.double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in [*network.parameters(), *network.buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator, dtype=value.dtype) - 0.3)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d) and module.running_var is not None:
                module.running_var.abs_().add_(0.1)
    return network


def points(count: int, width: int) -> Tensor:
    return torch.randn(
        count, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


def state(network: nn.Module) -> list[Array]:
    return [p.detach().numpy() for p in network.parameters()]


# PacGAN's networks.


def test_the_generator_has_the_paper_codes_parameters() -> None:
    """2-400-400-400-400-2 without biases but the last, and two numbers a normalised unit."""
    network = PacGANMixtureGenerator(image_shape=(2,), latent_dim=2)
    assert count(network) == 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400 + (400 * 2 + 2) == 484_802


@pytest.mark.parametrize("pack", [1, 2, 3, 4])
def test_the_discriminator_has_the_paper_codes_parameters(pack: int) -> None:
    """2m-200-200-200-1, where each of 200 units is the largest of 5."""
    network = PacGANMixtureDiscriminator(image_shape=(2 * pack,))
    first, others = (2 * pack + 1) * 1000, 2 * (200 * 1000 + 1000)
    assert count(network) == first + others + 201 == 403_201 + 2_000 * pack


@pytest.mark.parametrize("training", [False, True])
def test_the_generator_computes_what_the_paper_code_does(training: bool) -> None:
    network = randomized(PacGANMixtureGenerator(image_shape=(3,), latent_dim=5)).train(training)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    statistics = [(m.running_mean.numpy().copy(), m.running_var.numpy().copy()) for m in norms]
    latents = points(7, 5)
    found = network(latents).detach().numpy()
    parameters = state(network)
    values = latents.numpy()
    for layer in range(4):
        weight, scale, shift = parameters[3 * layer : 3 * layer + 3]
        values = values @ weight.T
        mean, variance = (
            (values.mean(axis=0), values.var(axis=0)) if training else statistics[layer]
        )
        values = (values - mean) / np.sqrt(variance + 1e-4) * scale + shift
        values = np.where(values > 0, values, 0.0)
    weight, bias = parameters[12:]
    np.testing.assert_allclose(found, values @ weight.T + bias, rtol=1e-9)


def test_the_discriminator_computes_what_the_paper_code_does() -> None:
    """Unit k is the largest of the linear outputs 5k to 5k + 4, as in Blocks' LinearMaxout."""
    network = randomized(PacGANMixtureDiscriminator(image_shape=(4,)))
    samples = points(6, 4)
    found = network(samples).detach().numpy()
    *hidden, weight, bias = state(network)
    values = samples.numpy()
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        linear = values @ w.T + b
        values = np.stack([linear[:, 5 * k : 5 * k + 5].max(axis=1) for k in range(200)], axis=1)
    assert found.shape == (6,)
    np.testing.assert_allclose(found, values @ weight[0] + bias[0], rtol=1e-9)


def test_maxout_by_hand() -> None:
    inputs = torch.tensor([[1.0, 5.0, 2.0, -4.0, -3.0, -9.0]])
    assert Maxout(3)(inputs).tolist() == [[5.0, -3.0]]
    assert Maxout(2)(inputs).tolist() == [[5.0, 2.0, -3.0]]


def test_gradients_of_gradients_pass_through_maxout() -> None:
    network = randomized(PacGANMixtureDiscriminator(image_shape=(2,)))
    samples = points(5, 2).requires_grad_()
    (gradients,) = torch.autograd.grad(network(samples).sum(), samples, create_graph=True)
    gradients.square().sum().backward()
    assert network.layers[0].weight.grad is not None  # type: ignore[index, union-attr]
    assert network.layers[0].weight.grad.abs().sum() > 0  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    "network",
    [
        PacGANMixtureDiscriminator(image_shape=(2,)),
        PacGANMixtureGenerator(image_shape=(2,), latent_dim=2),
    ],
    ids=["discriminator", "generator"],
)
def test_weights_start_as_in_the_paper_code(network: nn.Module) -> None:
    """Normal with a standard deviation of 0.02; biases 0; batch norm 1 and 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            size = module.weight.numel()
            assert module.weight.mean().abs().item() < 5 * 0.02 / math.sqrt(size)
            assert module.weight.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * size))
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.BatchNorm1d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
            assert (module.eps, module.momentum) == (1e-4, 0.05)


@pytest.mark.parametrize("shape", [(1, 28, 28), (), (2, 2)], ids=str)
def test_pacgans_networks_are_for_vectors(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="works with vectors") as caught:
        PacGANMixtureDiscriminator(image_shape=shape)
    assert "mlp" in str(caught.value.hint)
    with pytest.raises(UsageError, match="works with vectors"):
        PacGANMixtureGenerator(image_shape=shape, latent_dim=2)


# Perceptrons.


@pytest.mark.parametrize("widths", [[7], [7, 5, 3]], ids=str)
@pytest.mark.parametrize("shape", [(2,), (3, 4, 5)], ids=str)
def test_perceptrons_have_the_widths_asked_for(shape: tuple[int, ...], widths: list[int]) -> None:
    size = math.prod(shape)
    generator = MLPGenerator(image_shape=shape, latent_dim=6, widths=widths)
    discriminator = MLPDiscriminator(image_shape=shape, widths=widths)
    assert count(generator) == sum((a + 1) * b for a, b in pairwise([6, *widths, size]))
    assert count(discriminator) == sum((a + 1) * b for a, b in pairwise([size, *widths, 1]))
    assert generator(torch.randn(4, 6)).shape == (4, *shape)
    assert discriminator(torch.randn(4, *shape)).shape == (4,)


def test_batch_norm_takes_the_place_of_biases() -> None:
    plain = MLPGenerator(image_shape=(2,), latent_dim=6, widths=[7, 5])
    normal = MLPGenerator(image_shape=(2,), latent_dim=6, widths=[7, 5], batch_norm=True)
    assert count(normal) == count(plain) + 7 + 5  # scale and shift for one bias
    assert [type(m) for m in normal.layers[:3]] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]


ACTIVATIONS = {
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("shape", [(4,), (1, 2, 2)], ids=str)
def test_perceptrons_compute_what_they_say(shape: tuple[int, ...], name: str) -> None:
    activation = ACTIVATIONS[name]
    discriminator = randomized(
        MLPDiscriminator(image_shape=shape, widths=[6, 3], activation=name)  # type: ignore[arg-type]
    )
    generator = randomized(
        MLPGenerator(image_shape=shape, latent_dim=4, widths=[6, 3], activation=name)  # type: ignore[arg-type]
    )
    inputs = points(5, 4)
    for network, given in ((discriminator, inputs.reshape(5, *shape)), (generator, inputs)):
        values = inputs.numpy()
        *hidden, weight, bias = state(network)
        for w, b in zip(hidden[::2], hidden[1::2], strict=True):
            values = activation(values @ w.T + b)
        expected = values @ weight.T + bias
        if network is generator and len(shape) == 3:
            expected = np.tanh(expected)
        found = network(given).detach().numpy().reshape(5, -1)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["leaky_relu", "relu"])
def test_values_keep_their_size_through_many_layers(name: str) -> None:
    """He et al. 2015, equation 10: the activation takes a share of the second moment, and the gain
    gives it back, so it is the input's after every layer."""
    torch.manual_seed(0)
    network = MLPDiscriminator(image_shape=(1000,), widths=[1000] * 4, activation=name)  # type: ignore[arg-type]
    values = network.layers[:-1](torch.randn(200, 1000))
    assert values.square().mean().item() == pytest.approx(1.0, rel=0.4)


@pytest.mark.parametrize(
    "options",
    [{"widths": []}, {"widths": [0]}, {"widths": 8}, {"activation": "maxout"}, {"batch_norm": 1}],
    ids=str,
)
@pytest.mark.parametrize(("kind", "network"), [NETWORKS[0], NETWORKS[2]])
def test_bad_options_are_refused(
    kind: str, network: type[nn.Module], options: dict[str, object]
) -> None:
    signature = read_signature(network, kind)
    assert len(signature.check(options)[1]) == 1


@pytest.mark.parametrize(("kind", "network"), NETWORKS)
def test_the_framework_supplies_the_shapes(kind: str, network: type[nn.Module]) -> None:
    signature = read_signature(network, kind)
    wanted = {"image_shape", "latent_dim"} if kind == "generator" else {"image_shape"}
    assert signature.injected == wanted
    assert signature.check({})[1] == []


def test_the_plugin_keeps_its_contract() -> None:
    found = examine("ganforge_mixture")
    assert [str(finding) for finding in found if finding.failed] == []
    assert {"mlp", "pacgan_mixture", "mixture"} <= {f.component.split()[-1] for f in found}
