"""Path length regularisation of the generator, from StyleGAN2."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganforge.api import AdversarialRound, PluginError, Regularizer, call

Share = Annotated[float, Field(ge=0, lt=1)]


class PathLength(Regularizer):
    """How far a step in latent space moves a sample is to be the same everywhere, a scalar.

    The mean over samples of ``(||J_z^T y|| - a)^2``: ``J_z`` is the Jacobian of a generated sample
    by its latent, ``y`` normal noise like a sample, divided by ``sqrt(H W)``, and ``a`` the
    exponential moving average of the lengths ``||J_z^T y||``. As in the authors' code
    (github.com/NVlabs/stylegan2) the average starts from 0 and takes in a batch's lengths before
    it is compared with them; here it is a constant to the gradient, as in the paper's formula.
    With micro-batches it moves once for each.

    The latent is the generator's input. The paper's generator maps that to a style first, and the
    paper takes the Jacobian by the style.

    Source: Karras et al. 2020, arXiv:1912.04958, section 3.2, equation 4, and appendix B.

    Args:
        decay: Share of the old average that a micro-batch keeps.
        shrink: The latents are cut into so many parts, of which only the first is used, and at
            least one latent: the term costs a second pass through the generator.
    Raises:
        PluginError: What the generator makes does not depend on its latents.
    """

    phase: ClassVar[str | tuple[str, ...]] = "generator"
    default_weight: ClassVar[float] = 2.0
    default_every: ClassVar[int] = 4

    def __init__(self, *, decay: Share = 0.99, shrink: Annotated[int, Field(ge=1)] = 2) -> None:
        self.decay = decay
        self.shrink = shrink
        self.mean: Tensor | None = None

    def __call__(self, round: AdversarialRound) -> Tensor:
        lengths = self.lengths(round)
        batch = lengths.detach().mean()
        before = torch.zeros_like(batch) if self.mean is None else self.mean.to(batch)
        self.mean = torch.lerp(batch, before, self.decay)
        return (lengths - self.mean).square().mean()

    def lengths(self, round: AdversarialRound) -> Tensor:
        """``||J_z^T y||`` of the first latents of the micro-batch."""
        count = max(1, len(round.latent) // self.shrink)
        latents = round.latent[:count].detach().requires_grad_()
        beside = {"labels": round.labels, "source": round.source}
        cut = {name: None if value is None else value[:count] for name, value in beside.items()}
        samples = call(round.network(round.generator), latents, **cut)
        noise = round.play.draw.normal("path_length", *samples.shape[1:])[:count].to(samples)
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
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean = state["mean"]
