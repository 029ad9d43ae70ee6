"""InfoGAN: the mutual information term against numpy in float64, the game, and its pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_acgan import trainer_of
from test_consistency import DoubleLatent, Maker, round_of
from test_regularizers import close, samples
from torch import Tensor, nn

from ganforge.api import Batch, GanforgeError, Latent, PluginError, Show, Term, UsageError, call
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Trainer
from ganforge_conditional.game import InfoGAN
from ganforge_conditional.mutual_information import MutualInformation

SHAPE, SIZE = (2, 3, 4), 24
DIM, VALUES, CONTINUOUS = 3, (4, 2), 3
CODES = sum(VALUES) + CONTINUOUS
LATENT = DoubleLatent(DIM, "normal", VALUES, CONTINUOUS)
ONLY_VALUES = DoubleLatent(DIM, "normal", VALUES, 0)
ONLY_NUMBERS = DoubleLatent(DIM, "normal", (), CONTINUOUS)
LATENTS = {"both": LATENT, "numbers": ONLY_NUMBERS, "values": ONLY_VALUES}


class Guesser(nn.Module):
    """``codes = x A``, and ``code_log_variance = x B`` if asked for; ``logits`` are their sum."""

    def __init__(self, width: int = CODES, *, doubts: bool = False) -> None:
        super().__init__()
        self.a = nn.Parameter(samples(SIZE, width, seed=14) / 3)
        self.b = nn.Parameter(samples(SIZE, width, seed=15) / 5) if doubts else None

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        codes = images.flatten(1) @ self.a
        found = {"logits": codes.sum(1), "codes": codes}
        if self.b is not None:
            found["code_log_variance"] = images.flatten(1) @ self.b
        return found


class Bare(nn.Module):
    """A tensor alone."""

    def __init__(self, width: int = CODES) -> None:
        super().__init__()
        self.a = nn.Parameter(samples(SIZE, width, seed=14) / 3)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.a


def maker_of(latent: Latent) -> Maker:
    return Maker(SHAPE, latent.size)


def drawn(latent: Latent, count: int, phase: str) -> np.ndarray:
    """The latents of a play, as `Latent` documents them."""
    generator = Streams(0).generator("latent", 3, phase, 0)
    return latent.sample(count, generator).numpy()


def by_hand(
    z: np.ndarray,
    codes: np.ndarray,
    doubts: np.ndarray | None,
    latent: Latent,
    weights: tuple[float, float],
):
    """The value of each sample, and the gradient of its mean by codes and doubts, by loops."""
    values, by_codes, by_doubts = np.zeros(len(z)), np.zeros_like(codes), np.zeros_like(codes)
    for row, (target, guess) in enumerate(zip(z[:, latent.dim :], codes, strict=True)):
        place = 0
        for k in latent.categorical:
            part = slice(place, place + k)
            shares = np.exp(guess[part]) / np.exp(guess[part]).sum()
            values[row] -= weights[0] * math.log(shares[target[part].argmax()])
            by_codes[row, part] = weights[0] * (shares - target[part])
            place += k
        for spot in range(place, place + latent.continuous):
            v = 1.0 if doubts is None else math.exp(doubts[row, spot])
            apart = target[spot] - guess[spot]
            density = math.exp(-(apart**2) / (2 * v)) / math.sqrt(2 * math.pi * v)
            values[row] -= weights[1] * math.log(density)
            by_codes[row, spot] = -weights[1] * apart / v
            by_doubts[row, spot] = weights[1] * (0.5 - apart**2 / (2 * v))
    return values, by_codes / len(z), by_doubts / len(z)


# The term.


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("doubts", [False, True])
@pytest.mark.parametrize("name", sorted(LATENTS))
def test_for_the_discriminator(name: str, doubts: bool, count: int) -> None:
    latent, weights = LATENTS[name], (0.7, 0.3)
    maker, judge = maker_of(latent), Guesser(latent.size - DIM, doubts=doubts)
    nets = {"generator": maker, "discriminator": judge}
    round = round_of(nets, samples(count, *SHAPE), latent=latent)
    value = MutualInformation(categorical=weights[0], continuous=weights[1])(round)
    z = drawn(latent, count, "discriminator")
    x = np.tanh(z @ maker.a.detach().numpy())
    b = None if judge.b is None else judge.b.detach().numpy()
    expected, by_codes, by_doubts = by_hand(
        z, x @ judge.a.detach().numpy(), None if b is None else x @ b, latent, weights
    )
    close(value.detach(), torch.from_numpy(expected), atol=1e-10)
    assert "real" not in round._judged
    wanted = [judge.a] + ([] if judge.b is None else [judge.b])
    found = torch.autograd.grad(value.mean(), wanted, allow_unused=True)
    close(found[0], torch.from_numpy(x.T @ by_codes), atol=1e-9)
    if doubts and not latent.continuous:
        assert found[1] is None
    elif doubts:
        close(found[1], torch.from_numpy(x.T @ by_doubts), atol=1e-9)


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize("network", [None, "q"])
@pytest.mark.parametrize("name", sorted(LATENTS))
def test_for_the_generator(name: str, network: str | None, count: int) -> None:
    """The same from a head of D and from Q; its gradient goes through tanh and zA."""
    latent = LATENTS[name]
    maker, width = maker_of(latent), latent.size - DIM
    nets: dict[str, nn.Module] = {"generator": maker, "discriminator": Guesser(width)}
    if network:
        nets |= {"discriminator": nn.Flatten(), "q": Bare(width)}
    round = round_of(nets, samples(count, *SHAPE), phase="generator", latent=latent)
    value = MutualInformation(network=network)(round)
    z, a = drawn(latent, count, "generator"), maker.a.detach().numpy()
    w = nets[network or "discriminator"].a.detach().numpy()  # type: ignore[union-attr, operator]
    x = np.tanh(z @ a)
    expected, by_codes, _ = by_hand(z, x @ w, None, latent, (1.0, 1.0))
    close(value.detach(), torch.from_numpy(expected), atol=1e-10)
    (by_a,) = torch.autograd.grad(value.mean(), [maker.a])
    close(by_a, torch.from_numpy(z.T @ ((by_codes @ w.T) * (1 - x**2))), atol=1e-9)


def test_a_perfect_guess_costs_what_is_left() -> None:
    """Nothing for categorical codes, log(2 pi) / 2 for each continuous one; a random one log k."""
    latent = LATENT

    class Reader(nn.Module):
        """The generator hides the codes in its samples, this one takes them out."""

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            codes = images.flatten(1)[:, :CODES].clone()
            codes[:, : sum(VALUES)] *= self.sure
            return {"logits": images.sum((1, 2, 3)), "codes": codes}

    class Writer(nn.Module):
        def forward(self, latents: Tensor) -> Tensor:
            room = torch.zeros(len(latents), SIZE - CODES).to(latents)
            return torch.cat([latents[:, DIM:], room], dim=1).reshape(-1, *SHAPE)

    reader = Reader()
    round = round_of(
        {"generator": Writer(), "discriminator": reader}, samples(5, *SHAPE), latent=latent
    )
    left = CONTINUOUS * math.log(2 * math.pi) / 2
    for sure, expected in ((1e3, left), (0.0, left + math.log(4) + math.log(2))):
        reader.sure = sure  # type: ignore[assignment]
        round._judged.clear()
        value = MutualInformation()(round)
        close(value, torch.full((5,), expected, dtype=torch.float64), atol=1e-10)


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_micro_batches_change_nothing(phase: str) -> None:
    nets = {"generator": maker_of(LATENT), "discriminator": Guesser(doubts=True)}
    real, term = samples(6, *SHAPE), MutualInformation()
    whole = term(round_of(nets, real, phase=phase, latent=LATENT))
    for where in (slice(0, 2), slice(2, 6)):
        part = term(round_of(nets, real, phase=phase, latent=LATENT, where=where))
        close(part.detach(), whole[where].detach())


def test_where_neither_learns_it_is_nothing() -> None:
    nets = {"generator": maker_of(LATENT), "discriminator": nn.Flatten(), "q": Bare()}
    round = round_of(nets, samples(4, *SHAPE), latent=LATENT)
    assert MutualInformation(network="q")(round).tolist() == [0.0] * 4
    round = round_of(nets, samples(4, *SHAPE), phase="q", latent=LATENT)
    assert MutualInformation(network="q")(round).requires_grad


def test_a_silent_recipe_gets_the_papers_weights() -> None:
    term = MutualInformation()
    assert (term.categorical, term.continuous, term.network) == (1.0, 1.0, None)
    assert term.phase == ("discriminator", "generator")
    assert term.default_weight == 1.0


def test_what_a_user_may_get_wrong() -> None:
    def told(judge: nn.Module, latent: Latent = LATENT, **options: Any) -> UsageError:
        nets = {"generator": maker_of(latent), "discriminator": judge}
        with pytest.raises(UsageError, match="mutual_information") as error:
            MutualInformation(**options)(
                round_of(nets, samples(4, *SHAPE), phase="generator", latent=latent)
            )
        assert error.value.hint
        return error.value

    assert "the latent has none" in told(Guesser(), DoubleLatent(DIM)).message
    assert "head 'codes' of the discriminator; this one returns logits" in told(Looker()).message
    assert "no network 'q'; it has generator, discriminator" in told(Looker(), network="q").message
    message = "'codes' has the shape (4, 7), and 4 samples have 9 numbers of codes each"
    assert message in told(Guesser(7)).message


class Looker(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).sum(1)


# The game.


def trainer(*overrides: str) -> Trainer:
    return trainer_of("infogan", "q.channels=2", "q.hidden=8", *overrides)


def test_who_learns_when() -> None:
    made = trainer("game.information=0.5", "game.d_steps=2")
    game = made.game
    assert dict(game.networks)["q"] == "encoder"
    phases = {phase.name: phase for phase in game.phases()}
    assert list(phases) == ["discriminator", "generator"]
    assert phases["discriminator"].learns == ("discriminator",)
    assert phases["generator"].learns == ("generator", "q")
    assert phases["discriminator"].repeats == 2
    assert not phases["generator"].draws_batch
    weights = {term.name: term.weight for term in phases["generator"].terms}
    assert weights == {"adversarial": 1.0, "mutual_information": 0.5}
    before = {name: dict(_weights(network)) for name, network in made.networks.items()}
    values = made.step()
    assert "generator/mutual_information" in values
    assert "discriminator/mutual_information" not in values
    for name, network in made.networks.items():
        same = [key for key, value in _weights(network) if torch.equal(value, before[name][key])]
        assert same == [], name


def _weights(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [(key, value.detach().clone()) for key, value in network.named_parameters()]


def test_its_term_is_the_regularizers() -> None:
    """Of the same latents, images and Q, at the first step."""
    made = trainer("game.continuous=0.3", "game.categorical=0.7")
    twin = trainer("game.continuous=0.3", "game.categorical=0.7")
    twin.plays.freezer.learn(["discriminator"])
    twin._play_once(twin.phases[0], 0, lambda: False)
    generator = twin.streams.generator("latent", 0, "generator", 0)
    z = twin.latent.sample(12, generator)
    twin.plays.freezer.learn(["generator", "q"])
    with torch.no_grad():
        codes = twin.networks["q"](twin.networks["generator"](z))["codes"]
    expected, _, _ = by_hand(
        z.double().numpy(), codes.double().numpy(), None, twin.latent, (0.7, 0.3)
    )
    value = float(made.step()["generator/mutual_information"])
    assert value == pytest.approx(expected.mean(), rel=1e-4)


def test_a_head_of_the_discriminator_does_as_well() -> None:
    made = trainer_of(
        "dcgan",
        "latent={dim: 3, categorical: [4], continuous: 2}",
        "discriminator={use: infogan, channels: 2, hidden: 8, learn_variance: true}",
        "regularizers=[{use: mutual_information, weight: 0.5}]",
    )
    values = made.step()
    assert {"discriminator/mutual_information", "generator/mutual_information"} <= set(values)
    made.plays.freezer.learn(["discriminator"])
    made._play_once(made.phases[0], 0, lambda: False)
    for name in ("guess", "doubt", "layers.0"):
        gradient = dict(made.networks["discriminator"].named_parameters())
        assert gradient[f"code_head.{name}.weight"].grad.any()  # type: ignore[union-attr]


def test_it_is_told_once() -> None:
    term = Term("mutual_information", MutualInformation())
    with pytest.raises(UsageError, match="has the term mutual_information already") as told:
        InfoGAN(loss=Nothing(), regularizers=[term])  # type: ignore[arg-type]
    assert "information: WEIGHT" in (told.value.hint or "")


def test_a_regularizer_of_no_phase_is_told() -> None:
    def term(round: Any) -> Tensor:
        return round.scores("fake")

    term.phase = "q"  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="this game has discriminator and generator"):
        InfoGAN(loss=Nothing(), regularizers=[Term("odd", term)])  # type: ignore[arg-type]


class Nothing:
    """A loss of which nothing is asked."""

    discriminator = generator = belief = staticmethod(lambda _: torch.zeros(()))


# Its pictures.


class Echo(nn.Module):
    """Samples are the latents."""

    def forward(self, latents: Tensor) -> Tensor:
        return latents


def shown(latent: Latent, network: nn.Module | None = None, **options: Any) -> dict[str, Any]:
    show = Show(
        networks={"generator": network or Echo()},
        latent=latent,
        streams=Streams(0),
        device=torch.device("cpu"),
        examples=lambda count: Batch(torch.zeros(count, 1)),
        num_classes=None,
        count=40,
        **options,
    )
    game = InfoGAN(loss=Nothing(), regularizers=[])  # type: ignore[arg-type]
    return {"show": show, **game.pictures(show)}


@pytest.mark.parametrize("columns", [None, 3])
def test_samples_have_a_row_for_each_value(columns: int | None) -> None:
    latent = Latent(DIM, "normal", (4, 2), 2)
    found = shown(latent, columns=columns)
    wide = columns or 10
    panel = found["samples"]
    assert panel.columns == wide
    rows = panel.samples.reshape(4, wide, latent.size)
    noise = found["show"].latents(wide)
    for value, row in enumerate(rows):
        expected = noise.clone()
        expected[:, DIM : DIM + 4] = torch.eye(4)[value]
        assert torch.equal(row, expected)


@pytest.mark.parametrize("values", [(4, 2), (12,), ()], ids=str)
def test_codes_turn_one_number_after_the_other(values: tuple[int, ...]) -> None:
    latent = Latent(DIM, "normal", values, 2)
    panel = shown(latent)["codes"]
    rows = min(values[0], 10) if values else 1
    steps = panel.columns
    assert steps == (max(2, 40 // values[0]) if values else 10)
    latents = panel.samples.reshape(2, rows, steps, latent.size)
    way = torch.tensor([-2 + 4 * step / (steps - 1) for step in range(steps)])
    for code in range(2):
        torch.testing.assert_close(
            latents[code, ..., DIM + sum(values) + code], way.expand(rows, -1)
        )
        assert not latents[code, ..., DIM + sum(values) + 1 - code].any()
        assert torch.equal(
            latents[code, ..., :DIM], latents[0, :1, :1, :DIM].expand(rows, steps, -1)
        )
        if values:
            one_hot = latents[code, ..., DIM : DIM + values[0]]
            assert torch.equal(one_hot, torch.eye(values[0])[:rows, None].expand(-1, steps, -1))


def test_without_codes_of_a_kind_there_is_no_such_picture() -> None:
    assert "codes" not in shown(Latent(DIM, "normal", (4,), 0))
    plain = shown(Latent(DIM, "normal", (), 2))
    assert torch.equal(plain["samples"].samples, plain["show"].latents(40))


def test_a_generator_that_wants_more_is_shown_plainly() -> None:
    class Labelled(nn.Module):
        def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
            return latents + labels[:, None]

    network = Labelled()
    with pytest.raises(GanforgeError, match="the data set has none"):
        shown(Latent(DIM, "normal", (4,), 1), network)
    assert call(network, torch.ones(2, 1), labels=torch.arange(2)).tolist() == [[1.0], [2.0]]
