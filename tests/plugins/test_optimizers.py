"""Every optimizer of torch by name: the same steps, the same defaults, and none left out."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LambdaLR
from torch.testing import assert_close

from ganforge.api import UsageError
from ganforge.engine.plain import check_plain
from ganforge.options import read_signature
from ganforge_optimizers import register_optimizers
from ganforge_optimizers.classic import rprop
from ganforge_optimizers.divided import muon, sparse_adam

Params = list[nn.Parameter]

OWN = {"optimistic_adam"}
NOT_FOR_GANS = {optim.LBFGS}
"""It takes a closure; see the docstring of ``ganforge_optimizers.optimizers``."""

HOW = {"capturable", "differentiable", "foreach", "fused", "maximize"}
"""Arguments of torch's about the implementation, or about what is minimised: no options."""

LEFT_OUT = {
    "adam": {"decoupled_weight_decay"},  # which is adamw
    "sgd": {"dampening"},
}
OTHER_DEFAULTS = {"sgd": {"lr"}}
"""torch's SGD has had other defaults, and none."""


def registered() -> dict[str, Any]:
    """The components by name."""
    targets: dict[str, str] = {}
    register_optimizers(lambda name, target, *, summary: targets.update({name: target}))
    split = {name: target.split(":") for name, target in targets.items()}
    return {name: getattr(import_module(where), what) for name, (where, what) in split.items()}


def torchs() -> dict[str, type[optim.Optimizer]]:
    """torch's optimizers by the component's name."""
    found = [each for each in vars(optim).values() if inspect.isclass(each)]
    optimizers = {each for each in found if issubclass(each, optim.Optimizer)}
    names = {name.replace("_", ""): name for name in COMPONENTS}
    lower = {each.__name__.lower(): each for each in optimizers - {optim.Optimizer}}
    return {names.get(name, name): each for name, each in lower.items()}


COMPONENTS = registered()
TORCHS = torchs()
NAMES = sorted(set(COMPONENTS) - OWN)

ADAMS: dict[str, Any] = {"lr": 0.02, "betas": (0.5, 0.9), "eps": 1e-6}
DECAYING: dict[str, Any] = {**ADAMS, "weight_decay": 0.1}

OTHER: dict[str, dict[str, Any]] = {
    "adadelta": {"lr": 0.5, "rho": 0.8, "eps": 1e-5, "weight_decay": 0.1},
    "adafactor": {
        "lr": 0.02,
        "beta2_decay": -0.7,
        "eps": (1e-6, 0.01),
        "d": 1.5,
        "weight_decay": 1,
    },
    "adagrad": {
        "lr": 0.02,
        "lr_decay": 0.1,
        "weight_decay": 0.1,
        "initial_accumulator_value": 0.2,
        "eps": 1e-6,
    },
    "adam": {**DECAYING, "amsgrad": True},
    "adamax": DECAYING,
    "adamw": {**DECAYING, "amsgrad": True},
    "asgd": {"lr": 0.02, "lambd": 0.1, "alpha": 0.5, "t0": 3.0, "weight_decay": 0.1},
    "muon": {
        "lr": 0.02,
        "weight_decay": 0.2,
        "momentum": 0.8,
        "nesterov": False,
        "ns_coefficients": (3.0, -4.0, 2.0),
        "eps": 10.0,
        "ns_steps": 3,
        "adjust_lr_fn": "match_rms_adamw",
    },
    "nadam": {**DECAYING, "momentum_decay": 0.1, "decoupled_weight_decay": True},
    "radam": {**DECAYING, "decoupled_weight_decay": True},
    "rmsprop": {
        "lr": 0.02,
        "alpha": 0.8,
        "eps": 1e-6,
        "weight_decay": 0.1,
        "momentum": 0.5,
        "centered": True,
    },
    "rprop": {"lr": 0.02, "etas": (0.4, 1.5), "step_sizes": (1e-4, 0.1)},
    "sgd": {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.1, "nesterov": True},
    "sparse_adam": ADAMS,
}
"""Options other than the defaults, all at once."""

FUSED = {"adam", "adamw", "sgd"}


class Lookup(nn.Module):
    """Embeddings with sparse gradients alone, of which a step names some rows."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Embedding(9, 5, sparse=True)
        self.second = nn.Embedding(9, 5, sparse=True)

    def forward(self, inputs: Tensor) -> Tensor:
        numbers = (inputs.flatten(1).abs().sum(1) * 7).long() % 9
        return (self.first(numbers) * self.second(numbers.flip(0))).sum(1)


class Mixed(Lookup):
    """Embeddings with sparse gradients, and a layer with dense ones."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.layer(inputs.flatten(1)).squeeze(1)


