"""The game of unrolled GANs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ganforge.api import (
    AdversarialLoss,
    AdversarialRound,
    Augmentation,
    Game,
    Phase,
    Play,
    Term,
    join,
)
from ganforge_unrolled.ahead import UnrolledRound
from ganforge_unrolled.optimizers import Adam, Descent

Count = Annotated[int, Field(ge=1)]
Steps = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Unrolled(Game):
    """As ``two_player``, but the generator learns against what the discriminator will be.

    In the generator's phase the discriminator takes K steps on copies of its parameters, each on
    its own loss, on the same batch and with the same latents:
    ``theta_{k+1} = theta_k - lr * dL_D(theta_k)/dtheta_k``, from the present theta_0. The
    generator's objective is computed with theta_K, and its gradient goes through all steps, as
    theta_K depends on the samples. The discriminator's own steps are the usual ones.

    Batch norm and other buffers are left alone by looking ahead. Regularizers of the discriminator
    take no part in it; those that look at the discriminator in the generator's phase see theta_K.
    With ``look_ahead: 0`` this is ``two_player``, whatever the other options say.

    Time and memory grow with K. A look ahead needs the whole batch, so no micro-batches.

    Source: Metz et al. 2017, arXiv:1611.02163, sections 2.2 and 2.3; the same batch in every step
    is what the authors' code does (github.com/poolio/unrolled_gan).

    Args:
        loss: What each side minimises; the paper's is ``minimax``.
        regularizers: Further terms; each says which phase it joins.
        augmentations: What is done to samples before they are judged.
        look_ahead: K, the steps that the generator looks ahead.
        look_ahead_optimizer: ``sgd`` is gradient descent, ``adam`` is what the authors' code has.
        look_ahead_lr: Its step size; best that of the discriminator's own optimizer.
        look_ahead_betas: Decay of the two moments of ``adam``.
        objective: ``saddle`` lets the generator minimise the negative loss of the discriminator, so
            that it also wants real samples to be taken for fake ones after its steps, as the paper
            does; ``loss`` is what the recipe's loss has for the generator.
        d_steps: Optimizer steps of the discriminator in one step, each with a fresh batch.
        discriminator_batch: ``joint`` judges real and fake samples in one forward pass while the
            discriminator learns, and on its way ahead; ``separate`` in two.
    Raises:
        PluginError: A regularizer names a phase that this game does not have.
    """

    networks: ClassVar[Mapping[str, str]] = {
        "generator": "generator",
        "discriminator": "discriminator",
    }

    def __init__(
        self,
        *,
        loss: AdversarialLoss,
        regularizers: Sequence[Term],
        augmentations: Sequence[Augmentation] = (),
        look_ahead: Steps = 5,
        look_ahead_optimizer: Literal["sgd", "adam"] = "sgd",
        look_ahead_lr: Rate = 1e-3,
        look_ahead_betas: tuple[Share, Share] = (0.9, 0.999),
        objective: Literal["saddle", "loss"] = "saddle",
        d_steps: Count = 1,
        discriminator_batch: Literal["separate", "joint"] = "separate",
    ) -> None:
        self.loss = loss
        self.augmentations = augmentations
        self.look_ahead = look_ahead
        self.joint = discriminator_batch == "joint"
        self.optimizer: Descent | Adam = Descent(look_ahead_lr)
        if look_ahead_optimizer == "adam":
            self.optimizer = Adam(look_ahead_lr, look_ahead_betas)
        saddle = objective == "saddle" and look_ahead > 0
        own = {
            "discriminator": [Term("adversarial", loss.discriminator)],
            "generator": [Term("adversarial", self.saddle if saddle else loss.generator)],
        }
        terms = join(own, regularizers)
        self._phases = (
            Phase("discriminator", ("discriminator",), terms["discriminator"], d_steps),
            Phase("generator", ("generator",), terms["generator"], draws_batch=False),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def round(self, play: Play) -> UnrolledRound:
        return UnrolledRound(
            play,
            loss=self.loss,
            optimizer=self.optimizer,
            steps=self.look_ahead,
            joint=self.joint,
            augmentations=self.augmentations,
        )

    def saddle(self, round: AdversarialRound) -> Tensor:
        """f_K of arXiv:1611.02163, section 2.2: what the discriminator maximises, at theta_K."""
        return -self.loss.discriminator(round)

    def members(self) -> Mapping[str, Any]:
        numbered = {f"augmentation_{n}": each for n, each in enumerate(self.augmentations)}
        return {"loss": self.loss, "look_ahead": self.optimizer, **numbered}
