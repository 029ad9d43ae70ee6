"""A discriminator some steps ahead of itself, and the rounds in which it gets there."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganforge.api import AdversarialLoss, AdversarialRound, Augmentation, Play, Side, UsageError
from ganforge_unrolled.optimizers import Adam, Descent, Parameters

NAME = "discriminator"


class Elsewhere(nn.Module):
    """A network with other parameters than its own, and with buffers that are copies.

    :func:`elsewhere` makes a subclass whose ``forward`` has the signature of the network's, so that
    it is given what the network asks for.

    Args:
        network: Whose code is run. It is left as it is.
        parameters: By name.
        buffers: By name; what forward writes into them stays here.
    """

    def __init__(
        self, network: nn.Module, parameters: Parameters, buffers: Mapping[str, Tensor]
    ) -> None:
        super().__init__()
        self._network = (network,)  # a tuple: this is not its parent
        self._tensors = {**parameters, **buffers}

    def run(self, *inputs: Any, **more: Any) -> Any:
        """The network's output."""
        return functional_call(self._network[0], self._tensors, inputs, more)


@functools.cache
def _kind(network: type[nn.Module]) -> type[Elsewhere]:
    @functools.wraps(network.forward)
    def forward(self: Elsewhere, *inputs: Any, **more: Any) -> Any:
        return self.run(*inputs, **more)

    return type(f"Elsewhere{network.__name__}", (Elsewhere,), {"forward": forward})


def elsewhere(
    network: nn.Module, parameters: Parameters, buffers: Mapping[str, Tensor]
) -> Elsewhere:
    """The network at other parameters; see :class:`Elsewhere`."""
    kind = _kind(type(network))  # type: ignore[arg-type]  # mypy reads the __hash__ of instances
    return kind(network, parameters, buffers)


class UnrolledRound(AdversarialRound):
    """A round in whose generator phase the discriminator has taken some steps already.

    All that is judged there, is judged by the discriminator ahead: theta_K of
    arXiv:1611.02163, section 2.2. Each step is taken on the loss of the discriminator on the same
    real samples, latents and augmentations, and the generator learns through all of them.

    Args:
        play: What the engine knows about this micro-batch.
        loss: What the discriminator minimises on its way.
        optimizer: How it steps.
        steps: How many steps it takes; with 0 this is an ``AdversarialRound``.
        joint: As of ``AdversarialRound``, on the way too.
        augmentations: As of ``AdversarialRound``.
    Raises:
        UsageError: A look ahead is wanted on a part of a batch.
    """

    def __init__(
        self,
        play: Play,
        *,
        loss: AdversarialLoss,
        optimizer: Descent | Adam,
        steps: int,
        joint: bool = False,
        augmentations: Sequence[Augmentation] = (),
    ) -> None:
        super().__init__(play, joint=joint, belief=loss.belief, augmentations=augmentations)
        self.loss = loss
        self.optimizer = optimizer
        self.steps = 0 if self.learns(NAME) else steps
        self.joint_ahead = joint
        if self.steps and len(play.batch) != play.draw.total:
            raise UsageError(
                "game 'unrolled' looks ahead on whole batches, and train.micro_batches cuts them",
                hint="Write 'train: {micro_batches: 1}'.",
            )

    def network(self, name: str) -> nn.Module:
        return self.ahead if name == NAME and self.steps else super().network(name)

    @cached_property
    def ahead(self) -> nn.Module:
        """The discriminator after its steps."""
        network = self.play.networks[NAME]
        buffers = {name: value.clone() for name, value in network.named_buffers()}
        parameters = {
            name: value.detach().clone().requires_grad_()
            for name, value in network.named_parameters()
        }
        stepping = self.optimizer.start()
        for _ in range(self.steps):
            round = _RoundAhead(self, elsewhere(network, parameters, buffers))
            objective = self.loss.discriminator(round).mean()
            names, values = list(parameters), list(parameters.values())
            found = torch.autograd.grad(
                objective, values, create_graph=True, allow_unused=True, materialize_grads=True
            )
            parameters = stepping.step(parameters, dict(zip(names, found, strict=True)))
        return elsewhere(network, parameters, buffers)


class _RoundAhead(AdversarialRound):
    """The discriminator's turn within a look ahead: the samples of the round that looks.

    Args:
        looking: That round.
        judge: The discriminator, as far as it has come.
    """

    def __init__(self, looking: UnrolledRound, judge: nn.Module) -> None:
        play = looking.play
        super().__init__(
            replace(play, networks={**play.networks, NAME: judge}),
            belief=looking.belief,
            augmentations=looking.augmentations,
        )
        self.joint = looking.joint_ahead  # it learns, though the engine does not know
        self._looking = looking

    @cached_property
    def real(self) -> Tensor:
        return self._looking.real

    @cached_property
    def latent(self) -> Tensor:
        return self._looking.latent

    @cached_property
    def fake(self) -> Tensor:
        return self._looking.fake

    def beside(self, side: Side | None) -> dict[str, Tensor | None]:
        return self._looking.beside(side)