def convolutions() -> nn.Module:
    """Parameters of four axes, of two and of one."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3), nn.LayerNorm(3)
    )


def matrices() -> nn.Module:
    """Parameters of two axes only."""
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8, bias=False), nn.Linear(8, 40, bias=False))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"muon": matrices, "sparse_adam": Lookup}
"""Networks of which torch's own class takes all parameters."""


def made(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


def train(network: nn.Module, steppers: list[optim.Optimizer], first: int, stop: int) -> None:
    """Steps on gradients that depend on the step's number and on the weights."""
    for number in range(first, stop):
        inputs = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(number))
        network.zero_grad(set_to_none=True)
        (network(inputs) - 1.0).square().mean().backward()
        for each in steppers:
            each.step()


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(map(torch.equal, one.parameters(), other.parameters()))


def test_none_of_torchs_is_missing() -> None:
    missing = {name for name, each in TORCHS.items() if each not in NOT_FOR_GANS} - set(COMPONENTS)
    assert not missing, f"torch {torch.__version__} has more: {missing}"
    assert set(COMPONENTS) - set(TORCHS) == OWN
    assert set(OTHER) == set(NAMES)


def test_the_one_that_is_left_out_cannot_step_without_a_closure() -> None:
    network = made(matrices)
    with pytest.raises(TypeError, match="closure"):
        train(network, [optim.LBFGS(network.parameters())], 0, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["defaults", "others"])
def test_twenty_steps_are_torchs(name: str, which: str) -> None:
    options = OTHER[name] if which == "others" else torch_defaults(name)
    how = {"fused": True} if name in FUSED else {}
    ours, theirs = (made(NETWORKS.get(name, convolutions)) for _ in range(2))
    before = made(NETWORKS.get(name, convolutions))
    component = COMPONENTS[name](params=list(ours.parameters()), **options)
    reference: Any = TORCHS[name]
    train(ours, [component], 0, 20)
    stepper = reference(theirs.parameters(), **options, **how)
    train(theirs, [stepper], 0, 20)
    assert same(ours, theirs)
    states = component.state_dict()["state"], stepper.state_dict()["state"]
    assert_close(*states, rtol=0.0, atol=0.0)
    assert not any(map(torch.equal, ours.parameters(), before.parameters()))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_matters(name: str) -> None:
    """Else the comparison with torch says nothing of it."""
    make = NETWORKS.get(name, convolutions)
    changed = made(make)
    train(changed, [COMPONENTS[name](params=list(changed.parameters()), **OTHER[name])], 0, 20)
    for option in OTHER[name]:
        if (name, option) == ("asgd", "t0"):
            continue  # only the average in the state depends on it
        rest = {key: value for key, value in OTHER[name].items() if key != option}
        if (name, option) == ("sgd", "momentum"):
            rest.pop("nesterov")  # which needs it
        network = made(make)
        train(network, [COMPONENTS[name](params=list(network.parameters()), **rest)], 0, 20)
        assert not same(network, changed), option


def torch_defaults(name: str) -> dict[str, Any]:
    """What torch's own constructor has, for the options that the component has too."""
    own = inspect.signature(COMPONENTS[name]).parameters
    theirs = inspect.signature(TORCHS[name]).parameters
    return {key: each.default for key, each in theirs.items() if key in own and key != "params"}


@pytest.mark.parametrize("name", NAMES)
def test_options_and_defaults_are_torchs(name: str) -> None:
    own = read_signature(COMPONENTS[name], "optimizer")
    theirs = set(inspect.signature(TORCHS[name]).parameters) - HOW - LEFT_OUT.get(name, set())
    fields = {key: field for key, field in own.model.model_fields.items() if key[:5] != "rest_"}
    assert set(fields) == theirs - {"params"}
    for option, default in torch_defaults(name).items():
        if option not in OTHER_DEFAULTS.get(name, ()):
            assert fields[option].default == default, option


def test_the_rest_beside_muon_has_adamws_defaults() -> None:
    fields = read_signature(muon, "optimizer").model.model_fields
    rest = {key[5:]: field.default for key, field in fields.items() if key.startswith("rest_")}
    theirs = inspect.signature(optim.AdamW).parameters
    assert rest == {key: theirs[key].default for key in ("lr", "betas", "eps", "weight_decay")}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_can_write_every_option(name: str) -> None:
    written = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in OTHER[name].items()
    }
    values, problems = read_signature(COMPONENTS[name], "optimizer").check(written)
    assert not problems
    assert {key: values[key] for key in OTHER[name]} == OTHER[name]


