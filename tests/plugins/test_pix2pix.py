"""pix2pix: its objective by hand, what D sees; and the networks of image translation."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganforge import build
from ganforge.api import AdversarialLoss, Batch, Dataset, Draw, Play, Show, Term, UsageError
from ganforge.engine import checkpoint
from ganforge.engine.adversarial import AdversarialRound
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.game import rank
from ganforge.engine.latent import Latent
from ganforge.engine.run import Run
from ganforge.engine.streams import Streams
from ganforge.engine.tally import read
from ganforge.engine.trainer import Settings, Trainer
from ganforge.options import read_signature
from ganforge.plugins import add_named, load_registry
from ganforge.recipe.load import load
from ganforge_losses.losses import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from ganforge_losses.relativistic import RelativisticAverage, RelativisticPairing
from ganforge_regularizers.gradients import R1, R2, GradientPenalty
from ganforge_regularizers.path_length import PathLength
from ganforge_translation.patch import PatchDiscriminator
from ganforge_translation.pix2pix import Pix2Pix
from ganforge_translation.resnet import ResNetGenerator
from ganforge_translation.unet import UNetGenerator

CPU = torch.device("cpu")
PLUGINS = Path(__file__).parents[2] / "plugins"
COUNT = 4


class Maker(nn.Module):
    """Images of one channel to images of two."""

    def __init__(self, outside: int = 2) -> None:
        super().__init__()
        self.map = nn.Conv2d(1, outside, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.map(images).tanh()
        return made


class Pairs(nn.Module):
    """Three channels to maps of logits."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(3, 4, 3)
        self.score = nn.Conv2d(4, 1, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.score(self.hidden(images).tanh())
        return logits


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"generator": Maker().double(), "discriminator": Pairs().double()}


def images(channels: int, count: int = COUNT) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    return torch.randn(count, channels, 6, 5, generator=generator).double().tanh()


def play(
    made: Mapping[str, nn.Module],
    phase: str,
    differentiates: frozenset[str] = frozenset(),
    *,
    source: bool = True,
) -> Play:
    for name, network in made.items():
        network.requires_grad_(name == phase)
    return Play(
        phase=phase,
        networks=made,
        learning=frozenset({phase}),
        differentiates=differentiates,
        batch=Batch(images(2), None, images(1) if source else None),
        latent=Latent(3),
        draw=Draw(Streams(0), (0, phase, 0), COUNT, slice(0, COUNT), CPU),
    )


def game(*regularizers: Term, loss: AdversarialLoss | None = None, **options: Any) -> Pix2Pix:
    return Pix2Pix(loss=loss or NonSaturating(), regularizers=regularizers, **options)


def objective(playing: Pix2Pix, played: Play) -> Tensor:
    (phase,) = (each for each in playing.phases() if each.name == played.phase)
    round = playing.round(played)
    found = [term.weight * term.function(round).mean() for term in phase.terms]
    return torch.stack(found).sum()


def chance(logits: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logits))


# The game.


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_the_objectives_are_the_papers(phase: str) -> None:
    """D: -log D(x, y) - log(1 - D(x, G(x))); G: -log D(x, G(x)) + 100 |y - G(x)|."""
    made = networks()
    played = play(made, phase)
    x, y = images(1), images(2)
    fake = made["generator"](x)
    judge = made["discriminator"]
    real_chance = chance(judge(torch.cat([x, y], dim=1)))
    fake_chance = chance(judge(torch.cat([x, fake], dim=1)))
    if phase == "discriminator":
        expected = -real_chance.log().mean() - (1 - fake_chance).log().mean()
    else:
        expected = -fake_chance.log().mean() + 100.0 * (y - fake).abs().mean()
    found = objective(game(), played)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    learning = list(made[phase].parameters())
    theirs = torch.autograd.grad(expected, learning)
    found.backward()  # type: ignore[no-untyped-call]
    for parameter, gradient in zip(learning, theirs, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-10, atol=1e-14)
    (other,) = (network for name, network in made.items() if name != phase)
    assert all(parameter.grad is None for parameter in other.parameters())


