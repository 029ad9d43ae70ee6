"""The vocabulary of adversarial training: real and fake samples, and what a judge says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganforge.engine.augmentation import Augmentation, Side
from ganforge.engine.calling import call
from ganforge.engine.game import judge_scores
from ganforge.engine.round import Play, Round
from ganforge.engine.tally import Later, Scalar
from ganforge.engine.undo import Buffers, Undo

KEPT = 4096
"""Bytes: D(x) of scores in more memory than this is computed at once, so that nobody holds it
meanwhile."""

__all__ = ["AdversarialLoss", "AdversarialRound", "Regularizer", "Side"]


class AdversarialRound(Round):
    """A generator against a discriminator on one micro-batch.

    While the generator does not learn, fakes are made without a graph. A frozen discriminator
    passes gradients through and collects none. Either gets what its ``forward`` names beside its
    input (:mod:`ganforge.engine.calling`): ``labels`` make it class-conditional.

    Args:
        play: What the engine knows about this micro-batch.
        generator: Name of the network that makes the fakes.
        discriminator: Name of the network that judges.
        joint: While the discriminator learns, judge real and fake in one forward pass, so that
            batch normalisation sees both together.
        stream: The random stream of the latents; two rounds of one phase that should see different
            latents name different streams.
        belief: Turns scores into what is shown as D(x); the loss knows which function that is.
        augmentations: What is done to samples before they are judged, in this order.
        leaves_fakes: This play makes the fakes for a later one too, whose phase trains the
            generator: the phase must say that it ``prepares`` it.
        takes_fakes_of: The phase and the repeat of the play of this step that left its fakes.
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
        augmentations: Sequence[Augmentation] = (),
        leaves_fakes: bool = False,
        takes_fakes_of: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(play)
        self.generator = generator
        self.discriminator = discriminator
        self.joint = joint and self.learns(discriminator)
        self.stream = stream
        self.belief = belief
        self.augmentations = augmentations
        self.leaves_fakes = leaves_fakes
        self.takes_fakes_of = takes_fakes_of
        self._judgements = 0
        self._judged: dict[Side, dict[str, Tensor]] = {}

    @cached_property
    def real(self) -> Tensor:
        """Real samples ``(N, ...)``."""
        return self.prepared("real", self.play.batch.samples)

    @cached_property
    def source(self) -> Tensor | None:
        """Samples ``(N, ...)`` of the data set's source, if it has one."""
        return self.play.batch.source

    @cached_property
    def labels(self) -> Tensor | None:
        """Class indices of the real samples ``(N,)``, if the data set has any.

        The fakes are made of the same classes, so that classes are as frequent among them as in
        the data.
        """
        return self.play.batch.labels

    @cached_property
    def latent(self) -> Tensor:
        """Latents ``(N, latent_dim)``, fresh in every play that makes fakes of its own."""
        draw = self.play.draw
        if self.takes_fakes_of is not None:
            draw = draw.of(*self.takes_fakes_of)
        return draw.latents(self.play.latent, self.stream)

    def generate(self, latents: Tensor) -> Tensor:
        """What the generator makes ``(N, ...)`` of any latents ``(N, latent_dim)``."""
        made: Tensor = call(
            self.network(self.generator), latents, labels=self.labels, source=self.source
        )
        return made

    @cached_property
    def fake(self) -> Tensor:
        """Generated samples ``(N, ...)``, from :attr:`latent`."""
        place = ("fake", self.generator, self.stream, self.play.draw.where.start)
        with torch.set_grad_enabled(self.leaves_fakes or self.learns(self.generator)):
            if self.takes_fakes_of is None:
                samples = self.generate(self.latent)
            else:
                samples = self._taken(place)
        if self.leaves_fakes:
            self.play.shared[place] = samples
            samples = samples.detach()
        return self.prepared("fake", samples)

    def _taken(self, place: tuple[Any, ...]) -> Tensor:
        """What another play has left. It goes backward once; whoever wants it again makes it again,
        and as that play has taken note of it, statistics of batches are not told twice."""
        left: Tensor | None = self.play.shared.pop(place, None)
        if left is not None:
            return left
        before = Undo(Buffers([self.network(self.generator)]))
        made = self.generate(self.latent)
        before.restore()
        return made

    def beside(self, side: Side | None) -> dict[str, Tensor | None]:
        """What a discriminator may ask for beside the samples of a side, or other samples."""
        return {"labels": self.labels, "source": self.source}

    def judge(self, samples: Tensor) -> dict[str, Tensor]:
        """Everything the discriminator returns for any samples: ``logits`` and other heads."""
        stream = f"points/{self._judgements}" if self._judgements else "points"
        self._judgements += 1
        return self._heads(self._shown(samples, stream), self.beside(None))

    def outputs(self, side: Side) -> dict[str, Tensor]:
        """Everything the discriminator returns for the real or the fake samples."""
        if side not in self._judged:
            if self.joint:
                self._judge_jointly()
            else:
                samples = self.real if side == "real" else self.fake
                self._judged[side] = self._heads(self._shown(samples, side), self.beside(side))
            if self.learns(self.discriminator):
                for each in ("real", "fake") if self.joint else (side,):
                    self._tell_augmentations(each)
        return self._judged[side]

    def scores(self, side: Side) -> Tensor:
        """The discriminator's logits for the real or the fake samples, ``(N,)``."""
        return self.outputs(side)["logits"]

    def observe(self) -> dict[str, Scalar]:
        """D(x) as ``belief_real`` and D(G(z)) as ``belief_fake``, where they were computed.

        In a watched play also, where both sides were judged: ``accuracy``, the share of scores that
        have the right sign; ``separation``, the share of pairs in which the real sample has the
        higher score, whatever the loss; and ``diversity``, how much fakes differ from each other
        beside how much reals do.
        """
        found = {
            f"belief_{side}": self._believed(heads["logits"].detach())
            for side, heads in self._judged.items()
        }
        if self.play.watched:
            found |= self._looked_at_closely()
        if self.learns(self.discriminator):
            for number, augmentation in enumerate(self.augmentations, start=1):
                for name, value in augmentation.observe().items():
                    found[f"{name}_{number}" if name in found else name] = value
        return found

    def _believed(self, logits: Tensor) -> Scalar:
        if logits.untyped_storage().nbytes() > KEPT:  # they may be a part of something larger
            return self.belief(logits).mean()
        return Later(_mean_of, self.belief, logits)

    def _looked_at_closely(self) -> dict[str, Tensor]:
        if len(self._judged) < 2:
            return {}
        real, fake = (self._judged[side]["logits"].detach().float() for side in ("real", "fake"))
        right = torch.cat([real > 0, fake < 0])
        above = (real.reshape(-1, 1) > fake.reshape(1, -1)).float()
        level = (real.reshape(-1, 1) == fake.reshape(1, -1)).float()
        fakes, reals = (
            side.detach().float().std(dim=0, correction=0).mean() for side in (self.fake, self.real)
        )
        return {
            "accuracy": right.float().mean(),
            "separation": (above + 0.5 * level).mean(),
            "diversity": fakes / reals.clamp(min=1e-12),
        }

    def _shown(self, samples: Tensor, side: str) -> Tensor:
        for number, augmentation in enumerate(self.augmentations):
            samples = augmentation(samples, self.play.draw, f"augmentation/{number}/{side}")
        return samples

    def presented(
        self, samples: Tensor, beside: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, Mapping[str, Tensor | None], int]:
        """How samples are put to the discriminator; a subclass may put several together.

        Args:
            samples: ``(N, ...)``, real or made ones or both in one batch.
            beside: What it may ask for beside them.
        Returns:
            Its input, what it may ask for, and how many scores it gives: N, or a divisor of it
            where so many samples in a row get one score together.
        """
        return samples, beside, len(samples)

    def _heads(self, samples: Tensor, beside: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        inputs, offered, count = self.presented(samples, beside)
        return judge_scores(call(self.network(self.discriminator), inputs, **offered), count)

    def _judge_jointly(self) -> None:
        real, fake = self.beside("real"), self.beside("fake")
        samples = torch.cat([self._shown(self.real, "real"), self._shown(self.fake, "fake")])
        beside = {name: _joined(value, fake[name]) for name, value in real.items()}
        both = self._heads(samples, beside)
        count = len(both["logits"]) * len(self.real) // len(samples)
        self._judged["real"] = {name: _cut(head, slice(count)) for name, head in both.items()}
        self._judged["fake"] = {name: _cut(head, slice(count, None)) for name, head in both.items()}

    def _tell_augmentations(self, side: Side) -> None:
        for augmentation in self.augmentations:
            augmentation.judged(side, self._judged[side]["logits"].detach(), self)


def _mean_of(function: Callable[[Tensor], Tensor], scores: Tensor) -> Tensor:
    return function(scores).mean()


def _cut(head: Any, where: slice) -> Any:
    """Some samples of a head; features may be a list of tensors."""
    return [part[where] for part in head] if isinstance(head, list | tuple) else head[where]


def _joined(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return None if first is None or second is None else torch.cat([first, second])


class AdversarialLoss:
    """What each side of an adversarial pair minimises; the base of losses of kind ``loss``."""

    signed: ClassVar[bool] = True
    """Whether a score above 0 says 'real'; else scores mean something beside others only."""

    def discriminator(self, round: AdversarialRound) -> Tensor:
        """The discriminator's loss, per sample ``(N,)``."""
        raise NotImplementedError

    def generator(self, round: AdversarialRound) -> Tensor:
        """The generator's loss, per sample ``(N,)``."""
        raise NotImplementedError

    def belief(self, scores: Tensor) -> Tensor:
        """What D(x) means under this loss: the probability of 'real' for logits.

        A loss whose scores are no logits returns them as they are. It may be called some steps
        later, or not at all, so it depends on the scores alone.
        """
        return torch.sigmoid(scores)


class Regularizer:
    """A penalty or auxiliary term; the base of components of kind ``regularizer``.

    The recipe's ``weight`` and ``every`` belong to the framework; a subclass may set what they are
    when the recipe is silent.
    """

    phase: ClassVar[str | tuple[str, ...]] = "discriminator"
    """The phase whose objective this joins, or several."""

    differentiates: ClassVar[tuple[str, ...]] = ()
    """Inputs of the round (``"real"``, ``"fake"``) by which this differentiates."""

    second_order: ClassVar[bool | None] = None
    """Whether it goes backward through a gradient, as gradient penalties do; None for those that
    have ``differentiates``."""

    default_weight: ClassVar[float] = 1.0
    default_every: ClassVar[int] = 1

    def __call__(self, round: AdversarialRound) -> Tensor:
        """The penalty, per sample ``(N,)`` or scalar."""
        raise NotImplementedError

    def after_step(self, networks: Mapping[str, nn.Module]) -> None:
        """After the optimizers of the phase have stepped: what holds the weights in bounds."""