def test_muon_has_matrices_and_adamw_the_rest() -> None:
    """As torch's documentation of Muon does it, with two optimizers."""
    ours, theirs = made(convolutions), made(convolutions)
    rest: dict[str, Any] = {"lr": 0.03, "betas": (0.5, 0.8), "eps": 1e-4, "weight_decay": 0.3}
    prefixed = {f"rest_{key}": value for key, value in rest.items()}
    together = muon(params=list(ours.parameters()), **OTHER["muon"], **prefixed)
    train(ours, [together], 0, 20)
    two = [p for p in theirs.parameters() if p.ndim == 2]
    others = [p for p in theirs.parameters() if p.ndim != 2]
    assert [len(two), len(others)] == [1, 5]
    separate = [optim.Muon(two, **OTHER["muon"]), optim.AdamW(others, **rest, fused=True)]
    train(theirs, separate, 0, 20)
    assert same(ours, theirs)


def test_muon_without_a_matrix_is_told() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4))
    with pytest.raises(UsageError, match="none of the network's 4 parameters") as raised:
        muon(params=list(network.parameters()))
    assert "(4, 3, 5, 5), (4,), (4,), (4,)" in raised.value.message
    assert "adamw" in str(raised.value.hint)


def test_sparse_adam_takes_dense_gradients_too() -> None:
    ours, theirs = made(Mixed), made(Mixed)
    options = OTHER["sparse_adam"]
    train(ours, [sparse_adam(params=list(ours.parameters()), **options)], 0, 20)
    sparse = [*theirs.first.parameters(), *theirs.second.parameters()]  # type: ignore[union-attr]
    dense = list(theirs.layer.parameters())  # type: ignore[union-attr]
    separate = [optim.SparseAdam(sparse, **options), optim.Adam(dense, **options, fused=True)]
    train(theirs, separate, 0, 20)
    assert same(ours, theirs)


def test_sparse_adam_leaves_rows_alone_that_no_sample_names() -> None:
    network = made(Lookup)
    optimizer = sparse_adam(params=list(network.parameters()))
    before = [p.detach().clone() for p in network.parameters()]
    train(network, [optimizer], 0, 1)
    for new, old in zip(network.parameters(), before, strict=True):
        assert 0 < int((new != old).any(1).sum()) <= 4


CASES: list[tuple[str, Callable[[], nn.Module]]] = [
    *[(name, NETWORKS.get(name, convolutions)) for name in sorted(COMPONENTS)],
    ("muon", convolutions),
    ("sparse_adam", Mixed),
]


@pytest.mark.parametrize(("name", "make"), CASES)
def test_saved_and_taken_up_it_goes_on_exactly(name: str, make: Callable[[], nn.Module]) -> None:
    whole = made(make)
    optimizer = COMPONENTS[name](params=list(whole.parameters()), **OTHER.get(name, {}))
    train(whole, [optimizer], 0, 5)
    state = optimizer.state_dict()
    check_plain(state)
    file = io.BytesIO()
    torch.save([state, whole.state_dict()], file)
    file.seek(0)
    state, weights = torch.load(file, weights_only=True)
    train(whole, [optimizer], 5, 20)
    resumed = made(make)
    resumed.load_state_dict(weights)
    fresh = COMPONENTS[name](params=list(resumed.parameters()), **OTHER.get(name, {}))
    fresh.load_state_dict(state)
    train(resumed, [fresh], 5, 20)
    assert same(whole, resumed)


@pytest.mark.parametrize(("name", "make"), CASES)
def test_a_schedule_reaches_every_parameter(name: str, make: Callable[[], nn.Module]) -> None:
    """With a rate of 0 from the second step on, nothing moves any more."""
    network = made(make)
    optimizer = COMPONENTS[name](params=list(network.parameters()))
    schedule = LambdaLR(optimizer, lambda step: float(step == 0))
    train(network, [optimizer], 0, 1)
    schedule.step()
    if name == "asgd":  # it keeps the rate of the step before
        train(network, [optimizer], 1, 2)
    after = [p.detach().clone() for p in network.parameters()]
    train(network, [optimizer], 2, 4)
    stopped = all(map(torch.equal, after, network.parameters()))
    assert stopped == (name != "rprop")  # whose rate is of the first step only


def test_rprops_sizes_in_the_wrong_order_are_told() -> None:
    with pytest.raises(UsageError, match=r"the smallest step, 1\.0, is above the largest, 0\.1"):
        rprop(params=list(made(matrices).parameters()), step_sizes=(1.0, 0.1))