def test_the_distance_is_of_the_pixels() -> None:
    made = networks()
    playing = game()
    found = playing.l1(playing.round(play(made, "generator")))
    x, y = images(1).numpy(), images(2).numpy()
    made_of_x = made["generator"](torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(
        found.detach().numpy(), np.abs(y - made_of_x).reshape(COUNT, -1).mean(axis=1), rtol=1e-12
    )


def test_phases_and_weights() -> None:
    first, second = game(l1=3.0).phases()
    assert (first.name, first.learns, first.draws_batch) == (
        "discriminator",
        ("discriminator",),
        True,
    )
    assert (second.name, second.learns, second.draws_batch) == ("generator", ("generator",), False)
    assert {term.name: term.weight for term in second.terms} == {"adversarial": 1.0, "l1": 3.0}
    assert [term.name for term in game(l1=0.0).phases()[1].terms] == ["adversarial"]
    assert (Pix2Pix.samples_of, Pix2Pix.judge) == ("source", None)


def test_the_generator_makes_its_output_once() -> None:
    made = networks()
    calls = []
    made["generator"].register_forward_hook(lambda *_: calls.append(1))
    for phase in ("discriminator", "generator"):
        calls.clear()
        objective(game(), play(made, phase))
        assert len(calls) == 1


@pytest.mark.parametrize("penalty", [R1(), R2()], ids=["r1", "r2"])
def test_penalties_differentiate_by_the_pair(penalty: Any) -> None:
    made = networks()
    played = play(made, "discriminator", frozenset(penalty.differentiates))
    found = penalty(game().round(played))
    x = images(1)
    y = images(2) if isinstance(penalty, R1) else made["generator"](x).detach()
    for row in range(COUNT):
        point = torch.cat([x, y], dim=1)[row : row + 1].requires_grad_()
        (gradient,) = torch.autograd.grad(made["discriminator"](point).mean(), point)
        wanted = gradient.square().sum().item() / 2
        assert found[row].item() == pytest.approx(wanted, rel=1e-10)
    points = GradientPenalty().points(game().round(play(made, "discriminator")))
    assert torch.allclose(points[:, :1], x)  # the source is the same on both sides


def test_regularizers_of_latents_are_told_that_there_are_none() -> None:
    playing = game(Term("path_length", PathLength()))
    with pytest.raises(UsageError, match="a term asks for latents"):
        objective(playing, play(networks(), "generator"))


def test_the_discriminator_is_told_of_both_domains_channels() -> None:
    told = game().shapes("discriminator", (3, 8, 8), (1, 8, 8))
    assert told == {"image_shape": (4, 8, 8), "source_shape": (1, 8, 8)}
    told = game().shapes("generator", (3, 8, 8), (1, 8, 8))
    assert told == {"image_shape": (3, 8, 8), "source_shape": (1, 8, 8)}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="'pix2pix' translates samples of a source") as caught:
        game().shapes("generator", (1, 8, 8), None)
    assert "paired" in str(caught.value.hint)
    with pytest.raises(UsageError, match="'pix2pix' translates"):
        game().round(play(networks(), "generator", source=False))
    with pytest.raises(UsageError, match=r"\(1, 4, 4\) and \(1, 8, 8\) do not go together"):
        game().shapes("discriminator", (1, 8, 8), (1, 4, 4))
    made = {**networks(), "generator": Maker(1).double()}
    with pytest.raises(UsageError, match=r"'generator' makes samples of shape \(1, 6, 5\)"):
        objective(game(), play(made, "generator"))


@pytest.mark.parametrize(("columns", "blocks"), [(None, 1), (2, 2), (3, 1)])
def test_pictures(columns: int | None, blocks: int) -> None:
    made = networks()
    x, y = images(1), images(2)[:, :1].repeat(1, 3, 1, 1)
    made["generator"] = Maker(3).double()
    show = Show(
        networks=made,
        latent=Latent(3),
        streams=Streams(0),
        device=CPU,
        examples=lambda count: Batch(y, None, x),
        num_classes=None,
        count=COUNT,
        columns=columns,
    )
    found = game().pictures(show)
    assert set(found) == {"samples"}
    panel, width = found["samples"], columns or COUNT
    assert panel.columns == width
    table = panel.samples.reshape(blocks, 3, width, 3, 6, 5)
    for place, row in enumerate((x.expand(-1, 3, -1, -1), made["generator"](x), y)):
        shown = table[:, place].reshape(blocks * width, 3, 6, 5)
        assert torch.equal(shown, row[: blocks * width])


