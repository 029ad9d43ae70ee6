"""Saves a run, and tells what could not be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ganforge.engine import checkpoint
from ganforge.engine.finite import NotFiniteError, check_weights
from ganforge.engine.plain import check_plain
from ganforge.errors import GanforgeError

if TYPE_CHECKING:
    from ganforge.engine.run import Run


class Saver:
    """Writes checkpoints and exported networks of one run.

    Args:
        run: Whose state it is.
        manifest: What each checkpoint says of the programme that wrote it.
        tell: Is given a line for whatever could not be written.
    """

    def __init__(
        self,
        run: Run,
        *,
        manifest: Mapping[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        self.manifest = manifest
        self.saved_step: int | None = None
        """The step of the newest checkpoint that this process wrote or read."""
        self._run = run
        self._tell = tell
        self._told: set[str] = set()

    @property
    def folder(self) -> Path:
        return self._run.folder / "checkpoints"

    def save(self) -> None:
        """Write a checkpoint and the exported networks, unless this step has been saved.

        Raises:
            NotFiniteError: The weights are not worth saving.
            PluginError: Some state is not plain.
            OSError: The files could not be written; earlier ones are untouched.
        """
        run, clock = self._run, self._run.clock
        if self.saved_step == clock.step:
            return
        try:
            run.trainer.judge.settle()
        finally:
            self.tell_skipped()
        averages = {f"average of {n}": a.network for n, a in run.trainer.averages.items()}
        check_weights({**run.trainer.networks, **averages}, clock.step)
        for name, callback in run.callbacks.items():
            self.going_on(f"callback '{name}'", callback.before_save, run)
        state = run.state_dict()
        check_plain(state)
        manifest = {"step": clock.step, "epoch": clock.epoch, **self.manifest}
        path = checkpoint.save(self.folder, state, manifest)
        self.saved_step = clock.step
        run.export(run.folder)
        for callback in run.callbacks.values():
            callback.after_save(run, path)

    def save_last(self) -> None:
        """Save at the end of the run.

        Raises:
            GanforgeError: It was not possible; where the run can be resumed from is told.
        """
        try:
            self.save()
        except OSError as error:
            raise GanforgeError(
                f"step {self._run.clock.step} could not be saved: {_said(error)}; saved is "
                f"{self._newest()}",
                hint=f"Make room, then go on from there: {self._resume}",
            ) from error

    def save_before(self, error: Exception) -> None:
        """Save what training has come to before it fails, if that is whole."""
        not_finite = isinstance(error, NotFiniteError) and not error.whole
        if self._run.trainer.whole and not not_finite:
            try:
                self.save()
            except Exception as second:  # noqa: BLE001  # the first one is what must be told
                said = _said(second) if isinstance(second, OSError) else str(second)
                self._tell(f"step {self._run.clock.step} could not be saved: {said}")
        if checkpoint.steps(self.folder):
            self._tell(f"Saved is {self._newest()}. To go on from there: {self._resume}")

    def going_on(self, what: str, call: Callable[..., None], *given: Any) -> None:
        """Make a call; training goes on without a file that cannot be written: that is told once.

        Args:
            what: Who makes the file.
            call: What is called.
            given: With these arguments.
        """
        try:
            call(*given)
        except OSError as error:
            if what not in self._told:
                self._told.add(what)
                self._tell(
                    f"step {self._run.clock.step}: {what}: not written: {_said(error)}; training "
                    "goes on"
                )
        else:
            self._told.discard(what)

    def tell_skipped(self) -> None:
        """Tell which updates were left out since the last call, and how else plays went."""
        for line in self._run.trainer.take_notices():
            self._tell(line)

    def _newest(self) -> str:
        saved = checkpoint.steps(self.folder)
        return f"step {max(saved)}" if saved else "no step"

    @property
    def _resume(self) -> str:
        return f"ganforge resume {quote(str(self._run.folder))}"


def _said(error: OSError) -> str:
    """The file and the reason."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
