"""Orthogonal regularisation against numpy, and weight clipping against WGAN's loop by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from test_consistency import round_of
from test_regularizers import close, samples
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from ganforge.api import Dataset, PluginError, Term
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Settings, Trainer
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import Wasserstein
from ganforge_regularizers.weights import Orthogonal, WeightClipping, matrices

CPU = torch.device("cpu")


def seeded(network: nn.Module) -> nn.Module:
    """In float64, every parameter drawn anew."""
    network = network.double()
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.copy_(samples(*parameter.shape, seed=20 + number) / 3)
    return network


def everything() -> nn.Module:
    """Layers of all sorts, of which three have filters."""
    return seeded(
        nn.Sequential(
            nn.Linear(4, 6),
            nn.LayerNorm([6]),
            nn.Unflatten(1, (6, 1, 1)),
            nn.ConvTranspose2d(6, 5, 2),
            nn.BatchNorm2d(5),
            nn.LayerNorm([5, 2, 2]),
            nn.Conv2d(5, 3, 2),
            nn.PReLU(3),
        )
    )


def rows(network: nn.Module) -> list[tuple[nn.Parameter, tuple[int, ...]]]:
    """The three weights, and how their axes come to have the filters first."""
    axes = {0: (0, 1), 3: (1, 0, 2, 3), 6: (0, 1, 2, 3)}
    return [(network[number].weight, order) for number, order in axes.items()]


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("name", ["discriminator", "generator"])
def test_orthogonal_against_the_formula(name: str, diagonal: bool, count: int) -> None:
    """||P||^2 of P = W W^T without its diagonal, or less I; the gradient by W is 4 P W."""
    networks = {"discriminator": everything(), "generator": everything()}
    term = Orthogonal(network=name, diagonal=diagonal)
    assert term.phase == name
    value = term(round_of(networks, samples(count, 4), phase=name))
    expected = 0.0
    gradients = torch.autograd.grad(value, list(networks[name].parameters()), allow_unused=True)
    found = dict(zip(networks[name].parameters(), gradients, strict=True))
    for weight, axes in rows(networks[name]):
        turned = weight.detach().numpy().transpose(axes)
        w = turned.reshape(len(turned), -1)
        p = w @ w.T
        p = p - np.eye(len(p)) if diagonal else p * (1 - np.eye(len(p)))
        expected += (p**2).sum()
        slope = (4 * p @ w).reshape(turned.shape).transpose(np.argsort(axes))
        close(found.pop(weight), torch.from_numpy(slope), atol=1e-10)
    close(value.detach(), torch.tensor(expected, dtype=torch.float64), atol=1e-10)
    assert all(gradient is None for gradient in found.values())


@pytest.mark.parametrize("length", [1.0, 3.0])
def test_orthogonal_filters_cost_their_length_only(length: float) -> None:
    """Of length r, with the diagonal: (r^2 - 1)^2 for each of three."""
    layer = nn.Linear(5, 3).double()
    with torch.no_grad():
        layer.weight.copy_(length * torch.linalg.qr(samples(5, 3)).Q.T)
    round = round_of({"generator": layer}, samples(2, 4), phase="generator")
    close(Orthogonal()(round).detach(), torch.zeros((), dtype=torch.float64))
    full = Orthogonal(diagonal=True)(round).detach()
    close(full, torch.tensor(3 * (length**2 - 1) ** 2, dtype=torch.float64), atol=1e-10)


class Shared(nn.Module):
    """One weight in two layers, a table, and a layer each of two normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.table = nn.Embedding(7, 4)
        self.spectral = parametrizations.spectral_norm(nn.ConvTranspose2d(2, 3, 2))
        self.lengths = parametrizations.weight_norm(nn.Linear(4, 2))
        self.own = nn.Parameter(torch.ones(1, 2, 3, 3))


def test_which_weights_have_filters() -> None:
    """What is shared comes once; a table has none; of a parametrised layer it is the original."""
    found = [tuple(matrix.shape) for matrix in matrices(Shared())]
    assert sorted(found) == sorted([(3, 3), (3, 8), (2, 4), (1, 18)])


def test_a_network_without_filters_costs_nothing() -> None:
    round = round_of({"generator": nn.PReLU()}, samples(2, 4), phase="generator")
    close(Orthogonal()(round), torch.zeros((), dtype=torch.float64))


# WGAN's clipping.