def test_it_learns_what_belongs_to_a_source() -> None:
    """The target is the source's negative, twice."""
    streams = Streams(0)
    x = images(1, 64).float()
    made = {name: network.float() for name, network in networks().items()}
    trainer = Trainer(
        game=game(),
        networks=made,
        optimizers={n: torch.optim.Adam(w.parameters(), lr=0.02) for n, w in made.items()},
        feed=ResidentFeed(
            Dataset(samples=-x.repeat(1, 2, 1, 1), source=Dataset(samples=x), paired=True),
            batch_size=16,
            streams=streams,
            device=CPU,
        ),
        latent=Latent(3),
        streams=streams,
        settings=Settings(total_steps=150, batch_size=16, micro_batches=2),
        device=CPU,
    )
    for _ in range(150):
        values = trainer.step()
    assert values["generator/l1"] < 0.1


# The networks.

GENERATORS: dict[str, Any] = {"resnet": ResNetGenerator, "unet": UNetGenerator}


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("name", sorted(GENERATORS))
@pytest.mark.parametrize(
    ("inside", "outside", "side"), [(1, 3, 28), (3, 1, 32), (1, 1, 8), (2, 1, 14)]
)
def test_generators_keep_the_size(
    name: str, inside: int, outside: int, side: int, norm: Any
) -> None:
    torch.manual_seed(0)
    if name == "resnet" and side == 14:
        side = 12
    made = GENERATORS[name](
        image_shape=(outside, side, side), source_shape=(inside, side, side), channels=2, norm=norm
    )
    found = made(torch.randn(2, inside, side, side))
    assert found.shape == (2, outside, side, side)
    assert found.abs().max() <= 1.0
    found.mean().backward()
    assert all(p.grad is not None for p in made.parameters())
    kinds = {type(module) for module in made.modules()}
    assert (nn.BatchNorm2d in kinds) == (norm == "batch")
    assert (nn.InstanceNorm2d in kinds) == (norm == "instance")


def test_resnet_takes_oblong_images() -> None:
    made = ResNetGenerator(image_shape=(1, 8, 20), source_shape=(1, 8, 20), channels=2, blocks=1)
    assert made(torch.randn(1, 1, 8, 20)).shape == (1, 1, 8, 20)


def test_resnet_is_written_again() -> None:
    """c7s1-3, d6, d12, R12, u6, u3, c7s1-1, with functions, in float64."""
    torch.manual_seed(0)
    made = ResNetGenerator(
        image_shape=(1, 12, 8), source_shape=(2, 12, 8), channels=3, blocks=2
    ).double()
    weights = iter(made.parameters())

    def norm(x: Tensor) -> Tensor:
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
        return (x - mean) / torch.sqrt(var + 1e-5)

    def reflect(x: Tensor, pixels: int) -> Tensor:
        return functional.pad(x, (pixels,) * 4, mode="reflect")

    x = images = torch.randn(2, 2, 12, 8).double()
    x = norm(functional.conv2d(reflect(x, 3), next(weights))).relu()
    for _ in range(2):
        x = norm(functional.conv2d(x, next(weights), stride=2, padding=1)).relu()
    assert x.shape == (2, 12, 3, 2)
    for _ in range(2):
        y = norm(functional.conv2d(reflect(x, 1), next(weights))).relu()
        x = x + norm(functional.conv2d(reflect(y, 1), next(weights)))
    for _ in range(2):
        up = functional.conv_transpose2d(x, next(weights), stride=2, padding=1, output_padding=1)
        x = norm(up).relu()
    x = functional.conv2d(reflect(x, 3), next(weights), next(weights)).tanh()
    assert next(weights, None) is None
    assert torch.allclose(made(images), x, rtol=1e-9, atol=1e-12)


