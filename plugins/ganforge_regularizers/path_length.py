"""Path length regularisation of the generator, from StyleGAN2."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, PluginError, Regularizer, call
from ganforge_regularizers.averages import PlayAverage

Share = Annotated[float, Field(ge=0, lt=1)]


class PathLength(Regularizer):
    """How far a step in latent space moves a sample is to be the same everywhere, ``(N,)``.

    The mean over samples of ``(||J_z^T y|| - a)^2``: ``J_z`` is the Jacobian of a generated sample
    by its latent, ``y`` normal noise like a sample, divided by ``sqrt(H W)``, and ``a`` the
    exponential moving average of the lengths ``||J_z^T y||``, from 0. It is that of the plays
    before this one; in the authors' code (github.com/NVlabs/stylegan2) a batch's lengths are taken
    in before they are compared with it, which differs by ``1 - decay`` of them.

    The latent is the generator's input. The paper's generator maps that to a style first, and the
    paper takes the Jacobian by the style.

    Source: Karras et al. 2020, arXiv:1912.04958, section 3.2, equation 4, and appendix B.

    Args:
        decay: Share of the old average that a play keeps.
        shrink: Every so-manieth latent of the batch is used, the first among them: the term costs a
            second pass through the generator. What the others would have added is made up for.
    Raises:
        PluginError: What the generator makes does not depend on its latents.
    """

    phase: ClassVar[str | tuple[str, ...]] = "generator"
    second_order: ClassVar[bool | None] = True
    default_weight: ClassVar[float] = 2.0
    default_every: ClassVar[int] = 4

    def __init__(self, *, decay: Share = 0.99, shrink: Annotated[int, Field(ge=1)] = 2) -> None:
        self.shrink = shrink
        self.mean = PlayAverage(decay, start=0.0)

    def __call__(self, round: AdversarialRound) -> Tensor:
        draw = round.play.draw
        first = -draw.where.start % self.shrink
        value = round.latent.new_zeros(len(round))
        if first >= len(round):  # a micro-batch smaller than shrink may have none
            return value
        rows = torch.arange(first, len(round), self.shrink, device=value.device)
        lengths = self.lengths(round, rows)
        before = self.mean.before(draw)
        assert before is not None  # it starts from 0
        self.mean.add(lengths, draw)
        used = math.ceil(draw.total / self.shrink)
        squares = (lengths - before.to(lengths)).square() * (draw.total / used)
        return value.to(squares).index_put((rows,), squares)

    def lengths(self, round: AdversarialRound, rows: Tensor) -> Tensor:
        """``||J_z^T y||`` of some latents of the micro-batch."""
        latents = round.latent[rows].detach().requires_grad_()
        beside = {"labels": round.labels, "source": round.source}
        cut = {name: None if value is None else value[rows] for name, value in beside.items()}
        samples = call(round.network(round.generator), latents, **cut)
        noise = round.play.draw.normal("path_length", *samples.shape[1:])[rows].to(samples)
        along = (samples * noise).sum() / math.sqrt(math.prod(samples.shape[2:]))
        (slopes,) = torch.autograd.grad(along, latents, create_graph=True, allow_unused=True)
        if slopes is None:
            raise PluginError(
                "path_length: what the generator makes does not depend on its latents",
                hint="Leave path_length out of 'regularizers', or choose another generator.",
            )
        norms: Tensor = torch.linalg.vector_norm(slopes.flatten(1), dim=1)
        return norms

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean.load_state_dict(state["mean"])