@pytest.mark.parametrize("count", [1, 64])
def test_weight_clipping_adds_nothing_and_cuts(count: int) -> None:
    judge, maker = everything(), everything()
    before = [copy.deepcopy(network.state_dict()) for network in (judge, maker)]
    networks = {"discriminator": judge, "generator": maker}
    term = WeightClipping(limit=0.2)
    value = term(round_of(networks, samples(count, 4)))
    close(value, torch.zeros((), dtype=torch.float64), atol=0)
    assert all(torch.equal(judge.state_dict()[name], old) for name, old in before[0].items())
    places = [parameter.data_ptr() for parameter in judge.parameters()]
    term.after_step(networks)
    assert [parameter.data_ptr() for parameter in judge.parameters()] == places
    for name, parameter in judge.named_parameters():
        expected = np.clip(before[0][name].numpy(), -0.2, 0.2)
        assert np.array_equal(parameter.detach().numpy(), expected)
        assert parameter.requires_grad
    assert all(torch.equal(maker.state_dict()[name], old) for name, old in before[1].items())
    buffers = dict(judge.named_buffers())
    assert all(torch.equal(buffer, before[0][name]) for name, buffer in buffers.items())


def test_a_game_without_that_network() -> None:
    with pytest.raises(PluginError, match=r"no network 'discriminator'.*critic") as told:
        WeightClipping().after_step({"critic": nn.PReLU()})
    assert "another game" in (told.value.hint or "")


LATENT, BATCH, SEED, LIMIT = 3, 8, 5, 0.05


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": nn.Sequential(nn.Linear(LATENT, 16), nn.Tanh(), nn.Linear(16, 2)),
        "discriminator": nn.Sequential(
            nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)
        ),
    }


def optimizers(made: dict[str, nn.Module]) -> dict[str, torch.optim.Optimizer]:
    return {name: torch.optim.RMSprop(net.parameters(), lr=5e-3) for name, net in made.items()}


@pytest.mark.parametrize("every", [1, 3])
def test_wgans_algorithm_by_hand(every: int) -> None:
    """Algorithm 1 with n_critic = 2: RMSprop, then the clip; every third time only, if asked."""
    points = torch.randn(BATCH, 2, generator=torch.Generator().manual_seed(1)) + 1.0
    term = Term("weight_clipping", WeightClipping(limit=LIMIT), every=every)
    game = TwoPlayer(loss=Wasserstein(), regularizers=[term], d_steps=2)
    theirs, mine = networks(), networks()
    streams = Streams(SEED)
    feed = ResidentFeed(Dataset(samples=points), batch_size=BATCH, streams=streams, device=CPU)
    trainer = Trainer(
        game=game,
        networks=theirs,
        optimizers=optimizers(theirs),
        feed=feed,
        latent=Latent(LATENT),
        streams=streams,
        settings=Settings(total_steps=5, batch_size=BATCH),
        device=CPU,
    )
    steps = optimizers(mine)
    g, d = mine["generator"], mine["discriminator"]

    def fakes(*counters: int | str) -> Tensor:
        return g(torch.randn(BATCH, LATENT, generator=streams.generator("latent", *counters)))

    plays = 0
    for step in range(5):
        values = trainer.step()
        for repeat in range(2):
            steps["discriminator"].zero_grad()
            loss = d(fakes(step, "discriminator", repeat).detach()).mean() - d(points).mean()
            loss.backward()
            steps["discriminator"].step()
            if plays % every == 0:
                for parameter in d.parameters():
                    parameter.data.clamp_(-LIMIT, LIMIT)
            plays += 1
        steps["generator"].zero_grad()
        (-d(fakes(step, "generator", 0)).mean()).backward()
        steps["generator"].step()
        if every == 1:
            largest = max(float(p.detach().abs().max()) for p in d.parameters())
            assert largest == pytest.approx(LIMIT, abs=1e-9)
        if "discriminator/weight_clipping" in values:
            assert values["discriminator/weight_clipping"].item() == 0.0
    for name, network in mine.items():
        found = dict(theirs[name].named_parameters())
        for key, parameter in network.named_parameters():
            torch.testing.assert_close(found[key], parameter, rtol=0, atol=1e-6)


def test_what_a_silent_recipe_gets() -> None:
    assert (Orthogonal.default_weight, Orthogonal().phase) == (1e-4, "generator")
    assert not Orthogonal().diagonal
    clipping = WeightClipping()
    assert (clipping.limit, clipping.phase) == (0.01, "discriminator")
    assert (clipping.default_weight, clipping.default_every) == (1.0, 1)
