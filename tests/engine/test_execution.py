"""Precision: what is rounded, what is not, and what a device cannot do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge.api import Regularizer, Term
from ganforge.engine.execution import Execution, chosen
from ganforge.engine.trainer import Trainer
from ganforge.errors import UsageError
from ganforge_games.two_player import TwoPlayer
from ganforge_losses.losses import NonSaturating
from ganforge_regularizers.gradients import R1, GradientPenalty

CPU = torch.device("cpu")
DATA = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))


class Spied(nn.Sequential):
    """Remembers the types in which it computed."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.seen: list[torch.dtype] = []

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = super().forward(inputs)
        self.seen.append(output.dtype)
        return output


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "generator": Spied(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2)),
        "discriminator": Spied(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)),
    }


def made(make_trainer: Callable[..., Trainer], precision: str, *penalties: Regularizer) -> Trainer:
    terms = [Term(f"penalty{i}", penalty, 1.0) for i, penalty in enumerate(penalties)]
    game = TwoPlayer(loss=NonSaturating(), regularizers=terms)
    trainer = make_trainer(game, networks(), DATA)
    trainer.execution = replace(trainer.execution, precision=precision)  # type: ignore[arg-type]
    return trainer


def test_bf16_computes_in_bfloat16_and_is_near(make_trainer: Callable[..., Trainer]) -> None:
    exact, rounded = made(make_trainer, "fp32"), made(make_trainer, "bf16")
    for _ in range(3):
        one, other = exact.step(), rounded.step()
    for name, value in one.items():
        assert other[name].dtype == torch.float32
        torch.testing.assert_close(other[name], value, rtol=2e-2, atol=2e-2)
    for name, network in rounded.networks.items():
        assert set(network.seen) == {torch.bfloat16}, name
        assert all(p.dtype == p.grad.dtype == torch.float32 for p in network.parameters())
    assert any(one[name] != other[name] for name in one), "something was rounded"


@pytest.mark.parametrize("penalty", [R1(), GradientPenalty()])
def test_penalties_stay_in_single_precision(
    make_trainer: Callable[..., Trainer], penalty: Regularizer
) -> None:
    """The first step's penalty is the very same number, and scores that it shares are exact."""
    exact, rounded = (made(make_trainer, way, penalty) for way in ("fp32", "bf16"))
    values = [trainer.step()["discriminator/penalty0"] for trainer in (exact, rounded)]
    torch.testing.assert_close(*values, rtol=1e-6, atol=0.0)
    assert torch.float32 in rounded.networks["discriminator"].seen


def test_auto_on_a_cpu_is_fp32() -> None:
    assert chosen("auto", CPU) == "fp32"
    assert chosen("bf16", CPU) == "bf16"


def test_a_cpu_has_no_tf32() -> None:
    with pytest.raises(UsageError, match="device 'cpu' has no tf32") as caught:
        chosen("tf32", CPU)
    assert "compute capability 8.0" in str(caught.value.hint)


class Plain(nn.Module):
    """A module of one's own: torch does not compile its own layers alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.layer(inputs)
        return output


def test_what_is_compiled_is_interpreted_for_terms_of_second_order() -> None:
    """torch cannot go backward twice through a compiled module."""
    execution = Execution(CPU, compiled=True)
    network = Plain()
    calls: list[Any] = []

    def backend(graph: Any, _inputs: Any) -> Any:
        calls.append(graph)
        return graph.forward

    network.compile(backend=backend)
    with execution.play([Term("r1", R1())]):
        network(DATA)
    assert not calls
    with execution.play([Term("loss", lambda _: DATA)]):
        network(DATA)
    assert len(calls) == 1
