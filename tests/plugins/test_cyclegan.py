"""CycleGAN: every term in float64 by hand, its rounds, its regularizers, its whole runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge import build
from ganforge.api import (
    Batch,
    Callback,
    Dataset,
    Draw,
    Play,
    PluginError,
    Regularizer,
    Run,
    Show,
    Term,
    UsageError,
    Values,
)
from ganforge.engine import checkpoint
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.game import Phase
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.engine.trainer import Interrupted, Settings, Trainer
from ganforge.export import read
from ganforge.options import read_signature
from ganforge.plugins import add_named, load_registry
from ganforge.recipe.load import load
from ganforge.registry import Registry
from ganforge.testing import examine
from ganforge_losses.losses import Hinge, LeastSquares, NonSaturating
from ganforge_regularizers.gradients import R1, GradientPenalty
from ganforge_regularizers.lecam import LeCam
from ganforge_regularizers.path_length import PathLength
from ganforge_regularizers.weights import Orthogonal, WeightClipping
from ganforge_translation.cyclegan import CycleGAN
from ganforge_translation.domains import CycleRound

CPU = torch.device("cpu")
PLUGINS = Path(__file__).parents[2] / "plugins"
LEARNS = {
    "generators": {"to_target", "to_source"},
    "discriminators": {"target_discriminator", "source_discriminator"},
}


class Shift(nn.Module):
    """Images to images of as many channels, or of others; not linear."""

    def __init__(self, inside: int = 2, outside: int = 2) -> None:
        super().__init__()
        self.map = nn.Conv2d(inside, outside, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.map(images).tanh()
        return made


class Patches(nn.Module):
    """Images to maps of logits (N, 1, h, w)."""

    def __init__(self, inside: int = 2) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(inside, 3, 3)
        self.score = nn.Conv2d(3, 1, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.score(self.hidden(images).tanh())
        return logits


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made = {
        "to_target": Shift(),
        "to_source": Shift(),
        "target_discriminator": Patches(),
        "source_discriminator": Patches(),
    }
    return {name: network.double() for name, network in made.items()}


def images(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 6, 5, generator=generator).double().tanh()


def play(
    made: Mapping[str, nn.Module],
    phase: str,
    *,
    step: int = 0,
    differentiates: frozenset[str] = frozenset(),
    source: bool = True,
) -> Play:
    for name, network in made.items():
        network.requires_grad_(name in LEARNS[phase])
    x, y = images(4, 1), images(4, 2)
    return Play(
        phase=phase,
        networks=made,
        learning=frozenset(LEARNS[phase]),
        differentiates=differentiates,
        batch=Batch(y, torch.arange(4), x if source else None),
        latent=Latent(3),
        draw=Draw(Streams(0), (step, phase, 0), 4, slice(0, 4), CPU),
    )


def game(*regularizers: Term, **options: Any) -> CycleGAN:
    return CycleGAN(loss=LeastSquares(), regularizers=regularizers, **options)


def phase_of(playing: CycleGAN, name: str) -> Phase:
    (found,) = (phase for phase in playing.phases() if phase.name == name)
    return found


def values(playing: CycleGAN, played: Play) -> dict[str, Tensor]:
    round = playing.round(played)
    phase = phase_of(playing, played.phase)
    return {term.name: term.function(round).mean() for term in phase.terms}


def objective(playing: CycleGAN, played: Play) -> Tensor:
    found = values(playing, played)
    weights = {term.name: term.weight for term in phase_of(playing, played.phase).terms}
    return torch.stack([weights[name] * value for name, value in found.items()]).sum()


# The terms.


def test_the_generators_terms_are_the_papers() -> None:
    """In numpy, of what the networks make."""
    made = networks()
    found = values(game(adversarial=2.0), play(made, "generators"))
    x, y = images(4, 1), images(4, 2)
    g, f = made["to_target"], made["to_source"]

    def array(samples: Tensor) -> Any:
        return samples.detach().numpy()

    def distance(first: Tensor, second: Tensor) -> float:
        return float(np.abs(array(first) - array(second)).mean())

    wanted = {
        "adversarial_target": ((array(made["target_discriminator"](g(x))) - 1) ** 2 / 2).mean(),
        "adversarial_source": ((array(made["source_discriminator"](f(y))) - 1) ** 2 / 2).mean(),
        "cycle_target": distance(g(f(y)), y),
        "cycle_source": distance(f(g(x)), x),
        "identity_target": distance(g(y), y),
        "identity_source": distance(f(x), x),
    }
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, rel=1e-12)


def test_the_discriminators_terms_are_the_papers() -> None:
    made = networks()
    found = values(game(), play(made, "discriminators"))
    x, y = images(4, 1), images(4, 2)
    sides = {"target": (y, made["to_target"](x)), "source": (x, made["to_source"](y))}
    wanted = {}
    for domain, (real, fake) in sides.items():
        judge = made[f"{domain}_discriminator"]
        s, t = judge(real).detach().numpy(), judge(fake).detach().numpy()
        wanted[f"adversarial_{domain}"] = ((s - 1) ** 2).mean() / 2 + (t**2).mean() / 2
    assert {name: value.item() for name, value in found.items()} == pytest.approx(wanted, rel=1e-12)


def test_weights() -> None:
    def found(**options: Any) -> dict[str, float]:
        return {t.name: t.weight for t in phase_of(game(**options), "generators").terms}

    both = ("target", "source")
    assert found() == {
        **{f"adversarial_{domain}": 1.0 for domain in both},
        **{f"cycle_{domain}": 10.0 for domain in both},
        **{f"identity_{domain}": 5.0 for domain in both},
    }
    assert found(cycle=3.0, identity=0.1, adversarial=2.0)["identity_source"] == pytest.approx(0.3)
    assert set(found(identity=0.0)) == {f"{t}_{d}" for t in ("adversarial", "cycle") for d in both}
    assert set(found(cycle=0.0)) == {f"adversarial_{domain}" for domain in both}
    assert all(term.weight == 1.0 for term in phase_of(game(cycle=3.0), "discriminators").terms)


def test_the_gradients_are_those_of_the_papers_objective() -> None:
    """All of it written again with autograd; nothing is cut off, and nothing frozen learns."""
    made = networks()
    x, y = images(4, 1), images(4, 2)
    g, f = made["to_target"], made["to_source"]
    d_y, d_x = made["target_discriminator"], made["source_discriminator"]
    played = play(made, "generators")
    expected = (
        0.5 * (d_y(g(x)) - 1).square().mean()
        + 0.5 * (d_x(f(y)) - 1).square().mean()
        + 10 * ((f(g(x)) - x).abs().mean() + (g(f(y)) - y).abs().mean())
        + 5 * ((g(y) - y).abs().mean() + (f(x) - x).abs().mean())
    )
    compare(objective(game(), played), expected, made, "generators")
    played = play(made, "discriminators")
    expected = 0.5 * (
        (d_y(y) - 1).square().mean()
        + d_y(g(x)).square().mean()
        + (d_x(x) - 1).square().mean()
        + d_x(f(y)).square().mean()
    )
    compare(objective(game(), played), expected, made, "discriminators")


def compare(found: Tensor, expected: Tensor, made: Mapping[str, nn.Module], phase: str) -> None:
    learning = [p for name in sorted(LEARNS[phase]) for p in made[name].parameters()]
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    theirs = torch.autograd.grad(expected, learning)
    found.backward()  # type: ignore[no-untyped-call]
    for parameter, other in zip(learning, theirs, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, other, rtol=1e-10, atol=1e-14)
    frozen = [p for n in sorted(set(made) - LEARNS[phase]) for p in made[n].parameters()]
    assert all(parameter.grad is None for parameter in frozen)
    for parameter in learning:
        parameter.grad = None


def test_generators_that_change_nothing_come_back_exactly() -> None:
    made = {**networks(), "to_target": nn.Identity(), "to_source": nn.Identity()}
    found = values(game(), play(made, "generators"))
    for name in ("cycle_target", "cycle_source", "identity_target", "identity_source"):
        assert found[name] == 0.0


def test_each_generator_and_discriminator_is_asked_once_for_what_several_terms_see() -> None:
    made = networks()
    calls: dict[str, int] = dict.fromkeys(made, 0)

    def count(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            calls[name] += 1

        return hook

    for name, network in made.items():
        network.register_forward_hook(count(name))
    values(game(), play(made, "generators"))
    # there, back, and the identity; one side of each discriminator
    assert calls == {
        "to_target": 3,
        "to_source": 3,
        "target_discriminator": 1,
        "source_discriminator": 1,
    }


def test_phases() -> None:
    first, second = game().phases()
    assert (first.name, set(first.learns)) == ("generators", LEARNS["generators"])
    assert (second.name, set(second.learns)) == ("discriminators", LEARNS["discriminators"])
    assert first.draws_batch
    assert not second.draws_batch
    assert CycleGAN.sampler == "to_target"
    assert (CycleGAN.samples_of, CycleGAN.judge) == ("source", None)


# The pool.


def test_discriminators_see_the_pool_and_generators_do_not_touch_it() -> None:
    made, playing = networks(), game(pool=3)
    kept: dict[str, list[Tensor]] = {"target": [], "source": []}
    for step in range(6):
        with torch.no_grad():
            for parameter in made["to_target"].parameters():
                parameter.mul_(1.1)  # so that old fakes are other ones
        values(playing, play(made, "generators", step=step))
        found = playing.round(played := play(made, "discriminators", step=step))
        for domain, network, start in (
            ("target", "to_target", images(4, 1)),
            ("source", "to_source", images(4, 2)),
        ):
            fresh = made[network](start).detach()
            chances = played.draw.uniform(f"pool/{domain}", 2).tolist()
            expected = []
            for sample, (chance, place) in zip(fresh, chances, strict=True):
                if len(kept[domain]) < 3:
                    kept[domain].append(sample)
                    expected.append(sample)
                elif chance < 0.5:
                    expected.append(kept[domain][int(3 * place)])
                    kept[domain][int(3 * place)] = sample
                else:
                    expected.append(sample)
            fake = found.domains[domain].fake  # type: ignore[index]
            assert torch.equal(fake, torch.stack(expected))
            assert not fake.requires_grad
            if step > 2 and domain == "target":
                assert not torch.equal(fake, fresh)
        state = playing.state_dict()
        for domain in ("target", "source"):
            found_kept = state[f"pool_{domain}"]["kept"]
            assert torch.equal(torch.stack(found_kept), torch.stack(kept[domain]))


def test_both_domains_have_random_numbers_of_their_own() -> None:
    made, playing = networks(), game(pool=1)
    differ = False
    for step in range(8):
        draw = play(made, "discriminators", step=step).draw
        one, other = draw.uniform("pool/target", 2), draw.uniform("pool/source", 2)
        differ |= not torch.equal(one, other)
    assert differ
    assert playing.pools["target"] is not playing.pools["source"]


# Regularizers.


def test_a_regularizer_of_the_discriminator_joins_both_domains() -> None:
    made = networks()
    playing = game(Term("r1", R1(), 7.0, 4))
    terms = phase_of(playing, "discriminators").terms
    assert [(t.name, t.weight, t.every) for t in terms[2:]] == [
        ("r1_target", 7.0, 4),
        ("r1_source", 7.0, 4),
    ]
    assert [term.differentiates for term in terms[2:]] == [frozenset({"real"})] * 2
    played = play(made, "discriminators", differentiates=frozenset({"real"}))
    found = values(playing, played)
    for domain, real in (("target", images(4, 2)), ("source", images(4, 1))):
        squares = []
        for row in range(4):
            point = real[row : row + 1].clone().requires_grad_()
            score = made[f"{domain}_discriminator"](point).mean()  # of a map of logits
            (gradient,) = torch.autograd.grad(score, point)
            squares.append(gradient.square().sum().item() / 2)
        assert found[f"r1_{domain}"].item() == pytest.approx(np.mean(squares), rel=1e-10)


def test_each_domain_has_a_state_of_its_own() -> None:
    made = networks()
    with torch.no_grad():
        made["target_discriminator"].score.bias += 3.0  # type: ignore[union-attr, operator]
    playing = game(Term("lecam", LeCam()))
    terms = {t.name: t.function for t in phase_of(playing, "discriminators").terms}
    values(playing, play(made, "discriminators"))
    states = [terms[f"lecam_{d}"].state_dict() for d in ("target", "source")]  # type: ignore[attr-defined]
    x, y = images(4, 1), images(4, 2)
    means = made["target_discriminator"](y).mean(), made["source_discriminator"](x).mean()
    for state, mean in zip(states, means, strict=True):
        found = state["real"]["sum"] / state["real"]["count"]
        assert found.item() == pytest.approx(mean.item(), rel=1e-6)
    terms["lecam_target"].load_state_dict({"real": None, "fake": None})  # type: ignore[attr-defined]
    assert terms["lecam_source"].state_dict()["real"]["sum"] is not None  # type: ignore[attr-defined]


def test_a_regularizer_of_the_weights_sees_its_own_domains_network() -> None:
    made = networks()
    playing = game(Term("orthogonal", Orthogonal(network="generator")))
    found = values(playing, play(made, "generators"))
    for domain in ("target", "source"):
        weight = made[f"to_{domain}"].map.weight.flatten(1)  # type: ignore[operator, union-attr]
        products = weight @ weight.T
        products = products - torch.diag(products.diagonal())
        wanted = products.square().sum().item()
        assert found[f"orthogonal_{domain}"].item() == pytest.approx(wanted, rel=1e-10)


def test_weights_are_clipped_in_both_domains() -> None:
    made = networks()
    playing = game(Term("clip", WeightClipping(limit=0.01)))
    played = play(made, "discriminators")
    values(playing, played)
    for term in phase_of(playing, "discriminators").terms:
        if (after := getattr(term.function, "after_step", None)) is not None:
            after(made)
    for name, network in made.items():
        largest = max(p.abs().max().item() for p in network.parameters())
        assert (largest <= 0.01) == name.endswith("discriminator")


def test_gradient_penalties_fit() -> None:
    found = values(game(Term("gp", GradientPenalty())), play(networks(), "discriminators"))
    assert found["gp_target"] > 0
    assert found["gp_source"] > 0


def test_regularizers_of_latents_are_told_that_there_are_none() -> None:
    playing = game(Term("path_length", PathLength()))
    with pytest.raises(UsageError, match="'generators': a term asks for latents") as caught:
        values(playing, play(networks(), "generators"))
    assert "path_length" in str(caught.value.hint)


@pytest.mark.parametrize("phase", ["encoder", "generators", ("discriminator", "q")], ids=str)
def test_regularizers_of_other_phases_are_refused(phase: Any) -> None:
    class Other(Regularizer):
        pass

    Other.phase = phase
    with pytest.raises(PluginError, match=r"regularizer 'other' joins phase '(encoder|gen|q)"):
        game(Term("other", Other()))


# What does not fit.


def test_data_without_a_source_are_refused() -> None:
    playing = game()
    with pytest.raises(UsageError, match="'cyclegan' translates samples of a source") as caught:
        playing.shapes("to_target", (1, 8, 8), None)
    assert "unpaired" in str(caught.value.hint)
    with pytest.raises(UsageError, match="'cyclegan' translates"):
        playing.round(play(networks(), "generators", source=False))


def test_each_network_is_told_its_own_domain() -> None:
    playing = game(identity=0.0)
    y, x = (3, 8, 8), (1, 8, 8)
    there, back = {"image_shape": y, "source_shape": x}, {"image_shape": x, "source_shape": y}
    assert playing.shapes("to_target", y, x) == there
    assert playing.shapes("target_discriminator", y, x) == there
    assert playing.shapes("to_source", y, x) == back
    assert playing.shapes("source_discriminator", y, x) == back


def test_the_identity_needs_domains_of_one_shape() -> None:
    with pytest.raises(UsageError, match=r"\(1, 8, 8\), those of the target \(3, 8, 8\)") as no:
        game().shapes("to_target", (3, 8, 8), (1, 8, 8))
    assert "identity: 0" in str(no.value.hint)
    assert game().shapes("to_target", (3, 8, 8), (3, 8, 8))


def test_a_generator_of_another_shape_is_refused() -> None:
    made = {**networks(), "to_source": Shift(2, 1).double()}
    with pytest.raises(UsageError, match=r"'to_source' makes samples of shape \(1, 6, 5\)"):
        values(game(), play(made, "generators"))


# Pictures.


def show(made: Mapping[str, nn.Module], batch: Batch, columns: int | None = None) -> Show:
    return Show(
        networks=made,
        latent=Latent(3),
        streams=Streams(0),
        device=CPU,
        examples=lambda count: batch,
        num_classes=None,
        count=len(batch),
        columns=columns,
    )


@pytest.mark.parametrize(("columns", "blocks"), [(None, 1), (2, 2), (3, 1)])
def test_pictures_go_both_ways(columns: int | None, blocks: int) -> None:
    made = networks()
    x, y = images(4, 1), images(4, 2)
    found = game().pictures(show(made, Batch(y, None, x), columns))
    assert set(found) == {"samples", "back"}
    g, f = made["to_target"], made["to_source"]
    for panel, rows in (
        (found["samples"], (x, g(x), f(g(x)))),
        (found["back"], (y, f(y), g(f(y)))),
    ):
        width = columns or 4
        assert panel.columns == width
        table = panel.samples.reshape(blocks, 3, width, 2, 6, 5)
        for place, row in enumerate(rows):
            shown = table[:, place].reshape(blocks * width, 2, 6, 5)
            assert torch.equal(shown, row[: blocks * width])


def test_grey_and_coloured_domains_share_a_picture() -> None:
    made = {**networks(), "to_target": Shift(1, 3), "to_source": Shift(3, 1)}
    x, y = torch.rand(2, 1, 6, 5), torch.rand(2, 3, 6, 5)
    found = game(identity=0.0).pictures(show(made, Batch(y, None, x)))
    assert found["samples"].samples.shape == (6, 3, 6, 5)
    assert torch.equal(found["samples"].samples[0], x[0].expand(3, -1, -1))


def test_domains_of_other_sizes_show_what_is_made() -> None:
    made = {**networks(), "to_target": nn.Upsample(scale_factor=2), "to_source": nn.AvgPool2d(2)}
    x, y = images(4, 1)[..., :4], torch.rand(4, 2, 12, 8).double()
    found = game(identity=0.0).pictures(show(made, Batch(y, None, x)))
    assert torch.equal(found["samples"].samples, made["to_target"](x))
    assert torch.equal(found["back"].samples, made["to_source"](y))


# Trained.


def trainer(playing: CycleGAN, *, portions: int = 1, steps: int = 50, **settings: Any) -> Trainer:
    """16 images of each domain in batches of 4, as they are."""
    streams = Streams(0)
    made = {name: network.float() for name, network in networks().items()}
    data = Dataset(samples=images(16, 5).float(), source=Dataset(samples=images(16, 6).float()))
    return Trainer(
        game=playing,
        networks=made,
        optimizers={n: torch.optim.Adam(w.parameters(), lr=0.02) for n, w in made.items()},
        feed=ResidentFeed(data, batch_size=4, streams=streams, device=CPU),
        latent=Latent(3),
        streams=streams,
        settings=Settings(total_steps=steps, batch_size=4, micro_batches=portions, **settings),
        device=CPU,
    )


def test_it_learns_to_come_back() -> None:
    running = trainer(game(identity=0.0))
    first = running.step()["generators/cycle_source"].item()
    for _ in range(49):
        last = running.step()["generators/cycle_source"].item()
    assert last < 0.5 * first


@pytest.mark.parametrize("portions", [2, 4])
def test_micro_batches_change_nothing(portions: int) -> None:
    found = []
    for count in (1, portions):
        playing = game(pool=6)
        running = trainer(playing, portions=count)
        for _ in range(6):
            running.step()
        weights = [p.detach() for n in running.networks.values() for p in n.parameters()]
        found.append([*weights, *playing.pools["target"].kept, *playing.pools["source"].kept])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)


class Fails(Regularizer):
    """Raises, or is not finite, in one play."""

    def __init__(self, at: int, how: str) -> None:
        self.at = at
        self.how = how
        self.failed = False

    def __call__(self, round: Any) -> Tensor:
        value: Tensor = round.fake.mean() * 0.0
        if round.play.step == self.at and not self.failed:
            self.failed = self.how == "once"
            if self.how == "nan":
                return value * float("nan")
            raise Interrupted
        return value


@pytest.mark.parametrize("at", [0, 3], ids=["first step", "fourth step"])
def test_a_play_that_fails_leaves_the_pool_as_it_was(at: int) -> None:
    """It is played again, and the run ends as one in which nothing failed."""
    straight = trainer(game(Term("fails", Fails(99, "once")), pool=6))
    broken = trainer(game(Term("fails", Fails(at, "once")), pool=6))
    for _ in range(8):
        straight.step()
    failures = 0
    while broken.step_count < 8:
        before = leaves(broken.game.state_dict())
        try:
            broken.step()
        except Interrupted:
            failures += 1
            assert leaves(broken.game.state_dict()) == before
    assert failures == 2  # each domain's copy of the term
    assert leaves(broken.state_dict()) == leaves(straight.state_dict())


@pytest.mark.parametrize("wait", [True, False])
def test_a_play_that_is_skipped_leaves_the_pool_as_it_was(wait: bool) -> None:
    """Also where nobody waits for the device to say whether it was finite."""
    running = trainer(game(Term("fails", Fails(0, "nan")), pool=6), not_finite="skip")
    running.judge._wait = wait
    running.step()
    assert running.game.state_dict() == {"pool_target": {"kept": []}, "pool_source": {"kept": []}}
    running.step()
    assert len(running.game.state_dict()["pool_target"]["kept"]) == 4
    for network in running.networks.values():
        assert all(p.isfinite().all() for p in network.parameters())


# Whole runs.

RECIPE = """
version: 1
name: cycle
dataset:
  use: unpaired
  source: {{use: mnist, split: test, classes: [1]}}
  target: {{use: invert, of: {{use: mnist, split: test, classes: [7]}}}}
