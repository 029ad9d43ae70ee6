"""Plays that are recorded once, and done again as a whole from then on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from functools import partial

from torch import Tensor

from ganforge.engine.agreement import TOLERANCE, furthest
from ganforge.engine.fixed import SAW_STEP, NotedDraw, Notes, NotFixedError
from ganforge.engine.plays import Finish, Plays
from ganforge.engine.record import Record, kind_of, record
from ganforge.engine.recording import Recorder
from ganforge.engine.snapshot import Snapshot
from ganforge.engine.tally import Scalar, read
from ganforge.engine.turn import Turn

ANEW = 2
"""How often a play is played anew before it is recorded: by then optimizers remember, and libraries
have set up what they need."""

_Key = tuple[Hashable, tuple[Hashable, ...]]


class Replays:
    """Plays everything anew, or does again what has been recorded where that is the same.

    A play is recorded when it has been played anew a few times: for each choice of terms that are
    due and each size of batch, and for each record that has left something for it. The first time,
    what the record gives is compared with the same play anew. Random numbers, real samples and
    learning rates are put where the record finds them. What goes by the number of the step in
    another way, waits for the device or has a state of its own is played anew always, and so is a
    step that is watched.

    Args:
        plays: Plays anew.
        recorder: Records; or None, to play everything anew.
    """

    def __init__(self, plays: Plays, recorder: Recorder | None) -> None:
        self._plays = plays
        self._backward = plays.backward
        self._recorder = recorder
        self._records: dict[_Key, Record] = {}
        self._refused: set[Hashable] = set()
        self._played: Counter[Hashable] = Counter()
        self._step = 0
        self._left: list[_Key | None] = []
        """Which records have left something in this step; None stands for plays anew."""
        self._for_good = False
        """Whether such a play anew will never be recorded."""
        self._told: set[str] = set()
        self._notices: list[str] = []

    def __call__(self, turn: Turn) -> Finish:
        """As :class:`Plays`."""
        if self._recorder is None:
            return self._plays(turn)
        if turn.step != self._step:
            self._step, self._left, self._for_good = turn.step, [], False
        kind = kind_of(turn)
        key = (kind, tuple(self._left))
        if self._backward.watched or not turn.terms or kind in self._refused:
            return self._anew(turn, kind)
        if (known := self._records.get(key)) is not None:
            if known.rates.renew():
                return partial(self._again, turn, key, known)
            return self._refuse(kind, turn, "options of its optimizers other than 'lr' change")
        if self._for_good:
            return self._refuse(kind, turn, "it learns from what a phase without one has made")
        if self._played[kind] < ANEW or None in self._left:
            return self._soon(turn, kind, self._recorder)
        if (why := self._unfit(turn)) is not None:
            return self._refuse(kind, turn, why)
        return self._first(turn, key, self._recorder)

    def forget(self) -> None:
        """Drop all records: what they work on is not in the same memory any more."""
        self._records.clear()
        self._played.clear()
        self._left = []

    def take_notices(self) -> list[str]:
        """What is not recorded, and why: what came since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def _anew(self, turn: Turn, kind: Hashable) -> Finish:
        shared = self._backward.shared
        if None not in self._left:  # what a record has left is for another record
            shared.clear()
        before = set(shared)
        finish = self._plays(turn)
        if set(shared) - before:
            self._left.append(None)
            self._for_good = kind in self._refused
        return finish

    def _soon(self, turn: Turn, kind: Hashable, recorder: Recorder) -> Finish:
        """Play anew, as it will be recorded."""
        with recorder.beside():
            anew = self._anew(turn, kind)

        def finish() -> dict[str, Scalar]:
            with recorder.beside():
                values = anew()
            self._played[kind] += 1
            return values

        return finish

    def _unfit(self, turn: Turn) -> str | None:
        """Why such plays cannot be recorded, if that is known before it is tried."""
        optimizers = self._plays.learning(turn)
        if self._plays.judge.waits:
            return "the device is waited for, to see that it was finite"
        if not self._plays.judge.leaves_to_device(optimizers):
            names = " and ".join(sorted({type(each).__name__ for each in optimizers}))
            return f"{names} cannot leave out an update by itself if a gradient is not finite"
        if self._plays.undo(turn.terms).has_states:
            return "something in it has a state of its own"
        return None

    def _refuse(self, kind: Hashable, turn: Turn, why: str) -> Finish:
        """Play such plays anew from now on, and say why."""
        self._refused.add(kind)
        line = f"phase '{turn.phase.name}' is played without a CUDA graph: {why}"
        if line not in self._told:
            self._told.add(line)
            self._notices.append(line)
        return self._anew(turn, kind)

    def _first(self, turn: Turn, key: _Key, recorder: Recorder) -> Finish:
        """Record a play, and compare the first time with the same play anew."""
        backward, shared = self._backward, self._backward.shared
        left, notes = dict(shared), Notes()
        shared.clear()
        before = Snapshot(backward.networks, self._plays.learning(turn))
        try:
            with recorder.strictly():
                backward.streams.seed_modules(*turn.counters)
                draw = NotedDraw(backward.draw(turn.counters, len(turn.batch)), notes)
                values, _ = self._plays.at_once(turn, draw)
            wanted = _numbers(values, before)
            if notes.saw_step:
                raise NotFixedError(SAW_STEP)
            before.restore()
            shared.clear()
            shared.update(left)
            made = record(self._plays, turn, notes.wants, recorder)
            backward.gradients.clear(turn.phase.learns)
        except Exception as error:  # noqa: BLE001  # if it fails without a record too, it is raised
            before.restore()
            shared.clear()
            return self._refuse(key[0], turn, SAW_STEP if notes.saw_step else _first_line(error))
        return partial(self._compared, turn, key, made, before, wanted)

    def _compared(
        self, turn: Turn, key: _Key, made: Record, before: Snapshot, wanted: Mapping[str, float]
    ) -> dict[str, Scalar]:
        made.again(self._plays, turn)
        found = _numbers(made.measured(), before)
        tolerance = TOLERANCE[self._backward.execution.precision]
        worst = furthest(found, wanted, tolerance)
        if worst.within(tolerance):
            self._records[key] = made
            return self._known(turn, key, made)
        before.restore()
        self._backward.shared.clear()
        why = f"{worst.name} would be {found[worst.name]:.6g} instead of {wanted[worst.name]:.6g}"
        return self._refuse(key[0], turn, why)()

    def _again(self, turn: Turn, key: _Key, known: Record) -> dict[str, Scalar]:
        known.again(self._plays, turn)
        return self._known(turn, key, known)

    def _known(self, turn: Turn, key: _Key, known: Record) -> dict[str, Scalar]:
        """What belongs to a play beside what a record does."""
        self._plays.judge.send(turn, known.found())
        self._plays.step_schedules(turn)
        if known.leaves:
            self._left.append(key)
        return {**known.measured()}


def _numbers(values: Mapping[str, Scalar], before: Snapshot) -> dict[str, float]:
    """What a play measured, and how far it moved each network's weights."""
    moved: dict[str, Tensor] = {f"update of {n}": norm for n, norm in before.moved().items()}
    measured = {name: read(value) for name, value in values.items()}
    return {name: float(value) for name, value in {**measured, **moved}.items()}


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
