"""Class-conditional networks: sizes, starts, and forward passes written a second time."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_regularizers import close, samples
from torch import Tensor, nn

import ganforge_conditional
from ganforge.api import UsageError
from ganforge.engine.freezing import Freezer
from ganforge.options import read_signature
from ganforge_conditional.blocks import ClassBatchNorm, factorize
from ganforge_conditional.codes import InfoGANDiscriminator, InfoGANEncoder
from ganforge_conditional.discriminators import (
    ACGANDiscriminator,
    ConditionalDCGANDiscriminator,
    MultiHingeDiscriminator,
    ProjectionDiscriminator,
)
from ganforge_conditional.generators import ConditionalDCGANGenerator

K, DIM, WIDTH = 5, 6, 3
JUDGES: dict[str, Any] = {
    "acgan": ACGANDiscriminator,
    "conditional_dcgan": ConditionalDCGANDiscriminator,
    "multi_hinge": MultiHingeDiscriminator,
    "projection": ProjectionDiscriminator,
}
NORMS = ("batch", "none", "spectral")


def labels_of(count: int) -> Tensor:
    return torch.arange(count) * 3 % K


def generator(side: int = 28, colours: int = 1, **options: Any) -> ConditionalDCGANGenerator:
    shape = (colours, side, side)
    return ConditionalDCGANGenerator(
        image_shape=shape, latent_dim=DIM, num_classes=K, channels=WIDTH, **options
    )


def judge(name: str, side: int = 28, colours: int = 1, **options: Any) -> Any:
    return JUDGES[name](image_shape=(colours, side, side), num_classes=K, channels=WIDTH, **options)


def randomized(network: Any) -> Any:
    """float64, with parameters and statistics that are neither 0 nor 1, which would hide them."""
    network.double()
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in [*network.parameters(), *network.buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=stream, dtype=value.dtype) - 0.4)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_var.abs_().add_(0.1)  # type: ignore[union-attr, operator]
    return network


def by_batch(maps: Tensor) -> Tensor:
    """Maps with mean 0 and variance 1 in each channel, by the definition."""
    mean = maps.mean(dim=(0, 2, 3), keepdim=True)
    variance = (maps - mean).square().mean(dim=(0, 2, 3), keepdim=True)
    return (maps - mean) / torch.sqrt(variance + 1e-5)


def outputs(network: Any, images: Tensor, labels: Tensor) -> Any:
    """What a judge says, told the labels if it takes them."""
    takes = "labels" in network.forward.__code__.co_varnames
    return network(images, labels) if takes else network(images)


# Registration and options.


def test_the_hook_module_is_torch_free_and_every_target_is_there() -> None:
    code = (
        "import sys, ganforge_conditional as p\n"
        "hooks = [getattr(p, n) for n in sorted(dir(p)) if n.startswith('register_')]\n"
        "add = lambda name, target, summary='': print(name, target, bool(summary))\n"
        "[hook(add) for hook in hooks]\n"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert shown[-2] == "False"
    rows = [row.split() for row in shown[:-2]]
    assert len(rows) == 11
    for _, target, summary in rows:
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
        assert summary == "True"


def test_components_by_kind() -> None:
    found: dict[str, list[str]] = {}
    for hook in sorted(name for name in dir(ganforge_conditional) if name.startswith("register_")):
        names: list[str] = []
        getattr(ganforge_conditional, hook)(lambda name, *_, names=names, **__: names.append(name))
        found[hook.removeprefix("register_")] = sorted(names)
    assert found == {
        "discriminators": ["acgan", "conditional_dcgan", "infogan", "multi_hinge", "projection"],
        "encoders": ["infogan"],
        "games": ["infogan"],
        "generators": ["conditional_dcgan"],
        "losses": ["multi_hinge"],
        "regularizers": ["auxiliary_classifier", "mutual_information"],
    }


@pytest.mark.parametrize("name", sorted(JUDGES))
def test_what_judges_are_told_and_what_can_be_set(name: str) -> None:
    signature = read_signature(JUDGES[name], "discriminator")
    assert signature.injected == {"image_shape", "num_classes"}
    values, problems = signature.check({"channels": 8, "norm": "none"})
    assert (values, problems) == ({"channels": 8, "norm": "none"}, [])
    assert len(signature.check({"channels": 0, "norm": "layer"})[1]) == 2
    assert signature.check({})[0]["norm"] == ("spectral" if name == "projection" else "batch")


# Sizes, and what is refused.


@pytest.mark.parametrize("side", [8, 14, 16, 28, 32, 56, 64])
@pytest.mark.parametrize("colours", [1, 3])
def test_shapes_and_ranges(side: int, colours: int) -> None:
    labels = labels_of(3)
    for by in ("concat", "batch_norm"):
        images = generator(side, colours, by=by)(torch.randn(3, DIM), labels)
        assert images.shape == (3, colours, side, side)
        assert images.dtype == torch.float32
        assert images.abs().max() <= 1
    for name in sorted(JUDGES):
        found = outputs(judge(name, side, colours), images, labels)
        heads = found if isinstance(found, dict) else {"logits": found}
        assert heads["logits"].shape == (3,)
        wide = {"acgan": (3, K), "multi_hinge": (3, K + 1)}.get(name)
        assert ("class_logits" in heads) == (wide is not None)
        assert wide is None or heads["class_logits"].shape == wide
        assert wide is None or heads["features"].flatten(1).shape == heads["features"].shape


def test_every_other_side_up_to_150_is_refused() -> None:
    valid = {8, 16, 32, 64, 128, 14, 28, 56, 112}
    for side in range(151):
        if side in valid:
            factorize((3, side, side), "projection")
        else:
            with pytest.raises(UsageError, match="projection cannot work with samples of shape"):
                factorize((3, side, side), "projection")
    for shape in ((1, 28, 32), (2,), (28, 28)):
        with pytest.raises(UsageError) as told:
            factorize(shape, "acgan")
        assert str(shape) in told.value.message
        assert "Resize" in (told.value.hint or "")


def test_data_without_classes_are_refused() -> None:
    wanted = "needs classes, and the data set has none"
    for name in sorted(JUDGES):
        with pytest.raises(UsageError, match=f"{name} {wanted}") as told:
            JUDGES[name](image_shape=(1, 28, 28), num_classes=None)
        assert "dcgan" in (told.value.hint or "")
    with pytest.raises(UsageError, match=f"conditional_dcgan {wanted}"):
        ConditionalDCGANGenerator(image_shape=(1, 28, 28), latent_dim=3, num_classes=None)


def test_an_embedding_is_for_concat_alone() -> None:
    with pytest.raises(UsageError, match="has no meaning with 'by: batch_norm'") as told:
        generator(by="batch_norm", embedding=4)
    assert "by: concat" in (told.value.hint or "")


# Class-conditional batch norm.


def class_norm(channels: int) -> ClassBatchNorm:
    layer: ClassBatchNorm = randomized(ClassBatchNorm(K, channels))
    return layer


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("count", [1, 64])
def test_class_batch_norm_is_torchs_with_the_weights_of_the_class(
    count: int, training: bool
) -> None:
    """For each class torch's own layer sees the whole batch; its rows of that class must be ours.

    Values, running statistics, and the gradients by input, scale and shift.
    """
    ours = class_norm(4).train(training)
    maps, labels = samples(count, 4, 3, 2), labels_of(count)
    layers = []
    for number in range(K):
        layer = nn.BatchNorm2d(4).double().train(training)
        layer.load_state_dict(
            {
                "weight": ours.scale[number].detach(),
                "bias": ours.shift[number].detach(),
                **{name: value.clone() for name, value in ours.norm.state_dict().items()},
            }
        )
        layers.append(layer)
    first, second = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    found = ours(first, F.one_hot(labels, K).double())
    theirs = torch.stack([layer(second) for layer in layers])[labels, torch.arange(count)]
    close(found, theirs.detach(), atol=1e-10)
    close(ours.norm.running_mean, layers[0].running_mean)  # type: ignore[arg-type]
    close(ours.norm.running_var, layers[0].running_var)  # type: ignore[arg-type]
    weights = samples(*found.shape, seed=5)
    (found * weights).sum().backward()
    (theirs * weights).sum().backward()
    close(first.grad, second.grad, atol=1e-9)  # type: ignore[arg-type]
    for number, layer in enumerate(layers):
        close(ours.scale.grad[number], layer.weight.grad, atol=1e-9)  # type: ignore[index, arg-type]
        close(ours.shift.grad[number], layer.bias.grad, atol=1e-9)  # type: ignore[index, arg-type]


def test_a_frozen_generator_leaves_its_statistics_alone() -> None:
    maker = generator(by="batch_norm")
    freezer = Freezer({"generator": maker, "discriminator": nn.Linear(1, 1)})
    before = {name: value.clone() for name, value in maker.named_buffers()}
    freezer.learn(["discriminator"])
    maker(torch.randn(4, DIM), labels_of(4))
    assert all(torch.equal(before[name], value) for name, value in maker.named_buffers())
    assert not any(parameter.requires_grad for parameter in maker.parameters())
    freezer.learn(["generator"])
    maker(torch.randn(4, DIM), labels_of(4))
    assert not any(torch.equal(before[name], value) for name, value in maker.named_buffers())


# The generator, written again.


@pytest.mark.parametrize("count", [2, 64])
@pytest.mark.parametrize("embedding", [None, 4])
def test_concat_joins_the_class_to_the_latent(embedding: int | None, count: int) -> None:
    maker = randomized(generator(embedding=embedding))
    latents, labels = samples(count, DIM), labels_of(count)
    weights = dict(maker.named_parameters())
    one_hot = torch.eye(K, dtype=torch.float64)[labels]
    of_class = one_hot if embedding is None else weights["embed.weight"].T[labels]
    assert of_class.shape == (count, embedding or K)
    joined = torch.cat([latents, of_class], dim=1)
    maps = (joined @ weights["project.0.weight"].T).reshape(count, 2 * WIDTH, 7, 7)
    for number in (0, 1):
        scale, shift = weights[f"norms.{number}.weight"], weights[f"norms.{number}.bias"]
        maps = torch.relu(by_batch(maps) * scale[:, None, None] + shift[:, None, None])
        if number == 0:
            maps = F.conv_transpose2d(maps, weights["upsample.0.weight"], stride=2, padding=1)
    images = F.conv_transpose2d(
        maps, weights["draw.weight"], weights["draw.bias"], stride=2, padding=1
    )
    close(maker(latents, labels), torch.tanh(images).detach(), atol=1e-10)


@pytest.mark.parametrize("count", [2, 64])
def test_batch_norm_leaves_the_latent_alone(count: int) -> None:
    maker = randomized(generator(by="batch_norm"))
    latents, labels = samples(count, DIM), labels_of(count)
    weights = dict(maker.named_parameters())
    maps = (latents @ weights["project.0.weight"].T).reshape(count, 2 * WIDTH, 7, 7)
    for number in (0, 1):
        scale = weights[f"norms.{number}.scale"][labels][:, :, None, None]
        shift = weights[f"norms.{number}.shift"][labels][:, :, None, None]
        maps = torch.relu(by_batch(maps) * scale + shift)
        if number == 0:
            maps = F.conv_transpose2d(maps, weights["upsample.0.weight"], stride=2, padding=1)
    images = F.conv_transpose2d(
        maps, weights["draw.weight"], weights["draw.bias"], stride=2, padding=1
    )
    close(maker(latents, labels), torch.tanh(images).detach(), atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"embedding": 3}, {"by": "batch_norm"}], ids=str)
def test_classes_may_be_weights(options: dict[str, Any]) -> None:
    maker = randomized(generator(**options)).eval()
    assert maker.takes_class_weights
    latents, labels = samples(4, DIM), labels_of(4)
    plain = maker(latents, labels)
    assert torch.equal(plain, maker(latents, F.one_hot(labels, K).float()))
    halves = 0.5 * F.one_hot(labels, K) + 0.5 * F.one_hot((labels + 1) % K, K)
    mixed = maker(latents, halves)
    assert not torch.allclose(mixed, plain)
    assert not torch.allclose(plain, maker(latents, (labels + 1) % K))


def test_the_start_is_dcgans() -> None:
    """N(0, 0.02), N(1, 0.02) for the scales of batch norm, 0 for biases, N(0, 1) for embeddings."""
    torch.manual_seed(0)
    wide = ConditionalDCGANGenerator(
        image_shape=(1, 28, 28), latent_dim=100, num_classes=K, channels=64, embedding=200
    )
    by_norm = generator(by="batch_norm")
    for weight in (wide.project[0].weight, wide.upsample[0].weight, wide.draw.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(weight.mean().item()) < 0.002
    assert wide.embed.weight.std().item() == pytest.approx(1.0, rel=0.1)
    for norm in by_norm.norms:
        assert norm.scale.mean().item() == pytest.approx(1.0, abs=0.03)
        assert 0.005 < norm.scale.std().item() < 0.04
        assert not norm.shift.any()
    assert not wide.draw.bias.any()


# The judges, written again.


def trunk(weights: dict[str, Tensor], images: Tensor, norm: str) -> Tensor:
    maps = F.conv2d(
        images, weights["downsample.0.weight"], weights["downsample.0.bias"], stride=2, padding=1
    )
    maps = torch.where(maps > 0, maps, 0.2 * maps)
    maps = F.conv2d(
        maps, weights["downsample.2.weight"], weights.get("downsample.2.bias"), stride=2, padding=1
    )
    if norm == "batch":
        scale, shift = weights["downsample.3.weight"], weights["downsample.3.bias"]
        maps = by_batch(maps) * scale[:, None, None] + shift[:, None, None]
    return torch.where(maps > 0, maps, 0.2 * maps).flatten(1)


@pytest.mark.parametrize("count", [2, 64])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("name", sorted(JUDGES))
def test_what_judges_compute(name: str, norm: str, count: int) -> None:
    network = randomized(judge(name, norm=norm))
    images, labels = samples(count, 1, 28, 28), labels_of(count)
    weights = dict(network.named_parameters())
    one_hot = torch.eye(K, dtype=torch.float64)[labels]
    inputs = images
    if name == "conditional_dcgan":
        maps = torch.zeros(count, K, 28, 28, dtype=torch.float64)
        for row, label in enumerate(labels.tolist()):
            maps[row, label] = 1
        inputs = torch.cat([images, maps], dim=1)
    features = trunk(weights, inputs, norm)
    found = outputs(network, images, labels)
    if name == "multi_hinge":
        class_logits = features @ weights["classify.weight"].T + weights["classify.bias"]
        close(found["class_logits"], class_logits.detach(), atol=1e-9)
        own = torch.stack([class_logits[row, label] for row, label in enumerate(labels)])
        close(found["logits"], (own - class_logits[:, K]).detach(), atol=1e-9)
        close(found["features"], features.detach(), atol=1e-9)
        return
    psi = features @ weights["judge.weight"][0] + weights["judge.bias"][0]
    if name == "projection":
        psi = psi + torch.einsum("nk,kf,nf->n", one_hot, weights["project.weight"], features)
    if name == "acgan":
        class_logits = features @ weights["classify.weight"].T + weights["classify.bias"]
        close(found["class_logits"], class_logits.detach(), atol=1e-9)
        close(found["features"], features.detach(), atol=1e-9)
        found = found["logits"]
    close(found, psi.detach(), atol=1e-9)


@pytest.mark.parametrize("name", sorted(JUDGES))
def test_spectral_norm_holds_every_layer_at_one(name: str) -> None:
    torch.manual_seed(0)
    network = judge(name, norm="spectral")
    images, labels = torch.randn(2, 1, 28, 28), labels_of(2)
    for _ in range(200):  # one power iteration each
        outputs(network, images, labels)
    network.eval()
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert len(layers) == 2 + {"acgan": 2, "projection": 2}.get(name, 1)
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", sorted(JUDGES))
def test_a_penalty_on_gradients_can_be_learned(name: str, norm: str) -> None:
    """The gradient by the image has a gradient by the weights, against a difference quotient."""
    torch.manual_seed(0)
    network = judge(name, side=16, norm=norm).double().eval()
    images = samples(3, 1, 16, 16).requires_grad_()
    labels = labels_of(3)

    def penalty() -> Tensor:
        found = outputs(network, images, labels)
        logits = found["logits"] if isinstance(found, dict) else found
        (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return slope.square().sum()

    kernel = next(each for each in network.parameters() if each.dim() == 4)
    direction = samples(*kernel.shape, seed=7)
    (gradient,) = torch.autograd.grad(penalty(), kernel)
    step, ends = 1e-6, []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            kernel.add_(direction, alpha=sign * step)
        ends.append(penalty().item())
        with torch.no_grad():
            kernel.sub_(direction, alpha=sign * step)
    expected = (ends[0] - ends[1]) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-4, abs=1e-9)


# InfoGAN's.


def heads_of(kind: str, **options: Any) -> Any:
    make: Any = {"discriminator": InfoGANDiscriminator, "encoder": InfoGANEncoder}[kind]
    return make(image_shape=(1, 28, 28), code_dim=5, channels=WIDTH, hidden=8, **options)


@pytest.mark.parametrize("count", [2, 64])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("kind", ["discriminator", "encoder"])
def test_what_guesses_codes(kind: str, norm: str, count: int) -> None:
    network = randomized(heads_of(kind, norm=norm, learn_variance=True))
    images = samples(count, 1, 28, 28)
    weights = dict(network.named_parameters())
    features = trunk(weights, images, norm)
    hidden = features @ weights["code_head.layers.0.weight"].T
    if norm == "batch":
        hidden = by_batch(hidden[:, :, None, None])[:, :, 0, 0]
        hidden = hidden * weights["code_head.layers.1.weight"] + weights["code_head.layers.1.bias"]
    else:
        hidden = hidden + weights["code_head.layers.0.bias"]
    hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    found = network(images)
    for name, layer in (("codes", "guess"), ("code_log_variance", "doubt")):
        expected = hidden @ weights[f"code_head.{layer}.weight"].T
        close(found[name], (expected + weights[f"code_head.{layer}.bias"]).detach(), atol=1e-9)
    assert ("logits" in found) == (kind == "discriminator")
    if kind == "discriminator":
        logits = features @ weights["judge.weight"][0] + weights["judge.bias"][0]
        close(found["logits"], logits.detach(), atol=1e-9)


@pytest.mark.parametrize("kind", ["discriminator", "encoder"])
def test_codes_are_needed_and_variance_is_asked_for(kind: str) -> None:
    assert read_signature(type(heads_of(kind)), kind).injected == {"image_shape", "code_dim"}
    assert "code_log_variance" not in heads_of(kind)(torch.randn(2, 1, 28, 28))
    with pytest.raises(UsageError, match="the latent has none") as told:
        type(heads_of(kind))(image_shape=(1, 28, 28), code_dim=0)
    assert "categorical: [10]" in (told.value.hint or "")