game: {{use: cyclegan, pool: 5}}
loss: {{use: least_squares}}
to_target: {{use: resnet, channels: 2, blocks: 1}}
to_source: {{use: unet, channels: 2}}
target_discriminator: {{use: patch, channels: 2, layers: 1, norm: batch}}
source_discriminator: {{use: patch, channels: 2, layers: 2}}
regularizers: [{{use: lecam}}, {{use: r1, weight: 0.1, every: 3}}]
optimizer:
  to_target: {{use: adam, lr: 1e-3}}
  to_source: {{use: adam, lr: 1e-3}}
  target_discriminator: {{use: adam, lr: 1e-3}}
  source_discriminator: {{use: adam, lr: 1e-3}}
ema: {{decay: 0.9}}
train: {{steps: 14, batch_size: 3, micro_batches: 1, workers: {workers}}}
callbacks:
  - {{use: sample_grid, count: 4, columns: 2, every: 7 steps}}
  - {{use: loss_plot, enabled: false}}
  - {{use: checkpoint, every: 1000 steps}}
"""


class StopAt(Callback):
    """Stops as a signal would: behind a step, or between its two phases."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == self.step:
            run.request_stop("max_time")


Start = Callable[[Path, int], Run]


def registry() -> Registry:
    """What is installed, and the plugins of this test where they are not."""
    found = load_registry()
    for name in ("ganforge_transforms", "ganforge_translation"):
        if name not in {plugin.module for plugin in found.plugins}:
            add_named(found, str(PLUGINS / name), folder=PLUGINS)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """``start(folder, workers)``: a run, all made anew as a new process makes it."""
    path = tmp_path / "cycle.yaml"

    def make(folder: Path, workers: int) -> Run:
        path.write_text(RECIPE.format(workers=workers))
        recipe, _ = load(path, registry())
        folder.mkdir(exist_ok=True)
        return build.start(build.prepare(recipe, device=CPU), folder, tell=pytest.fail, quiet=True)

    return make


