"""Checks of callbacks: small runs from start to end, with them and without."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from ganforge.engine import checkpoint
from ganforge.engine.callback import Callback, Facts
from ganforge.engine.plain import check_plain
from ganforge.engine.run import Run
from ganforge.engine.tally import Values
from ganforge.errors import PluginError, UsageError
from ganforge.options import read_signature
from ganforge.recipe.schema import DEFAULT_CALLBACKS
from ganforge.registry import Registry
from ganforge.testing import metrics, standins, terms
from ganforge.testing.findings import Unchecked, Wrong, checks, listed
from ganforge.testing.subject import Subject

STEPS = 8
"""Two epochs of four steps."""
HALF = 5
"""Where a run is stopped, in the middle of an epoch."""


@dataclass
class Played:
    """What is left of a run.

    Args:
        weights: Of its networks, at the end.
        state: Of the callback.
        printed: On standard output.
        strewn: Files that appeared in the working folder.
    """

    weights: dict[str, Tensor]
    state: dict[str, Any]
    printed: str
    strewn: list[str]


class _StopAt(Callback):
    """Stops a run as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run: Run, values: Values) -> None:
        if run.clock.step == self.step:
            run.request_stop(signal.SIGINT)


class Bench:
    """A callback, and runs that it watches.

    Args:
        subject: The callback.
        registry: Where the callbacks are that every run has, should this one need their company.
    """

    def __init__(self, subject: Subject, registry: Registry) -> None:
        self.subject = subject
        self.registry = registry
        self.company = False
        self.whole: Played | None = None
        self.harmless = False
        self.saves = False

    def known(self) -> Played:
        if self.whole is None:
            raise Unchecked("it could not watch a whole run")
        return self.whole

    def callbacks(self) -> tuple[Callback, dict[str, Callback]]:
        """A fresh one, and the callbacks of a run with it."""
        made: Callback = self.subject.remade()
        name = self.subject.component.name
        others = _usual(self.registry) if self.company else {}
        return made, {**others, name: made}

    def play(self) -> Played:
        """A whole, quiet run in a new folder."""
        with _folders() as (folder, elsewhere), contextlib.redirect_stdout(io.StringIO()) as out:
            made, callbacks = self.callbacks()
            state_dict = made.state_dict
            try:
                check_plain({"state": state_dict()})
            except PluginError:  # no run would begin; the check of the state says what is wrong
                made.state_dict = dict  # type: ignore[method-assign]
            run = _run(folder, callbacks, quiet=True)
            run.play()
            made.state_dict = state_dict  # type: ignore[method-assign]
            return _left(run, made, out, elsewhere)

    @cached_property
    def in_two(self) -> Played:
        """A run that is not quiet, is stopped on its way, and resumed from its checkpoint."""
        if not (self.harmless and self.saves):
            raise Unchecked("it changes weights, or has a state that cannot be saved")
        with (
            _folders() as (folder, elsewhere),
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()),
        ):
            _, callbacks = self.callbacks()
            _run(folder, {"stop": _StopAt(HALF), **callbacks}, quiet=False).play()
            made, callbacks = self.callbacks()
            run = _run(folder, callbacks, quiet=False)
            newest = list(checkpoint.steps(run.checkpoints).values())[-1]
            run.load_state_dict(checkpoint.load(newest, device=standins.CPU).state)
            run.play()
            return _left(run, made, out, elsewhere)


def build(bench: Bench) -> None:
    """It can be made, and is a ``ganforge.api.Callback``."""
    bench.subject.build()


def watches(bench: Bench) -> str | None:
    """It goes through a quiet run: start, steps, saving, end.

    One that refuses to be alone is tried in the company of the callbacks that every run has.
    """
    try:
        bench.whole = bench.play()
        return None
    except UsageError:
        bench.company = True
    bench.whole = bench.play()
    return "with the callbacks that every run has"


def weights(bench: Bench) -> None:
    """It changes nothing: the weights are those of a run without it, to the last bit."""
    with _folders() as (folder, _):
        run = _run(folder, {}, quiet=True)
        run.play()
    changed = standins.differing(standins.weights(run.trainer.networks), bench.known().weights)
    if changed:
        raise Wrong(
            f"with it, a run ends with other weights ({listed(changed, 3)})",
            "Only look at the run: take samples with run.sample(...), which puts modes and random "
            "numbers back; no .eval(), .train() or batches of your own.",
        )
    bench.harmless = True