def test_unet_is_written_again() -> None:
    """28x28: 2x14x14, 4x7x7, 8x1x1 and back, with what each level passes across."""
    torch.manual_seed(0)
    made = UNetGenerator(
        image_shape=(1, 28, 28), source_shape=(3, 28, 28), channels=2, norm="none", dropout=0.0
    ).double()
    weights = iter(made.parameters())

    def next_two() -> tuple[Tensor, Tensor]:
        return next(weights), next(weights)

    images = torch.randn(2, 3, 28, 28).double()
    half = functional.conv2d(images, *next_two(), stride=2, padding=1)
    quarter = functional.conv2d(functional.leaky_relu(half, 0.2), *next_two(), stride=2, padding=1)
    inner = functional.conv2d(functional.leaky_relu(quarter, 0.2), *next_two())
    assert (half.shape[1:], quarter.shape[1:]) == ((2, 14, 14), (4, 7, 7))
    assert inner.shape[1:] == (8, 1, 1)
    up = functional.conv_transpose2d(inner.relu(), *next_two())
    up = torch.cat([up, quarter], dim=1).relu()
    up = functional.conv_transpose2d(up, *next_two(), stride=2, padding=1)
    up = torch.cat([up, half], dim=1).relu()
    up = functional.conv_transpose2d(up, *next_two(), stride=2, padding=1).tanh()
    assert next(weights, None) is None
    assert torch.allclose(made(images), up, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("side", "dropouts", "widest"), [(8, 0, 4), (28, 1, 8), (32, 2, 16), (64, 3, 16), (128, 3, 16)]
)
def test_unet_grows_with_the_side(side: int, dropouts: int, widest: int) -> None:
    """The three innermost layers on the way up have dropout, but never the last two of all."""
    shape = (1, side, side)
    made = UNetGenerator(image_shape=shape, source_shape=shape, channels=2, dropout=0.3)
    found = [module for module in made.modules() if isinstance(module, nn.Dropout)]
    assert [module.p for module in found] == [0.3] * dropouts
    assert max(m.out_channels for m in made.modules() if isinstance(m, nn.Conv2d)) == widest
    made.eval()
    image = torch.randn(1, *shape)
    assert torch.equal(made(image), made(image))


def test_generators_start_as_in_the_papers() -> None:
    torch.manual_seed(0)
    shape = (1, 28, 28)
    for made in (
        UNetGenerator(image_shape=shape, source_shape=shape),
        ResNetGenerator(image_shape=shape, source_shape=shape, channels=16, blocks=2),
    ):
        for module in made.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize(
    ("name", "image", "source", "message"),
    [
        ("resnet", (1, 28, 30), (1, 28, 30), "both sides must be multiples of 4"),
        ("resnet", (1, 4, 4), (1, 4, 4), "both sides must be multiples of 4, from 8 on"),
        ("resnet", (1, 28, 28), (1, 32, 32), "must be images"),
        ("resnet", (2,), (2,), "must be images"),
        ("unet", (1, 28, 32), (1, 28, 32), "it needs square images"),
        ("unet", (1, 20, 20), (1, 20, 20), "it needs square images"),
        ("unet", (1, 4, 4), (1, 4, 4), "it needs square images"),
        ("unet", (1, 28, 28), (1, 32, 32), "must be images"),
        ("unet", (2,), (2,), "must be images"),
    ],
)
def test_other_sizes_are_refused(name: str, image: Any, source: Any, message: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} cannot .*{message}") as caught:
        GENERATORS[name](image_shape=image, source_shape=source)
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("layers", "side", "size"), [(1, 28, 12), (2, 28, 5), (3, 28, 1), (3, 256, 30), (2, 12, 1)]
)
def test_patch_gives_a_map(layers: int, side: int, size: int) -> None:
    """256x256 with three layers is the papers': a map of 30x30."""
    judge = PatchDiscriminator(image_shape=(2, side, side), channels=2, layers=layers)
    assert judge(torch.randn(2, 2, side, side)).shape == (2, 1, size, size)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_sees_so_many_pixels(layers: int, field: int) -> None:
    side = field + 16 + (-field) % 16 + 128
    judge = PatchDiscriminator(
        image_shape=(1, side, side), channels=1, layers=layers, norm="none"
    ).double()
    with torch.no_grad():
        for parameter in judge.parameters():
            parameter.abs_()  # so that nothing cancels
    image = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    scores = judge(image)
    middle = scores.shape[-1] // 2
    (gradient,) = torch.autograd.grad(scores[0, 0, middle, middle], image)
    seen = gradient[0, 0].abs().sum(dim=0).nonzero()
    assert int(seen.max() - seen.min()) + 1 == field


