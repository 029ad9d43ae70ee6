"""The gradients of one play: forward and backward through its micro-batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ganforge.engine.data import Batch
from ganforge.engine.execution import Execution
from ganforge.engine.game import Game, Phase, Term
from ganforge.engine.gradients import Gradients
from ganforge.engine.latent import Latent
from ganforge.engine.round import Draw, Play
from ganforge.engine.streams import Streams
from ganforge.engine.tally import Values
from ganforge.errors import PluginError

Counters = tuple[int | str, ...]


class Backward:
    """Computes gradients; it changes no weight.

    Args:
        game: How a round is made.
        networks: Every network of the game by name.
        latent: The distribution of latents.
        streams: The run's random streams.
        micro_batches: Portions in which a batch passes through the networks.
        execution: Where, in which precision, compiled or not.
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
    ) -> None:
        self.game = game
        self.networks = networks
        self.latent = latent
        self.streams = streams
        self.micro_batches = micro_batches
        self.execution = execution
        self.gradients = Gradients(networks)
        self.shared: dict[Any, Any] = {}
        """What plays of the present step have left for later ones."""
        self.watched = False

    def __call__(
        self, phase: Phase, counters: Counters, terms: Sequence[Term], batch: Batch
    ) -> Values:
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
        self.gradients.clear(phase.learns)
        self.streams.seed_modules(*counters)
        values: Values = {}
        with self.execution.play(second_order=any(term.second_order for term in terms)):
            for play in self._plays(phase, counters, terms, batch):
                share = len(play.batch) / len(batch)
                for name, value in self._accumulate(play, terms, share).items():
                    values[name] = values[name] + value if name in values else value
        return values

    def _plays(
        self, phase: Phase, counters: Counters, terms: Sequence[Term], batch: Batch
    ) -> Iterator[Play]:
        """The micro-batches of one batch."""
        total = len(batch)
        portions = self.micro_batches
        edges = [total * i // portions for i in range(portions + 1)]
        differentiates = frozenset[str]().union(*(term.differentiates for term in terms))
        for start, stop in itertools.pairwise(edges):
            where = slice(start, stop)
            yield Play(
                phase=phase.name,
                networks=self.networks,
                learning=frozenset(phase.learns),
                differentiates=differentiates,
                batch=batch if portions == 1 else batch.part(where),
                latent=self.latent,
                draw=Draw(self.streams, counters, total, where, self.execution.device),
                shared=self.shared,
                watched=self.watched,
            )

    def _accumulate(self, play: Play, terms: Sequence[Term], share: float) -> Values:
        """Add one micro-batch's gradients; returns its part of every recorded value."""
        if not terms:
            return {}
        round = self.game.round(play)
        values: Values = {}
        objective: Tensor | None = None
        for term in self.execution.in_order(terms):
            with self.execution.term(second_order=term.second_order):
                value = term.function(round).mean()
            weighted = value * (term.weight * term.every * share)
            objective = weighted if objective is None else objective + weighted
            values[term.name] = value.detach() * share
        assert objective is not None
        if not objective.requires_grad:
            raise PluginError(
                f"no term of phase '{play.phase}' depends on what learns in it "
                f"({', '.join(sorted(play.learning))})",
                hint="A term must not detach the output of the network that it trains.",
            )
        objective.backward()  # type: ignore[no-untyped-call]
        values["loss"] = objective.detach()
        for name, value in round.observe().items():
            values[name] = value * share
        return values
