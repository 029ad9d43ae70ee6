"""The one training loop's step: play the phases of a game. It knows no GAN by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge.engine.average import Average
from ganforge.engine.clock import Clock
from ganforge.engine.data import Batch, Feed
from ganforge.engine.finite import check_objective
from ganforge.engine.freezing import Freezer
from ganforge.engine.game import Game, Phase, Term, batches_per_step
from ganforge.engine.latent import Latent
from ganforge.engine.round import Draw, Play
from ganforge.engine.state import Group, collect, restore
from ganforge.engine.streams import Streams
from ganforge.errors import PluginError

Values = dict[str, Tensor]
"""What a step measured: ``<phase>/<name>`` to a scalar on the device. Reading one may wait."""


@dataclass(frozen=True)
class Settings:
    """How long and in what portions to train.

    Args:
        total_steps: Steps of the whole run.
        batch_size: Samples in one play of a phase.
        micro_batches: Portions in which a batch passes through the networks; the gradients are
            those of the whole batch, up to batch normalisation.
        clip_grad_norm: Upper bound on the norm of each network's gradient, or None.
    """

    total_steps: int
    batch_size: int
    micro_batches: int = 1
    clip_grad_norm: float | None = None


class Trainer:
    """Plays the phases of a game; everything that moves is in :meth:`state_dict`.

    Args:
        game: The phases, and how a round is made.
        networks: Every network of the game by name, on ``device`` and in training mode.
        optimizers: One for each network that learns in some phase.
        schedules: Learning-rate schedules, by network; stepped with the network's optimizer.
        averages: Moving averages, by network.
        feed: Where batches of real samples come from.
        latent: The distribution of latents.
        streams: The run's random streams.
        settings: Length and portions.
        device: Where the networks are.
    Raises:
        PluginError: The game's phases and the networks do not fit together.
    """

    def __init__(
        self,
        *,
        game: Game,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        feed: Feed,
        latent: Latent,
        streams: Streams,
        settings: Settings,
        device: torch.device,
        schedules: Mapping[str, LRScheduler] | None = None,
        averages: Mapping[str, Average] | None = None,
    ) -> None:
        self.game = game
        self.networks = networks
        self.optimizers = optimizers
        self.schedules = schedules or {}
        self.averages = averages or {}
        self.feed = feed
        self.latent = latent
        self.streams = streams
        self.settings = settings
        self.device = device
        self.phases = tuple(game.phases())
        self.step_count = 0
        self.steps_per_epoch = feed.batches_per_epoch / batches_per_step(self.phases)
        self._batch: Batch | None = None
        self._batch_from: dict[str, Any] | None = None
        self._freezer = Freezer(networks)
        self._check_phases()

    def _check_phases(self) -> None:
        names = [phase.name for phase in self.phases]
        if len(set(names)) != len(names):
            raise PluginError(f"two phases of the game share a name: {', '.join(names)}")
        for phase in self.phases:
            terms = [term.name for term in phase.terms]
            if len({*terms, "loss"}) <= len(terms):  # 'loss' is the name of their sum
                raise PluginError(
                    f"phase '{phase.name}': every term needs its own name, and none is 'loss': "
                    f"{', '.join(terms)}"
                )
            missing = [name for name in phase.learns if name not in self.optimizers]
            if missing:
                raise PluginError(
                    f"phase '{phase.name}' trains {', '.join(missing)}, which has no optimizer"
                )

    @property
    def clock(self) -> Clock:
        return Clock(self.step_count, self.settings.total_steps, self.steps_per_epoch)

    def step(self) -> Values:
        """Play every phase that is due once through and advance by one step.

        Raises:
            NotFiniteError: An objective became infinite or not a number; no weight was changed by
                it.
        """
        values: Values = {}
        for phase in self.phases:
            if self.step_count % phase.every == 0:
                values.update(self._play_phase(phase))
        for average in self.averages.values():
            average.update()
        self.step_count += 1
        return values

    def _play_phase(self, phase: Phase) -> Values:
        self._freezer.learn(phase.learns)
        sums: Values = {}
        counts: dict[str, int] = {}
        for repeat in range(phase.repeats):
            for name, value in self._play_once(phase, repeat).items():
                sums[name] = sums[name] + value if name in sums else value
                counts[name] = counts.get(name, 0) + 1
        return {
            f"{phase.name}/{name}": value / counts[name] if counts[name] > 1 else value
            for name, value in sums.items()
        }

    def _play_once(self, phase: Phase, repeat: int) -> Values:
        """One optimizer step of the networks that learn in this phase."""
        if phase.draws_batch or self._batch is None:
            self._batch_from = self.feed.state_dict()
            self._batch = self.feed.next()
        for name in phase.learns:
            self.optimizers[name].zero_grad(set_to_none=True)
        self.streams.seed_modules(self.step_count, phase.name, repeat)

        terms = phase.due_terms(self.step_count // phase.every * phase.repeats + repeat)
        values: Values = {}
        for play in self._plays(phase, repeat, terms, self._batch):
            share = len(play.batch) / len(self._batch)
            for name, value in self._accumulate(play, terms, share).items():
                values[name] = values[name] + value if name in values else value
        check_objective(phase.name, values, self.step_count + 1)

        for name in phase.learns:
            if self.settings.clip_grad_norm is not None:
                nn.utils.clip_grad_norm_(
                    self.networks[name].parameters(), self.settings.clip_grad_norm
                )
            self.optimizers[name].step()
            if name in self.schedules:
                self.schedules[name].step()
        return values

    def _plays(self, phase: Phase, repeat: int, terms: list[Term], batch: Batch) -> Iterator[Play]:
        """The micro-batches of one batch."""
        total = len(batch)
        portions = self.settings.micro_batches
        edges = [total * i // portions for i in range(portions + 1)]
        differentiates = frozenset[str]().union(*(term.differentiates for term in terms))
        counters = (self.step_count, phase.name, repeat)
        for start, stop in itertools.pairwise(edges):
            where = slice(start, stop)
            yield Play(
                phase=phase.name,
                networks=self.networks,
                learning=frozenset(phase.learns),
                differentiates=differentiates,
                batch=batch if portions == 1 else batch.part(where),
                latent=self.latent,
                draw=Draw(self.streams, counters, total, where, self.device),
            )

    def _accumulate(self, play: Play, terms: list[Term], share: float) -> Values:
        """Add one micro-batch's gradients; returns its part of every recorded value."""
        if not terms:
            return {}
        round = self.game.round(play)
        values: Values = {}
        objective: Tensor | None = None
        for term in terms:
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

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on bit for bit."""
        return {
            "step": self.step_count,
            **collect(self._owners()),
            "game": self.game.state_dict(),
            "feed": self.feed.state_dict(),
            "batch_from": self._batch_from,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave.

        Raises:
            GanforgeError: The state belongs to other networks, optimizers or terms.
        """
        restore(self._owners(), state)
        self.game.load_state_dict(state["game"])
        self._batch, self._batch_from = None, state["batch_from"]
        if self._batch_from is not None:  # a phase that draws none may want the last batch
            self.feed.load_state_dict(self._batch_from)
            self._batch = self.feed.next()
        self.feed.load_state_dict(state["feed"])
        self.step_count = int(state["step"])

    def _owners(self) -> dict[str, Group]:
        """Everything that has a state of its own."""
        return {
            "networks": self.networks,
            "optimizers": self.optimizers,
            "schedules": self.schedules,
            "averages": self.averages,
            "terms": {
                f"{phase.name}/{term.name}": term.function
                for phase in self.phases
                for term in phase.terms
                if hasattr(term.function, "state_dict")
            },
        }
