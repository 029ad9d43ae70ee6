"""A run: the trainer's steps, the callbacks that watch, and the files it leaves."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganforge.engine import checkpoint
from ganforge.engine.callback import Callback, Facts
from ganforge.engine.calling import call
from ganforge.engine.clock import Clock
from ganforge.engine.determinism import deterministic
from ganforge.engine.evaluating import evaluating
from ganforge.engine.finite import NotFiniteError
from ganforge.engine.memory import ran_out
from ganforge.engine.plain import check_plain
from ganforge.engine.process import few_to_collect
from ganforge.engine.saver import Saver
from ganforge.engine.show import Panel, Show
from ganforge.engine.tally import Values
from ganforge.engine.trainer import Interrupted, Trainer
from ganforge.errors import GanforgeError

Outcome = Literal["running", "finished", "stopped", "failed"]
StopReason = signal.Signals | str
"""A signal, or in words why a run ends before its last step."""


class Run:
    """One execution, in a folder of its own.

    Args:
        trainer: Plays the steps.
        folder: Where the run's files go; it exists.
        callbacks: By name, in the order in which they are called.
        facts: What callbacks may show.
        manifest: What each checkpoint says of the programme that wrote it.
        export: Writes the networks that ``generate`` needs into a folder.
        tell: Is given a line for whatever went wrong and did not stop the run.
        max_time: Seconds after which the run saves and stops, or None.
        deterministic: Use only algorithms that give the same bits every time.
    """

    def __init__(
        self,
        *,
        trainer: Trainer,
        folder: Path,
        callbacks: dict[str, Callback],
        facts: Facts,
        manifest: Mapping[str, Any],
        export: Callable[[Run, Path], None],
        tell: Callable[[str], None],
        max_time: float | None = None,
        deterministic: bool = False,
    ) -> None:
        self.trainer = trainer
        self.folder = folder
        self.callbacks = callbacks
        self.facts = facts
        self.outcome: Outcome = "running"
        self.stop_reason: StopReason | None = None
        self._tell = tell
        self._export = export
        self._saver = Saver(self, manifest=manifest, tell=tell)
        self._max_time = max_time
        self._began = time.monotonic()
        self._first_step = 0
        self._deterministic = deterministic
        self._save_wanted = False
        self._gone_wrong: str | None = None
        self._on_step: list[tuple[str, Callable[[Run, Values], None]]] = []
        self.fault: BaseException | None = None
        """What ended the run, if something did."""

    @property
    def clock(self) -> Clock:
        return self.trainer.clock

    @property
    def checkpoints(self) -> Path:
        return self._saver.folder

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What each checkpoint says of the programme that wrote it."""
        return self._saver.manifest

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop; its time may be up."""
        late = self._max_time is not None and time.monotonic() - self._began >= self._max_time
        # One step at least: a run that is resumed for ever gets on.
        if late and self.stop_reason is None and self.clock.step > self._first_step:
            self.stop_reason = "Its time is up"
        return self.stop_reason is not None

    def play(self) -> Outcome:
        """Train to the end, or until a stop was asked for; then save.

        Raises:
            GanforgeError: Training cannot go on; what was saved before stays.
        """
        with (
            deterministic(self._deterministic),
            few_to_collect(),
            self.trainer.execution.switches(),
            ExitStack() as ends,
        ):
            self.outcome = "failed"  # until it is known to be otherwise
            ends.callback(self.trainer.feed.close)
            for name, callback in self.callbacks.items():
                ends.callback(self._end, name, callback)
                callback.on_start(self)
            self._on_step = [
                (f"callback '{n}'", each.on_step) for n, each in self.callbacks.items()
            ]
            check_plain(self.state_dict())  # an hour later would be too late
            self._began, self._first_step = time.monotonic(), self.clock.step
            try:
                self._train()
            except BaseException as error:
                self.fault = error
                raise
            self.outcome = "finished" if self.clock.finished else "stopped"
        return self.outcome

    def _train(self) -> None:
        """Take all steps that remain, going back where the policy says so, and save."""
        can_go_back = self.trainer.settings.not_finite == "rollback"
        if can_go_back and not checkpoint.steps(self.checkpoints):
            self.save()
        while True:
            try:
                while not self.clock.finished and not self.stopping:
                    self._advance()
                self._saver.save_last()
                return
            except NotFiniteError as error:
                if not can_go_back:
                    self._saver.save_before(error)
                    raise
                self._go_back(error)

    def _advance(self) -> None:
        """One step, the callbacks, and a save if one of them wants it."""
        try:
            values = self.trainer.step(lambda: self.stopping)
            with self.trainer.parts("callbacks"):
                for what, on_step in self._on_step:
                    self._saver.going_on(what, on_step, self, values)
        except Interrupted:
            return
        except NotFiniteError:
            raise
        except Exception as error:
            self._saver.save_before(error)
            if ran_out(error):
                raise GanforgeError(
                    f"step {self.clock.step + 1}: there is not enough memory: {_first_line(error)}",
                    hint="Lower train.batch_size, or raise train.micro_batches.",
                ) from error
            raise
        finally:
            self._saver.tell_skipped()
        if self._gone_wrong is not None:
            why, self._gone_wrong = self._gone_wrong, None
            self._go_back(GanforgeError(why))
        elif self._save_wanted:
            self._saver.going_on("checkpoint", self.save)

    def _go_back(self, error: GanforgeError) -> None:
        """Load the newest checkpoint, and go on from there with other random numbers.

        Raises:
            GanforgeError: The run has gone back too often; of the kind of ``error``.
        """
        done, most = self.trainer.rollbacks, self.trainer.settings.max_rollbacks
        if done >= most:
            told = f"{error}; the run has gone back {f'{most} times' if most != 1 else 'once'}"
            last = GanforgeError(told, hint=error.hint)
            if isinstance(error, NotFiniteError):
                last = NotFiniteError(told, whole=False)
            self._saver.save_before(last)
            raise last from error
        found = checkpoint.load_newest(
            self.checkpoints, device=self.trainer.device, tell=self._tell
        )
        self.load_state_dict(found.state)
        self.trainer.rollbacks = done + 1
        self._tell(
            f"{error}; going back to step {self.clock.step} with other noise ({done + 1} of {most})"
        )
        for callback in self.callbacks.values():
            callback.on_rollback(self)

    def _end(self, name: str, callback: Callback) -> None:
        self._saver.going_on(f"callback '{name}'", callback.on_end, self)

    def request_stop(self, reason: StopReason) -> None:
        """End the run before its next batch; within a step too, which is finished on resume.

        Raises:
            Interrupted: A batch is being waited for; the trainer catches it.
        """
        self.stop_reason = reason
        if self.trainer.waiting:
            raise Interrupted

    def record(self, **row: Any) -> None:
        """Tell every callback numbers or words about the present step: ``metrics`` writes them.

        Args:
            row: Numbers, texts, None, and lists of such, by name.
        """
        told = {"step": self.clock.step, **row}
        for name, callback in self.callbacks.items():
            self._saver.going_on(f"callback '{name}'", callback.on_record, self, dict(told))

    def tell(self, line: str) -> None:
        """Tell the user a line, beside the progress."""
        self._tell(line)

    def export(self, folder: Path) -> None:
        """Write the networks that are of use after training into a folder."""
        self._export(self, folder)

    @property
    def has_checkpoint(self) -> bool:
        return bool(checkpoint.steps(self.checkpoints))

    def request_rollback(self, why: str) -> None:
        """Go back to the newest checkpoint when every callback has seen the present step.

        The run goes on from there with other noise, at most ``train.max_rollbacks`` times.

        Args:
            why: What the user is told.
        """
        self._gone_wrong = why

    def request_save(self) -> None:
        """Save when every callback has seen the present step."""
        self._save_wanted = True

    def save(self) -> None:
        """Write a checkpoint and the exported networks, unless this step has been saved.

        Raises:
            NotFiniteError: The weights are not worth saving.
            PluginError: Some state is not plain.
            OSError: The files could not be written; earlier ones are untouched.
        """
        self._save_wanted = False
        self._saver.save()

    def state_dict(self) -> dict[str, Any]:
        states = {name: callback.state_dict() for name, callback in self.callbacks.items()}
        return {"trainer": self.trainer.state_dict(), "callbacks": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; callbacks that are new to the recipe start afresh.

        Raises:
            GanforgeError: This is no state of such a run.
        """
        try:
            self.trainer.load_state_dict(state["trainer"])
            for name, callback in self.callbacks.items():
                if name in state["callbacks"]:
                    callback.load_state_dict(state["callbacks"][name])
        except (KeyError, TypeError) as error:
            raise GanforgeError(
                f"the newest checkpoint in {self.checkpoints} is no state of this run: {error!r}",
                hint="Delete its folder to resume from the checkpoint before it.",
            ) from error
        self._saver.saved_step = self.clock.step

    def network_for_sampling(self, name: str) -> nn.Module:
        """The average of a network where the recipe keeps one, else the network itself."""
        average = self.trainer.averages.get(name)
        return self.trainer.networks[name] if average is None else average.network

    def sample(
        self, latents: Tensor, labels: Tensor | None = None, *, averaged: bool = True
    ) -> Tensor:
        """Samples ``(N, ...)`` for given latents, as ``generate`` would make them.

        Training is not disturbed: the network is in evaluation mode only meanwhile, and random
        numbers come from a stream of their own.

        Args:
            latents: ``(N, latent_dim)``; samples of the source ``(N, ...)`` where the game's
                sampler starts from those.
            labels: Class indices ``(N,)`` for a generator that takes them; all classes in turn if
                not given.
            averaged: Use the average of the weights where the recipe keeps one.
        """
        name = self.trainer.game.sampler
        network = self.network_for_sampling(name) if averaged else self.trainer.networks[name]
        classes, device = self.facts.num_classes, self.trainer.device
        if labels is None and classes is not None:
            labels = torch.arange(len(latents)) % classes
        with self._looking(network):
            samples: Tensor = call(
                network, latents.to(device), labels=None if labels is None else labels.to(device)
            )
        return samples

    def pictures(
        self, count: int, *, columns: int | None = None, truncation: float | None = None
    ) -> Mapping[str, Panel]:
        """What the game shows of its present state; ``samples`` is one of the pictures.

        The same latents and real samples make them in the whole run. Training is not disturbed.

        Args:
            count: About how many samples make a picture.
            columns: Samples in a row, or None for what suits the picture.
            truncation: Bound on the noise of latents, or None.
        """
        trainer = self.trainer
        networks = {name: self.network_for_sampling(name) for name in trainer.networks}
        show = Show(
            networks=networks,
            latent=trainer.latent,
            streams=trainer.streams,
            device=trainer.device,
            examples=self.facts.examples,
            num_classes=self.facts.num_classes,
            count=count,
            columns=columns,
            truncation=truncation,
        )
        with self._looking(*networks.values()):
            return trainer.game.pictures(show)

    @contextmanager
    def _looking(self, *networks: nn.Module) -> Iterator[None]:
        """Evaluation mode, no graphs, and random numbers that training does not see."""
        with ExitStack() as stack:
            for network in networks:
                stack.enter_context(evaluating(network))
            stack.enter_context(torch.no_grad())
            stack.enter_context(self.trainer.streams.isolated("sampling", self.clock.step))
            yield

    def fixed_latents(self, count: int) -> Tensor:
        """``count`` latents ``(count, latent_dim)`` that are the same at every step of the run."""
        generator = self.trainer.streams.generator("fixed_latents")
        return self.trainer.latent.sample(count, generator)


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
