"""What an augmentation of the discriminator's input is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from ganforge.engine.draw import Draw

if TYPE_CHECKING:
    from ganforge.engine.adversarial import AdversarialRound

Side = Literal["real", "fake"]


class Augmentation:
    """Changes what a discriminator sees, real and fake alike; the base of kind ``augmentation``.

    It must be differentiable, as generators learn through it. It is applied to whatever is judged,
    also at the points of a gradient penalty.
    """

    @property
    def needs_signs(self) -> bool:
        """Whether it goes by the sign of scores, which must then say real or fake."""
        return False

    def __call__(self, samples: Tensor, draw: Draw, stream: str) -> Tensor:
        """The samples as they are shown to the discriminator.

        Args:
            samples: ``(N, ...)``, at most as many as the micro-batch has.
            draw: Where random numbers come from: ``draw.uniform(stream, ...)``.
            stream: The name under which they are drawn, another one for each call of a play; a
                name of several streams starts with it.
        """
        raise NotImplementedError

    def judged(self, side: Side, logits: Tensor, round: AdversarialRound) -> None:
        """What a discriminator that learns said of a side; for those that adapt to it.

        Args:
            side: Real or fake.
            logits: Its scores ``(N,)``, without a graph.
            round: Where they came from.
        """

    def observe(self) -> dict[str, Tensor]:
        """Scalars worth recording, such as its present strength."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
