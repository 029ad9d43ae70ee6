"""The one training loop's step: play the phases of a game. It knows no GAN by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge.engine.average import Average
from ganforge.engine.backward import Backward
from ganforge.engine.clock import Clock
from ganforge.engine.data import Batch
from ganforge.engine.execution import Execution
from ganforge.engine.feed import Feed
from ganforge.engine.finite import Policy
from ganforge.engine.game import Game, Phase, batches_per_step, check_phases
from ganforge.engine.judge import Judge
from ganforge.engine.latent import Latent
from ganforge.engine.layout import follow_parameters
from ganforge.engine.parts import Parts
from ganforge.engine.plays import Plays
from ganforge.engine.recording import Recorder
from ganforge.engine.replays import Replays
from ganforge.engine.state import Group, collect, restore
from ganforge.engine.streams import Streams
from ganforge.engine.tally import Scalar, Tally, Values
from ganforge.engine.turn import Counters, Turn


class Interrupted(BaseException):
    """A stop was asked for within a step; nothing is half done."""


@dataclass(frozen=True)
class Settings:
    """How long and in what portions to train, and what to do when it diverges.

    Args:
        total_steps: Steps of the whole run.
        batch_size: Samples in one play of a phase.
        micro_batches: Portions in which a batch passes through the networks; the gradients are
            those of the whole batch, up to batch normalisation.
        clip_grad_norm: Upper bound on the norm of each network's gradient, or None.
        not_finite: What to do when an objective or a gradient is not finite.
        max_skips: With ``skip``: how many updates of a phase may be skipped in a row.
        max_rollbacks: With ``rollback``: how often a run may go back.
    """

    total_steps: int
    batch_size: int
    micro_batches: int = 1
    clip_grad_norm: float | None = None
    not_finite: Policy = "stop"
    max_skips: int = 20
    max_rollbacks: int = 3


class Trainer:
    """Plays the phases of a game; everything that moves is in :meth:`state_dict`.

    A play of a phase happens whole or not at all: whatever goes wrong in it before its optimizers
    step leaves the state as it was.

    Args:
        game: The phases, and how a round is made.
        networks: Every network of the game by name, on ``device`` and in training mode.
        optimizers: One for each network that learns in some phase.
        schedules: Learning-rate schedules, by network; stepped with the network's optimizer.
        averages: Moving averages, by network.
        feed: Where batches of real samples come from.
        latent: The distribution of latents.
        streams: The run's random streams.
        settings: Length, portions, and what to do when it diverges.
        device: Where the networks are.
        execution: How plays are carried out there; in single precision if not given.
        recorder: Records plays, to be done again as a whole; or None, to play each anew.
        wait: Whether each play waits to see that it was finite. Where waiting is cheap it does, if
            not given; elsewhere the device itself leaves out the update, if the optimizers can do
            so, and the run hears of it some steps later.
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
        execution: Execution | None = None,
        recorder: Recorder | None = None,
        wait: bool | None = None,
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
        self.whole = True
        """Whether nothing is half done, so that the state is worth saving."""
        self.waiting = False
        """Whether a batch is being waited for; only then may a signal handler raise."""
        self.rollbacks = 0
        """How often the run went back; part of what its random numbers are a function of."""
        self.parts = Parts()
        """Marks what the engine is at, for profiles."""
        self._played = 0
        self._tally = Tally()
        self._batch: Batch | None = None
        self._batch_from: dict[str, Any] | None = None
        self.backward = Backward(
            game=game,
            networks=networks,
            latent=latent,
            streams=streams,
            micro_batches=settings.micro_batches,
            execution=execution or Execution(device),
            parts=self.parts,
        )
        self.judge = Judge(
            self.backward,
            policy=settings.not_finite,
            max_skips=settings.max_skips,
            clips=settings.clip_grad_norm is not None,
            wait=device.type != "cuda" if wait is None else wait,
        )
        self.plays = Plays(
            self.backward,
            self.judge,
            optimizers=optimizers,
            schedules=self.schedules,
            clip_grad_norm=settings.clip_grad_norm,
        )
        self._replays = Replays(self.plays, recorder)
        self._turns = [(phase, repeat) for phase in self.phases for repeat in range(phase.repeats)]
        self._clock = Clock(0, settings.total_steps, self.steps_per_epoch)
        self.watch_every = 0
        """The period of the steps that somebody looks at closely, or 0."""
        check_phases(self.phases, self.optimizers)

    @property
    def clock(self) -> Clock:
        if self._clock.step != self.step_count:
            self._clock = Clock(self.step_count, self.settings.total_steps, self.steps_per_epoch)
        return self._clock

    def step(self, stopping: Callable[[], bool] = lambda: False) -> Values:
        """Play every phase that is due once through and advance by one step.

        Args:
            stopping: Asked before each batch is drawn.
        Raises:
            Interrupted: ``stopping`` was true. The next call goes on within the step.
            NotFiniteError: An objective or a gradient is infinite or not a number, and the policy
                is not to skip it. It has changed nothing.
        """
        self.judge.settle(wait=False)
        every = self.watch_every
        self.backward.watched = every > 0 and (self.step_count + 1) % every == 0
        for phase, repeat in self._due()[self._played :]:
            self.plays.freezer.learn(phase.graphs(repeat))
            self._tally.add(phase.name, self._play_once(phase, repeat, stopping))
            self._played += 1
        self.whole = False
        with self.parts("averages"):
            for average in self.averages.values():
                average.update()
        self.step_count += 1
        self._played = 0
        self.backward.shared.clear()
        self.whole = True
        return self._tally.take()

    def _due(self) -> list[tuple[Phase, int]]:
        """The plays of the present step: phases and which of their repeats."""
        return [turn for turn in self._turns if self.step_count % turn[0].every == 0]

    @property
    def execution(self) -> Execution:
        """How plays are carried out."""
        return self.backward.execution

    @execution.setter
    def execution(self, execution: Execution) -> None:
        self.backward.execution = execution

    def take_notices(self) -> list[str]:
        """What the user should hear of the steps since the last call, a line each."""
        return [*self._replays.take_notices(), *self.judge.take_notices()]

    def _play_once(
        self, phase: Phase, repeat: int, stopping: Callable[[], bool]
    ) -> dict[str, Scalar]:
        """One optimizer step of the networks that learn in this phase."""
        terms = phase.due_terms(self.step_count // phase.every * phase.repeats + repeat)
        place = self._batch, self._batch_from, self.feed.state_dict()
        try:
            batch = self._draw(phase, stopping)
            counters = self.counters(phase, repeat)
            finish = self._replays(Turn(self.step_count + 1, phase, counters, terms, batch))
        except BaseException:
            self.waiting = False
            self._batch, self._batch_from, feed_state = place
            self.feed.load_state_dict(feed_state)
            raise
        self.whole = False
        values = finish()
        self.whole = True
        return values

    def _draw(self, phase: Phase, stopping: Callable[[], bool]) -> Batch:
        """The batch of real samples that a play of this phase sees."""
        if not phase.draws_batch and self._batch is not None:
            return self._batch
        if stopping():
            raise Interrupted
        self._batch_from = self.feed.state_dict()
        self.waiting = True
        try:
            with self.parts("data"):
                self._batch = self.feed.next()
        finally:
            self.waiting = False
        return self._batch

    def counters(self, phase: Phase, repeat: int) -> Counters:
        """What all random numbers of a play are a function of, beside the seed."""
        again = (f"attempt {self.rollbacks}",) if self.rollbacks else ()
        return (self.step_count, phase.name, repeat, *again)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on bit for bit, within a step too."""
        return {
            "step": self.step_count,
            "played": self._played,
            "tally": self._tally.state_dict(),
            "rollbacks": self.rollbacks,
            "skipped": self.judge.state_dict(),
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
        self._replays.forget()  # optimizers will remember in other tensors
        restore(self._owners(), state)
        for optimizer in self.optimizers.values():
            follow_parameters(optimizer)
        self.backward.shared.clear()
        self.game.load_state_dict(state["game"])
        self._batch, self._batch_from = None, state["batch_from"]
        if self._batch_from is not None:  # a phase that draws none may want the last batch
            self.feed.load_state_dict(self._batch_from)
            self._batch = self.feed.next()
        self.feed.load_state_dict(state["feed"])
        self.step_count = int(state["step"])
        # Up to format 2, checkpoints were made between two steps only.
        self._played = int(state.get("played", 0))
        self._tally = Tally()
        if "tally" in state:
            self._tally.load_state_dict(state["tally"])
        self.rollbacks = int(state.get("rollbacks", 0))
        self.judge.load_state_dict(state.get("skipped", {"in_a_row": {}}))

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
                if term.has_state
            },
        }