def test_patch_is_written_again() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(image_shape=(2, 16, 16), channels=3, layers=2).double()
    first, bias, second, third, last, last_bias = judge.parameters()

    def norm(x: Tensor) -> Tensor:
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
        return (x - mean) / torch.sqrt(var + 1e-5)

    images = torch.randn(2, 2, 16, 16).double()
    x = functional.leaky_relu(functional.conv2d(images, first, bias, 2, 1), 0.2)
    x = functional.leaky_relu(norm(functional.conv2d(x, second, None, 2, 1)), 0.2)
    x = functional.leaky_relu(norm(functional.conv2d(x, third, None, 1, 1)), 0.2)
    x = functional.conv2d(x, last, last_bias, 1, 1)
    assert (second.shape[0], third.shape[0]) == (6, 12)
    assert torch.allclose(judge(images), x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "shape"), [(3, (1, 23, 28)), (2, (1, 28, 11)), (1, (1, 5, 5)), (1, (2,))], ids=str
)
def test_patch_refuses_images_that_are_too_small(layers: int, shape: Any) -> None:
    with pytest.raises(UsageError, match=rf"with {layers} layers: it needs .* {3 << layers}x"):
        PatchDiscriminator(image_shape=shape, layers=layers)
    least = 3 << layers
    judge = PatchDiscriminator(image_shape=(1, least, least), layers=layers, channels=1)
    assert judge(torch.randn(1, 1, least, least)).shape == (1, 1, 1, 1)


LOSSES: list[tuple[AdversarialLoss, Any, Any]] = [
    (Hinge(), lambda s, t: np.maximum(0, 1 - s) + np.maximum(0, 1 + t), lambda s, t: -t),
    (LeastSquares(), lambda s, t: (s - 1) ** 2 / 2 + t**2 / 2, lambda s, t: (t - 1) ** 2 / 2),
    (
        Minimax(),
        lambda s, t: np.log1p(np.exp(-s)) + np.log1p(np.exp(t)),
        lambda s, t: -np.log1p(np.exp(t)),
    ),
    (
        NonSaturating(),
        lambda s, t: np.log1p(np.exp(-s)) + np.log1p(np.exp(t)),
        lambda s, t: np.log1p(np.exp(-t)),
    ),
    (
        RelativisticAverage(),
        lambda s, t: np.log1p(np.exp(t.mean() - s)) + np.log1p(np.exp(t - s.mean())),
        lambda s, t: np.log1p(np.exp(s - t.mean())) + np.log1p(np.exp(s.mean() - t)),
    ),
    (
        RelativisticPairing(),
        lambda s, t: np.log1p(np.exp(t - s)),
        lambda s, t: np.log1p(np.exp(s - t)),
    ),
    (Wasserstein(), lambda s, t: t - s, lambda s, t: -t),
]


class TwoSides(nn.Module):
    """Gives samples as they are: the maps of logits that a test wants."""

    def forward(self, samples: Tensor) -> Tensor:
        return samples


