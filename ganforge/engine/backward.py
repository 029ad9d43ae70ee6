"""The gradients of one play: forward and backward through its micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ganforge.engine.data import Batch
from ganforge.engine.draw import Draw, latents_ahead
from ganforge.engine.execution import Execution
from ganforge.engine.game import Game, Phase, Term
from ganforge.engine.gradients import Gradients
from ganforge.engine.latent import Latent
from ganforge.engine.parts import Parts
from ganforge.engine.round import Play
from ganforge.engine.streams import Streams
from ganforge.engine.tally import Scalar, read
from ganforge.engine.turn import Counters
from ganforge.errors import PluginError


class Backward:
    """Computes gradients; it changes no weight.

    Args:
        game: How a round is made.
        networks: Every network of the game by name.
        latent: The distribution of latents.
        streams: The run's random streams.
        micro_batches: Portions in which a batch passes through the networks.
        execution: Where, in which precision, compiled or not.
        parts: Marks what it is at.
    """

    def __init__(
        self,
        *,
        game: Game,
        networks: Mapping[str, nn.Module],
        latent: Latent,
        streams: Streams,
        micro_batches: int,
        execution: Execution,
        parts: Parts,
    ) -> None:
        self.game = game
        self.networks = networks
        self.latent = latent
        self.streams = streams
        self.micro_batches = micro_batches
        self.execution = execution
        self.parts = parts
        self.gradients = Gradients(networks)
        self.shared: dict[Any, Any] = {}
        """What plays of the present step have left for later ones."""
        self.watched = False
        self._ahead = latents_ahead(streams, execution.device)

    def __call__(
        self, phase: Phase, counters: Counters, terms: Sequence[Term], batch: Batch
    ) -> dict[str, Scalar]:
        """Leave the gradients of a phase's objective with the networks that learn in it.

        Args:
            phase: The phase.
            counters: Which play this is; all its random numbers are a function of them.
            terms: Those of the phase that are due.
            batch: Real samples.
        Returns:
            The objective as ``loss``, every term, and what the round observed: scalars on the
            device.
        Raises:
            PluginError: No term depends on what learns.
        """
        self.streams.seed_modules(*counters)
        return self.compute(phase, terms, batch, self.draw(counters, len(batch)))

    def draw(self, counters: Counters, total: int) -> Draw:
        """The random numbers of a play with so many samples."""
        device = self.execution.device
        return Draw(self.streams, counters, total, slice(0, total), device, self._ahead)

    def compute(
        self, phase: Phase, terms: Sequence[Term], batch: Batch, draw: Draw
    ) -> dict[str, Scalar]:
        """As a call, with the random numbers of ``draw`` and of torch's global generators."""
        self.gradients.clear(phase.learns)
        if not terms:
            return {}
        values: dict[str, Scalar] = {}
        with self.execution.play(terms):
            for play in self._plays(phase, terms, batch, draw):
                share = 1.0 if self.micro_batches == 1 else len(play.batch) / len(batch)
                found = self._accumulate(play, terms, share)
                if not values:
                    values = found
                    continue
                for name, value in found.items():
                    values[name] = read(values[name]) + read(value) if name in values else value
        return values

    def _plays(
        self, phase: Phase, terms: Sequence[Term], batch: Batch, draw: Draw
    ) -> Iterator[Play]:
        """The micro-batches of one batch."""
        total = len(batch)
        portions = self.micro_batches
        differentiates = terms[0].differentiates.union(*(t.differentiates for t in terms[1:]))
        for portion in range(portions):
            where = slice(total * portion // portions, total * (portion + 1) // portions)
            yield Play(
                phase=phase.name,
                networks=self.networks,
                learning=phase.learning,
                differentiates=differentiates,
                batch=batch if portions == 1 else batch.part(where),
                latent=self.latent,
                draw=draw if portions == 1 else draw.part(where),
                shared=self.shared,
                watched=self.watched,
            )

    def _accumulate(self, play: Play, terms: Sequence[Term], share: float) -> dict[str, Scalar]:
        """Add one micro-batch's gradients; returns its part of every recorded value."""
        round = self.game.round(play)
        values: dict[str, Scalar] = {}
        objective: Tensor | None = None
        with self.parts(f"{play.phase}, forward"):
            for term in self.execution.in_order(terms):
                with self.execution.term(term):
                    value = term.function(round).mean()
                weighted = _times(value, term.weight * term.every * share)
                objective = weighted if objective is None else objective + weighted
                values[term.name] = _times(value.detach(), share)
        assert objective is not None
        if not objective.requires_grad:
            raise PluginError(
                f"no term of phase '{play.phase}' depends on what learns in it "
                f"({', '.join(sorted(play.learning))})",
                hint="A term must not detach the output of the network that it trains.",
            )
        with self.parts(f"{play.phase}, backward"):
            objective.backward()  # type: ignore[no-untyped-call]
        values["loss"] = objective.detach()
        for name, scalar in round.observe().items():
            values[name] = scalar if share == 1.0 else read(scalar) * share
        return values


def _times(value: Tensor, factor: float) -> Tensor:
    """Mostly the factor is 1, and every operation counts where networks are small."""
    return value if factor == 1.0 else value * factor
