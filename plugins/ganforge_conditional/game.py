"""InfoGAN with Q as a network of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Game,
    Panel,
    Phase,
    Play,
    Show,
    Term,
    UsageError,
    asks_for,
    call,
    discriminator_term,
    join,
)
from ganforge_conditional.mutual_information import MutualInformation

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]

REACH = 2.0
"""How far the pictures turn a continuous code to either side; training sees half of that."""
WAYS = 10
"""At most so many rows show what a continuous code does."""


class InfoGAN(Game):
    """First the discriminator learns, then the generator together with Q.

    The generator and Q minimise ``loss + information * (categorical + continuous parts)``: see
    :class:`~ganforge_conditional.mutual_information.MutualInformation`. The discriminator plays as
    usual. Where Q is to share the discriminator's convolutions, as in the paper, take the game
    ``two_player``, discriminator ``infogan`` and the regularizer ``mutual_information``.

    It shows ``samples``, with a row for each value of the first categorical code, each row of the
    same noise; and ``codes``, where a continuous code goes from -2 to 2 along each row. It shows
    one code below the other, and each with every value of the first categorical code, ten at most.

    Source: Chen et al. 2016, arXiv:1606.03657, equation 6 and figure 2.

    Args:
        loss: What the adversaries minimise.
        regularizers: Further terms; each says which phase it joins.
        augmentations: What is done to samples before the discriminator judges them.
        d_steps: Optimizer steps of the discriminator in one step, each with a fresh batch.
        information: The paper's lambda.
        categorical: Weight of the categorical codes' part.
        continuous: Weight of the continuous codes' part.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
        UsageError: ``mutual_information`` is among the regularizers.
    """

    networks: ClassVar[Mapping[str, str]] = {
        "generator": "generator",
        "discriminator": "discriminator",
        "q": "encoder",
    }

    def __init__(
        self,
        *,
        loss: AdversarialLoss,
        regularizers: Sequence[Term],
        augmentations: Sequence[Augmentation] = (),
        d_steps: Count = 1,
        information: Weight = 1.0,
        categorical: Weight = 1.0,
        continuous: Weight = 1.0,
    ) -> None:
        self.loss = loss
        self.augmentations = augmentations
        if any(isinstance(term.function, MutualInformation) for term in regularizers):
            raise UsageError(
                "game infogan has the term mutual_information already",
                hint="Take it out of 'regularizers', and write game: {use: infogan, information: "
                "WEIGHT}.",
            )
        guess = MutualInformation(network="q", categorical=categorical, continuous=continuous)
        own = {
            "discriminator": [discriminator_term(loss)],
            "generator": [
                Term("adversarial", loss.generator),
                Term("mutual_information", guess, information),
            ],
        }
        terms = join(own, regularizers)
        self._phases = (
            Phase("discriminator", ("discriminator",), terms["discriminator"], d_steps),
            Phase("generator", ("generator", "q"), terms["generator"], draws_batch=False),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> AdversarialRound:
        return AdversarialRound(play, belief=self.loss.belief, augmentations=self.augmentations)

    def members(self) -> Mapping[str, Any]:
        numbered = {f"augmentation_{n}": each for n, each in enumerate(self.augmentations)}
        return {"loss": self.loss, **numbered}

    def pictures(self, show: Show) -> Mapping[str, Panel]:
        generator = show.networks[self.sampler]
        if asks_for(generator):  # it starts from more than a latent
            return super().pictures(show)
        values = show.latent.categorical[0] if show.latent.categorical else 1
        columns = show.columns or max(2, show.count // values)
        if values == 1:
            panels = dict(super().pictures(show))
        else:
            rows = each_value(show, show.latents(columns))
            panels = {"samples": Panel(call(generator, rows), columns)}
        if show.latent.continuous:
            steps = max(2, columns) if values > 1 else WAYS
            panels["codes"] = Panel(call(generator, turned(show, steps)), steps)
        return panels


def each_value(show: Show, latents: Tensor) -> Tensor:
    """Latents ``(N, D)`` with each value of the first categorical code, ``(K * N, D)`` by value.

    Without such a code, the latents as they are.
    """
    if not show.latent.categorical:
        return latents
    values, start = show.latent.categorical[0], show.latent.dim
    rows = latents.repeat(values, 1)
    which = torch.arange(values, device=latents.device).repeat_interleave(len(latents))
    rows[:, start : start + values] = functional.one_hot(which, values).to(latents)
    return rows


def turned(show: Show, steps: int) -> Tensor:
    """Latents in which one continuous code goes from -2 to 2 and the others stay at 0.

    Returns:
        ``(codes * rows * steps, D)``: by code, then by value of the first categorical code.
    """
    first = show.latents(1)
    codes = show.latent.continuous
    first[:, -codes:] = 0.0
    rows = each_value(show, first)[:WAYS]
    way = torch.linspace(-REACH, REACH, steps, device=first.device)
    parts = []
    for code in range(-codes, 0):
        part = rows.repeat_interleave(steps, dim=0)
        part[:, code] = way.repeat(len(rows))
        parts.append(part)
    return torch.cat(parts)
