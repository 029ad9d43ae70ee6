"""Plays that are recorded once, and done again as a whole from then on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable
from functools import partial

from ganforge.engine.agreement import TOLERANCE, furthest
from ganforge.engine.fixed import NotFixedError
from ganforge.engine.memory import ran_out
from ganforge.engine.plays import Finish, Plays
from ganforge.engine.record import Draft, Record, kind_of, record
from ganforge.engine.recording import Recorder
from ganforge.engine.snapshot import Holdings, Snapshot
from ganforge.engine.tally import Scalar
from ganforge.engine.turn import Turn

ANEW = 2
"""How often a play is played anew before it is recorded: by then optimizers remember, and libraries
have set up what they need."""

APART = 0.1
"""How far an update of a record may be from the same one anew, as a share of it. The operations are
the same; but a GPU adds some numbers up in any order, and of a small gradient Adam takes the sign.
"""

_Key = tuple[Hashable, tuple[Hashable, ...]]


class Replays:
    """Plays everything anew, or does again what has been recorded where that is the same.

    A play is recorded when it has been played anew a few times: for each choice of terms that are
    due and each size of batch, and for each record that has left something for it. What it gives is
    compared with the same play anew. Random numbers, real samples and learning rates are put where
    the record finds them. What goes by the number of the step in another way, waits for the device
    or has a state of its own is played anew always, and so is a step that is watched.

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
            if not known.holdings.still_there():
                self._drop(key)
                return self._anew(turn, kind)
            if known.draft.rates.renew():
                return partial(self._again, turn, key, known)
            return self._refuse(key, turn, "options of its optimizers other than 'lr' change")
        if self._for_good:
            self._tell(turn, "it learns from what a phase without one has made")
            return self._anew(turn, kind)
        if self._played[kind] < ANEW or None in self._left:
            return self._soon(turn, kind, self._recorder)
        if (why := self._unfit(turn)) is not None:
            return self._refuse(key, turn, why)
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
        try:
            finish = self._plays(turn)
        except Exception as error:
            if not self._records or not ran_out(error):
                raise
            self.forget()
            self._recorder = None
            self._tell(turn, "there is not enough memory beside what was recorded")
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
        optimizers = self._plays.learning(turn).values()
        if self._plays.judge.waits:
            return "the device is waited for, to see that it was finite"
        if not self._plays.judge.leaves_to_device(list(optimizers)):
            names = " and ".join(sorted({type(each).__name__ for each in optimizers}))
            return f"{names} cannot leave out an update by itself if a gradient is not finite"
        if self._plays.undo(turn.terms).has_states:
            return "something in it has a state of its own"
        return None

    def _first(self, turn: Turn, key: _Key, recorder: Recorder) -> Finish:
        """Record a play, if that gives what the same play anew gives."""
        shared, left = self._backward.shared, dict(self._backward.shared)
        optimizers = self._plays.learning(turn)
        holdings = Holdings(self._backward.networks, optimizers)
        before = Snapshot(holdings)

        def put_back() -> None:
            before.restore()
            self._backward.gradients.clear(turn.phase.learns)
            shared.clear()

        try:
            draft = Draft(self._plays, turn)
            shared.clear()
            self._backward.streams.seed_modules(*turn.counters)
            with recorder.beside(), recorder.strictly():
                measured = draft.work()
            if not holdings.still_there():
                raise NotFixedError("something in it replaces a tensor instead of changing it")
            wanted = {name: float(value) for name, value in measured.read().items()}
            after = Snapshot(holdings)
            put_back()
            if not all(map(math.isfinite, wanted.values())):  # says nothing; the next will do
                self._drop(key)
                return self._anew(turn, key[0])
            shared.update(left)
            made = record(self._plays, turn, draft, holdings, recorder)
            left = dict(shared)
            made.again(self._plays, turn)
            self._check(made, wanted, before.apart(after))
            put_back()
            shared.update(left)
        except Exception as error:  # noqa: BLE001  # if it fails without a record too, it is raised
            put_back()
            return self._refuse(key, turn, _cause(error))
        except BaseException:
            put_back()
            raise
        self._records[key] = made
        return partial(self._again, turn, key, made)

    def _check(self, made: Record, wanted: dict[str, float], apart: dict[str, float]) -> None:
        """See that a record gives what a play anew has given, and moves things as far."""
        found = {name: float(value) for name, value in made.measured.read().items()}
        tolerance = TOLERANCE[self._backward.execution.precision]
        worst = furthest(found, wanted, tolerance)
        if not worst.within(tolerance):
            name = worst.name
            raise NotFixedError(
                f"its '{name}' would be {found[name]:.6g} instead of {wanted[name]:.6g}"
            )
        for group, share in apart.items():
            if not share <= APART:
                raise NotFixedError(f"{group} would be {share:.2g} of the update away from it")

    def _again(self, turn: Turn, key: _Key, known: Record) -> dict[str, Scalar]:
        known.again(self._plays, turn)
        self._plays.judge.send(turn, known.measured.found())
        self._plays.step_schedules(turn)
        if known.leaves:
            self._left.append(key)
        return {**known.measured.read()}

    def _refuse(self, key: _Key, turn: Turn, why: str) -> Finish:
        """Play such plays anew from now on, and say why.

        So are those that leave something for them: made anew of a record it would be made again.
        """
        kind, givers = key
        self._refused.add(kind)
        self._tell(turn, why)
        for giver in [each for each in self._records if each in givers]:
            self._drop(giver)
            self._refused.add(giver[0])
        return self._anew(turn, kind)

    def _drop(self, key: _Key) -> None:
        """Forget a record, those that leave something for it, and all that take of these.

        They have to be made together: a graph goes from one to the other.
        """
        gone = {key, *key[1]}
        self._records = {
            other: each
            for other, each in self._records.items()
            if other not in gone and gone.isdisjoint(other[1])
        }

    def _tell(self, turn: Turn, why: str) -> None:
        terms = " + ".join(term.name for term in turn.terms)
        lazy = len(turn.terms) < len(turn.phase.terms) or any(each.every > 1 for each in turn.terms)
        which = f"phase '{turn.phase.name}'" + (f" ({terms})" if lazy else "")
        line = f"{which} is played without a CUDA graph: {why}"
        if line not in self._told:
            self._told.add(line)
            self._notices.append(line)


def _cause(error: BaseException) -> str:
    """The first line of what went wrong first: ending a spoiled record goes wrong too."""
    while error.__context__ is not None:
        error = error.__context__
    return (str(error) or repr(error)).splitlines()[0]
