"""The vocabulary of adversarial training: real and fake samples, and what a judge says of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganforge.engine.game import judge_scores
from ganforge.engine.round import Play, Round

Side = Literal["real", "fake"]


class AdversarialRound(Round):
    """A generator against a discriminator on one micro-batch.

    While the generator does not learn, fakes are made without a graph. A frozen discriminator
    passes gradients through and collects none.

    Args:
        play: What the engine knows about this micro-batch.
        generator: Name of the network that makes the fakes.
        discriminator: Name of the network that judges.
        joint: While the discriminator learns, judge real and fake in one forward pass, so that
            batch normalisation sees both together.
        stream: The random stream of the latents; two rounds of one phase that should see different
            latents name different streams.
        belief: Turns scores into what is shown as D(x); the loss knows which function that is.
    """

    def __init__(
        self,
        play: Play,
        *,
        generator: str = "generator",
        discriminator: str = "discriminator",
        joint: bool = False,
        stream: str = "latent",
        belief: Callable[[Tensor], Tensor] = torch.sigmoid,
    ) -> None:
        super().__init__(play)
        self.generator = generator
        self.discriminator = discriminator
        self.joint = joint and self.learns(discriminator)
        self.stream = stream
        self.belief = belief
        self._judged: dict[Side, dict[str, Tensor]] = {}

    @cached_property
    def real(self) -> Tensor:
        """Real samples ``(N, ...)``."""
        return self.prepared("real", self.play.batch.samples)

    @cached_property
    def labels(self) -> Tensor | None:
        """Class indices of the real samples ``(N,)``, if the data set has any."""
        return self.play.batch.labels

    @cached_property
    def latent(self) -> Tensor:
        """Latents ``(N, latent_dim)``, fresh in every play of every phase."""
        return self.play.draw.latents(self.play.latent, self.stream)

    @cached_property
    def fake(self) -> Tensor:
        """Generated samples ``(N, ...)``, from :attr:`latent`."""
        with torch.set_grad_enabled(self.learns(self.generator)):
            samples: Tensor = self.network(self.generator)(self.latent)
        return self.prepared("fake", samples)

    def judge(self, samples: Tensor) -> dict[str, Tensor]:
        """Everything the discriminator returns for any samples: ``logits`` and other heads."""
        return judge_scores(self.network(self.discriminator)(samples), len(samples))

    def outputs(self, side: Side) -> dict[str, Tensor]:
        """Everything the discriminator returns for the real or the fake samples."""
        if side not in self._judged:
            if self.joint:
                count = len(self.real)
                both = self.judge(torch.cat([self.real, self.fake]))
                self._judged["real"] = {name: head[:count] for name, head in both.items()}
                self._judged["fake"] = {name: head[count:] for name, head in both.items()}
            else:
                self._judged[side] = self.judge(self.real if side == "real" else self.fake)
        return self._judged[side]

    def scores(self, side: Side) -> Tensor:
        """The discriminator's logits for the real or the fake samples, ``(N,)``."""
        return self.outputs(side)["logits"]

    def observe(self) -> dict[str, Tensor]:
        """D(x) as ``belief_real`` and D(G(z)) as ``belief_fake``, where they were computed."""
        return {
            f"belief_{side}": self.belief(heads["logits"].detach()).mean()
            for side, heads in self._judged.items()
        }


class AdversarialLoss:
    """What each side of an adversarial pair minimises; the base of losses of kind ``loss``."""

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """The discriminator's loss, per sample ``(N,)``."""
        raise NotImplementedError

    def generator(self, round: AdversarialRound) -> Tensor:
        """The generator's loss, per sample ``(N,)``."""
        raise NotImplementedError

    def belief(self, scores: Tensor) -> Tensor:
        """What D(x) means under this loss: the probability of 'real' for logits.

        A loss whose scores are no logits returns them as they are.
        """
        return torch.sigmoid(scores)


class Regularizer:
    """A penalty or auxiliary term; the base of components of kind ``regularizer``.

    The recipe's ``weight`` and ``every`` belong to the framework; a subclass may set what they are
    when the recipe is silent.
    """

    phase: ClassVar[str] = "discriminator"
    """The phase whose objective this joins."""

    differentiates: ClassVar[tuple[str, ...]] = ()
    """Inputs of the round (``"real"``, ``"fake"``) by which this differentiates."""

    default_weight: ClassVar[float] = 1.0
    default_every: ClassVar[int] = 1

    def __call__(self, round: AdversarialRound) -> Tensor:
        """The penalty, per sample ``(N,)`` or scalar."""
        raise NotImplementedError