def leaves(value: Any, place: str = "") -> dict[str, Any]:
    """Every leaf of a state by its place; tensors as their type, shape and bytes."""
    if isinstance(value, Tensor):
        data = value.detach().contiguous().numpy().tobytes()
        return {place: (value.dtype, tuple(value.shape), data)}
    if isinstance(value, dict):
        return {k: v for key in value for k, v in leaves(value[key], f"{place}.{key}").items()}
    if isinstance(value, list | tuple):
        return {
            k: v for i, each in enumerate(value) for k, v in leaves(each, f"{place}.{i}").items()
        }
    return {place: value}


@pytest.mark.parametrize("workers", [0, 1], ids=["resident", "1 worker"])
def test_a_resumed_run_ends_as_the_uninterrupted_one(
    start: Start, tmp_path: Path, workers: int
) -> None:
    straight = start(tmp_path / "straight", 0)
    assert straight.play() == "finished"
    wanted = leaves(straight.trainer.state_dict())
    kept = [place for place in wanted if place.startswith(".game.pool_")]
    assert len(kept) == 10
    for stop in (1, 2, 9):
        folder = tmp_path / f"stopped at {stop}"
        first = start(folder, workers)
        first.callbacks = {**first.callbacks, "stop": StopAt(stop)}
        assert first.play() == "stopped"
        second = start(folder, workers)
        found = checkpoint.load_newest(folder / "checkpoints", device=CPU, tell=pytest.fail)
        second.load_state_dict(found.state)
        assert second.play() == "finished"
        reached = leaves(second.trainer.state_dict())
        assert reached.keys() == wanted.keys()
        assert [place for place in wanted if reached[place] != wanted[place]] == [], stop
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 14


