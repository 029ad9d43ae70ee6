"""A run: the trainer's steps, the callbacks that watch, and the files it leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganforge.engine import checkpoint
from ganforge.engine.clock import Clock
from ganforge.engine.finite import check_weights
from ganforge.engine.trainer import Trainer, Values
from ganforge.errors import GanforgeError

Outcome = Literal["running", "finished", "stopped", "failed"]


class Callback:
    """Watches a run; never part of its mathematics. The base of components of kind ``callback``.

    Methods are called in the order in which the recipe lists the callbacks.
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, also of a resumed run."""

    def on_step(self, run: Run, values: Values) -> None:
        """After each step; ``values`` are tensors on the device, and reading one may wait."""

    def before_save(self, run: Run) -> None:
        """Before a checkpoint is written: put down what is still in memory."""

    def after_save(self, run: Run, path: Path) -> None:
        """After a checkpoint was written to the folder ``path``."""

    def on_end(self, run: Run) -> None:
        """When the run ends, in whatever way (``run.outcome`` tells); in reverse order."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


@dataclass(frozen=True)
class Facts:
    """What a callback may want to show of a run, told in words and numbers.

    Args:
        name: The recipe's name.
        batch_size: Samples in a batch.
        sample_shape: Shape of one sample, ``(C, H, W)`` for images.
        quiet: The user asked for no progress on the terminal.
    """

    name: str
    batch_size: int
    sample_shape: tuple[int, ...]
    quiet: bool = False


class Run:
    """One execution, in a folder of its own.

    Args:
        trainer: Plays the steps.
        folder: Where the run's files go; it exists.
        callbacks: By name, in the order in which they are called.
        facts: What callbacks may show.
        manifest: What each checkpoint says of the programme that wrote it.
        export: Writes the networks that ``generate`` needs into the folder.
        tell: Is given a line for whatever went wrong and did not stop the run.
    """

    def __init__(
        self,
        *,
        trainer: Trainer,
        folder: Path,
        callbacks: Mapping[str, Callback],
        facts: Facts,
        manifest: Mapping[str, Any],
        export: Callable[[Run], None],
        tell: Callable[[str], None],
    ) -> None:
        self.trainer = trainer
        self.folder = folder
        self.callbacks = callbacks
        self.facts = facts
        self.outcome: Outcome = "running"
        self.stop_signal: signal.Signals | None = None
        self.manifest = manifest
        self._export = export
        self._tell = tell
        self._told: set[str] = set()
        self._save_wanted = False
        self._saved_step: int | None = None

    @property
    def clock(self) -> Clock:
        return self.trainer.clock

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def play(self) -> Outcome:
        """Train to the end, or to the step after a stop was asked for; then save.

        Raises:
            GanforgeError: Training cannot go on; what was saved before stays.
        """
        with ExitStack() as ends:
            self.outcome = "failed"  # until it is known to be otherwise
            for name, callback in self.callbacks.items():
                ends.callback(self._end, name, callback)
                callback.on_start(self)
            while not self.clock.finished and self.stop_signal is None:
                values = self.trainer.step()
                for name, callback in self.callbacks.items():
                    with self._going_on(f"callback '{name}'"):
                        callback.on_step(self, values)
                if self._save_wanted:
                    with self._going_on("checkpoint"):
                        self.save()
            self._save_last()
            self.outcome = "finished" if self.clock.finished else "stopped"
        return self.outcome

    def _end(self, name: str, callback: Callback) -> None:
        with self._going_on(f"callback '{name}'"):
            callback.on_end(self)

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Training goes on without a file that cannot be written; that is told once."""
        try:
            yield
        except OSError as error:
            if what not in self._told:
                self._told.add(what)
                self._tell(
                    f"step {self.clock.step}: {what}: not written: {_said(error)}; training goes on"
                )
        else:
            self._told.discard(what)

    def _save_last(self) -> None:
        """Save at the end of the run.

        Raises:
            GanforgeError: It was not possible; where the run can be resumed from is told.
        """
        try:
            self.save()
        except OSError as error:
            saved = f"step {self._saved_step}" if self._saved_step is not None else "no step"
            raise GanforgeError(
                f"step {self.clock.step} could not be saved: {_said(error)}; saved is {saved}",
                hint=f"Make room, then go on from there: ganforge resume {quote(str(self.folder))}",
            ) from error

    def request_stop(self, reason: signal.Signals) -> None:
        """End the run after the step under way."""
        self.stop_signal = reason

    def request_save(self) -> None:
        """Save when every callback has seen the present step."""
        self._save_wanted = True

    def save(self) -> None:
        """Write a checkpoint and the exported networks, unless this step has been saved.

        Raises:
            NotFiniteError: The weights are not worth saving.
            OSError: The files could not be written; earlier ones are untouched.
        """
        self._save_wanted = False
        if self._saved_step == self.clock.step:
            return
        check_weights(self.trainer.networks, self.clock.step)
        for name, callback in self.callbacks.items():
            with self._going_on(f"callback '{name}'"):
                callback.before_save(self)
        manifest = {"step": self.clock.step, "epoch": self.clock.epoch, **self.manifest}
        path = checkpoint.save(self.checkpoints, self.state_dict(), manifest)
        self._saved_step = self.clock.step
        self._export(self)
        for callback in self.callbacks.values():
            callback.after_save(self, path)

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
        self._saved_step = self.clock.step

    def network_for_sampling(self, name: str) -> nn.Module:
        """The average of a network where the recipe keeps one, else the network itself."""
        average = self.trainer.averages.get(name)
        return self.trainer.networks[name] if average is None else average.network

    def sample(self, latents: Tensor) -> Tensor:
        """Samples ``(N, ...)`` for given latents, as ``generate`` would make them.

        Training is not disturbed: the network is in evaluation mode only meanwhile, and random
        numbers come from a stream of their own.
        """
        network = self.network_for_sampling(self.trainer.game.sampler)
        with (
            evaluating(network),
            torch.no_grad(),
            self.trainer.streams.isolated("sampling", self.clock.step),
        ):
            samples: Tensor = network(latents.to(self.trainer.device))
        return samples

    def fixed_latents(self, count: int) -> Tensor:
        """``count`` latents ``(count, latent_dim)`` that are the same at every step of the run."""
        generator = self.trainer.streams.generator("fixed_latents")
        return self.trainer.latent.sample(count, generator)


def _said(error: OSError) -> str:
    """The file and the reason."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a block; every module is put back as it was, mixed modes too."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