def state_dict(bench: Bench) -> None:
    """Its state can be saved, and a fresh one takes it back."""
    state = terms.saved(bench.known().state)
    bench.saves = True
    if not isinstance(state, dict):
        raise Wrong(f"its state_dict is a {type(state).__name__}", "Give back a dict.")
    fresh, _ = bench.callbacks()
    before = terms.saved(fresh.state_dict())
    fresh.load_state_dict(state)
    if _alike(before, fresh.state_dict()) and not _alike(before, state):
        raise Wrong(
            "load_state_dict takes nothing back: a resumed run would begin anew with "
            f"{listed(sorted(map(str, state)))}",
            "Set the attributes in load_state_dict from which state_dict reads.",
        )


def resume(bench: Bench) -> None:
    """A run that is stopped and resumed with it ends as the uninterrupted one."""
    whole, resumed = bench.known(), bench.in_two
    if standins.differing(whole.weights, resumed.weights):
        raise Wrong(
            "a run that was stopped and resumed ends with other weights",
            "Change nothing of the run in on_start, load_state_dict or on_end.",
        )
    if set(resumed.state) != set(whole.state):
        other = sorted(set(resumed.state) ^ set(whole.state))
        raise Wrong(
            f"after a resumed run its state_dict has other keys: {listed(other)}",
            "Let state_dict always give all keys.",
        )


def standard_output(bench: Bench) -> None:
    """Standard output is for results: ``run`` prints the run's folder there."""
    printed = bench.known().printed or bench.in_two.printed
    if printed:
        line = next(filter(None, printed.splitlines()), printed)
        raise Wrong(
            f"it prints on standard output: {line[:60]!r}",
            "Print on standard error, and nothing if run.facts.quiet: print(..., file=sys.stderr).",
        )


def files(bench: Bench) -> None:
    """It writes into the run's folder, not where the user happens to be."""
    if strewn := bench.known().strewn:
        raise Wrong(
            f"it writes {listed(strewn)} into the working folder", "Write below run.folder."
        )


CHECKS = checks(build, watches, weights, state_dict, resume, standard_output, files)


@contextlib.contextmanager
def _folders() -> Iterator[tuple[Path, Path]]:
    """A run's folder, and another one that is the working folder meanwhile."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="ganforge-") as name:
        folder, elsewhere = Path(name) / "run", Path(name) / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        os.chdir(elsewhere)
        try:
            yield folder, elsewhere
        finally:
            os.chdir(here)


def _left(run: Run, made: Callback, out: io.StringIO, elsewhere: Path) -> Played:
    strewn = sorted(str(path.relative_to(elsewhere)) for path in elsewhere.rglob("*"))
    weights = standins.weights(run.trainer.networks)
    return Played(weights, made.state_dict(), out.getvalue(), strewn)


def _run(folder: Path, callbacks: Mapping[str, Callback], *, quiet: bool) -> Run:
    trainer = standins.trainer(standins.StandInGame(), total_steps=STEPS, steady=False)
    return Run(
        trainer=trainer,
        folder=folder,
        callbacks=dict(callbacks),
        facts=Facts(
            "conformance",
            standins.BATCH,
            standins.IMAGE,
            quiet,
            num_classes=standins.CLASSES,
            examples=standins.examples,
            evaluator=lambda found, _: metrics.evaluator(found),
        ),
        manifest={},
        export=lambda run, folder: None,
        tell=_tell,
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _usual(registry: Registry) -> dict[str, Callback]:
    """The callbacks of every run, as far as they are installed."""
    made = {}
    for name in DEFAULT_CALLBACKS:
        try:
            target = registry.find("callback", name).load()
        except UsageError:
            continue
        made[name] = target(**read_signature(target, "callback").check({})[0])
    return made


def _alike(first: Any, second: Any) -> bool:
    """Equality that can look into tensors."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.shape == second.shape and bool((first == second).all())
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_alike(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_alike, first, second))
    return bool(first == second)