def test_a_run_shows_both_ways_and_exports_its_generator(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = start(folder, 0)
    assert run.play() == "finished"
    shown = sorted(path.name for path in (folder / "samples").iterdir())
    assert shown == [f"step_{step:07d}{what}.png" for step in (7, 14) for what in ("", "_back")]
    exported = sorted(path.stem for path in folder.glob("*.safetensors"))
    assert exported == ["to_source", "to_target"]
    again = read(folder / "to_target.safetensors", registry(), device=CPU)
    images = torch.rand(2, 1, 28, 28)
    network = run.network_for_sampling("to_target").eval()
    assert torch.equal(again.network(images), network(images))
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    for domain in ("target", "source"):
        for name in ("adversarial", "cycle", "identity", "belief_fake"):
            assert f"generators/{name}_{domain}" in last
        for name in ("adversarial", "lecam", "belief_real", "belief_fake"):
            assert f"discriminators/{name}_{domain}" in last


# The plugin.


@pytest.mark.parametrize("loss", [Hinge(), NonSaturating()], ids=lambda each: type(each).__name__)
def test_other_losses(loss: Any) -> None:
    made = networks()
    playing = CycleGAN(loss=loss, regularizers=())
    for phase in LEARNS:
        assert objective(playing, play(made, phase)).isfinite()
    assert isinstance(playing.round(play(made, "generators")), CycleRound)


def test_options() -> None:
    signature = read_signature(CycleGAN, "game")
    assert signature.injected == {"loss", "regularizers"}
    wrong = {"cycle": -1.0, "identity": -0.1, "adversarial": 0.0, "pool": -1}
    assert len(signature.check(wrong)[1]) == 4


def test_the_plugin_keeps_its_contract() -> None:
    """But for games whose data must have a source, which the stand-ins of the checks lack."""
    failed = [each for each in examine("ganforge_translation") if each.failed]
    known = {("game cyclegan", "step"), ("game pix2pix", "step")}
    assert [str(f) for f in failed if (f.component, f.check) not in known] == []
