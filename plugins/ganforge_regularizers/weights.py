"""Terms on the weights themselves, whatever the samples are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganforge.api import AdversarialRound, PluginError, Regularizer

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NO_FILTERS = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.RMSNorm)


class Orthogonal(Regularizer):
    """The filters of each layer are to be orthogonal to each other, a scalar.

    The sum over layers of ``||W W^T * (1 - I)||^2``, which leaves a filter's own length free. A row
    of ``W`` is a filter: what makes one feature. Biases and other vectors, norms, embeddings and
    filters of one number are left out. Of a layer with spectral normalisation, ``W`` is the weight
    before it.

    Source: Brock et al. 2019, arXiv:1809.11096, equation 3; with the diagonal, equation 2 there and
    Brock et al. 2017, arXiv:1609.07093.

    Args:
        network: In whose phase it joins: that network's layers, and those of whatever else learns
            there.
        diagonal: Also pull every filter to the length 1: ``||W W^T - I||^2``.
    """

    default_weight: ClassVar[float] = 1e-4

    def __init__(
        self,
        *,
        network: Literal["discriminator", "generator"] = "generator",
        diagonal: bool = False,
    ) -> None:
        self.phase = network  # type: ignore[misc]  # each instance joins a phase of its own
        self.diagonal = diagonal

    def __call__(self, round: AdversarialRound) -> Tensor:
        costs = [
            self.cost(matrix)
            for name in sorted(round.play.learning)
            for matrix in matrices(round.network(name))
        ]
        return torch.stack(costs).sum() if costs else round.real.new_zeros(())

    def cost(self, matrix: Tensor) -> Tensor:
        """Of one layer, whose filters are the rows.

        ``||W W^T||^2 = ||W^T W||^2``, so the smaller of the two products is made: a dense layer of
        100 inputs may have thousands of filters.
        """
        small = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        everything = (small @ small.T).square().sum()
        lengths = matrix.square().sum(dim=1)
        if self.diagonal:
            return everything - 2.0 * lengths.sum() + len(matrix)
        return everything - lengths.square().sum()


def matrices(network: nn.Module) -> Iterator[Tensor]:
    """The weights of each layer as ``(filters, inputs)``; what layers share comes once."""
    seen: set[int] = set()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if parametrize.is_parametrized(module):  # their originals are kept one module further down
            own += list(module.parametrizations.parameters())  # type: ignore[union-attr]
        for weight in own:
            if id(weight) in seen:
                continue
            seen.add(id(weight))
            if weight.dim() < 2 or isinstance(module, _NO_FILTERS):
                continue
            # A transposed convolution has its inputs first.
            rows = weight.transpose(0, 1) if isinstance(module, _TRANSPOSED) else weight
            matrix = rows.flatten(1)
            # Single numbers, such as the lengths of weight normalisation, have no angles.
            if matrix.shape[1] > 1:
                yield matrix


class WeightClipping(Regularizer):
    """WGAN: after each of its steps, the discriminator's parameters are cut to a range.

    It adds nothing to the objective: its value is 0. With ``every: 4`` it cuts after every 4th step
    only.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1, line 7.

    Args:
        limit: Largest absolute value of a parameter, the paper's c.
    Raises:
        PluginError: The game has no network of the discriminator's name.
    """

    def __init__(self, *, limit: Annotated[float, Field(gt=0)] = 0.01) -> None:
        self.limit = limit
        self.network = "discriminator"

    def __call__(self, round: AdversarialRound) -> Tensor:
        self.network = round.discriminator  # a game may call it something else
        return round.real.new_zeros(())

    @torch.no_grad()
    def after_step(self, networks: Mapping[str, nn.Module]) -> None:
        """Cut every parameter to ``[-limit, limit]``, in place."""
        if self.network not in networks:
            raise PluginError(
                f"weight_clipping finds no network '{self.network}' in this game; it has "
                f"{', '.join(networks)}",
                hint="Leave weight_clipping out of 'regularizers', or choose another game.",
            )
        parameters: list[Tensor] = list(networks[self.network].parameters())
        torch._foreach_clamp_min_(parameters, -self.limit)
        torch._foreach_clamp_max_(parameters, self.limit)