@pytest.mark.parametrize(("loss", "judge", "make"), LOSSES, ids=lambda x: type(x).__name__)
def test_losses_are_means_over_maps_of_logits(loss: AdversarialLoss, judge: Any, make: Any) -> None:
    """Of every loss, for scores (N, 1, h, w): the mean over all patches of all samples."""
    torch.manual_seed(0)
    real, fake = torch.randn(2, 4, 1, 3, 2).double()
    played = Play(
        phase="discriminator",
        networks={"generator": TwoSides(), "discriminator": TwoSides()},
        learning=frozenset(),
        differentiates=frozenset(),
        batch=Batch(real),
        latent=Latent(3),
        draw=Draw(Streams(0), (0, "discriminator", 0), 4, slice(0, 4), CPU),
    )
    round = AdversarialRound(played)
    round.fake = fake
    s, t = real.numpy(), fake.numpy()
    assert loss.discriminator(round).mean().item() == pytest.approx(judge(s, t).mean(), rel=1e-12)
    assert loss.generator(round).mean().item() == pytest.approx(make(s, t).mean(), rel=1e-12)
    assert round.scores("real").shape == (4, 1, 3, 2)
    assert read(round.observe()["belief_fake"]).dim() == 0


def test_maps_of_logits_rank_samples_by_their_mean() -> None:
    judge = PatchDiscriminator(image_shape=(1, 28, 28), channels=2, layers=2)
    images = torch.randn(3, 1, 28, 28)
    assert torch.allclose(rank(judge, images), judge(images).mean((1, 2, 3)))


@pytest.mark.parametrize(
    ("target", "kind", "supplied"),
    [
        (Pix2Pix, "game", {"loss", "regularizers"}),
        (ResNetGenerator, "generator", {"image_shape", "source_shape"}),
        (UNetGenerator, "generator", {"image_shape", "source_shape"}),
        (PatchDiscriminator, "discriminator", {"image_shape"}),
    ],
    ids=["pix2pix", "resnet", "unet", "patch"],
)
def test_options(target: Any, kind: str, supplied: set[str]) -> None:
    signature = read_signature(target, kind)
    assert signature.injected == supplied
    wrong = {"pix2pix": {"l1": -1.0}}.get(target.__name__.lower(), {"norm": "layer", "channels": 0})
    assert len(signature.check(wrong)[1]) == len(wrong)


# A whole run.

RECIPE = """
version: 1
name: pairs
dataset:
  use: paired
  source: {use: edges, of: {use: mnist, split: test, classes: [3]}}
  target: {use: mnist, split: test, classes: [3]}
game: {use: pix2pix}
generator: {use: unet, channels: 2}
discriminator: {use: patch, channels: 2, layers: 2, norm: batch}
loss: {use: non_saturating}
regularizers: [{use: r1, weight: 0.1}]
optimizer:
  generator: {use: adam, lr: 1e-3}
  discriminator: {use: adam, lr: 1e-3}
train: {steps: 8, batch_size: 4}
callbacks:
  - {use: sample_grid, count: 4, columns: 2}
  - {use: loss_plot, enabled: false}
  - {use: checkpoint, every: 3 steps}
"""


def run_of(folder: Path) -> Run:
    folder.mkdir()
    path = folder.parent / "pairs.yaml"
    path.write_text(RECIPE)
    registry = load_registry()
    for name in ("ganforge_transforms", "ganforge_translation"):
        if name not in {plugin.module for plugin in registry.plugins}:
            add_named(registry, str(PLUGINS / name), folder=folder)
    recipe, _ = load(path, registry)
    return build.start(build.prepare(recipe, device=CPU), folder, tell=pytest.fail, quiet=True)


def test_a_whole_run_and_its_second_half(tmp_path: Path) -> None:
    """Dropout draws from torch's generator, which each play seeds."""
    straight = run_of(tmp_path / "straight")
    assert straight.play() == "finished"
    assert (tmp_path / "straight" / "generator.safetensors").is_file()
    assert (tmp_path / "straight" / "samples" / "step_0000008.png").is_file()
    folder = tmp_path / "straight" / "checkpoints"
    shutil.rmtree(folder / "step_00000008")
    again = run_of(tmp_path / "again")
    found = checkpoint.load_newest(folder, device=CPU, tell=pytest.fail)
    again.load_state_dict(found.state)
    assert again.clock.step == 6
    assert again.play() == "finished"
    for name, network in straight.trainer.networks.items():
        ours, theirs = network.state_dict(), again.trainer.networks[name].state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
