"""A recorded play: where it finds what it works on, and where it leaves what it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganforge.engine.data import Batch
from ganforge.engine.fixed import FixedDraw, NotFixedError
from ganforge.engine.judge import Verdict
from ganforge.engine.plays import Plays
from ganforge.engine.rates import Rates
from ganforge.engine.recording import Recorder
from ganforge.engine.snapshot import Holdings
from ganforge.engine.tally import Scalar, read
from ganforge.engine.turn import Turn


@dataclass(frozen=True)
class Measured:
    """What a play leaves on the device.

    Args:
        names: Of what it measures.
        values: That, ``(len(names),)``.
        verdict: What was not finite.
        kept: What must stay in memory.
    """

    names: list[str]
    values: Tensor
    verdict: Verdict
    kept: Any

    def read(self) -> dict[str, Tensor]:
        """What the last play measured."""
        return dict(zip(self.names, self.values.clone().unbind(), strict=True))

    def found(self) -> Verdict:
        """What the device found in the last play."""
        return self.verdict._replace(finite=self.verdict.finite.clone())


class Draft:
    """A play whose samples, random numbers and learning rates are where a record will find them.

    Args:
        plays: Plays it.
        turn: Which play.
    """

    def __init__(self, plays: Plays, turn: Turn) -> None:
        backward = plays.backward
        samples, *others = _tensors(turn.batch)
        assert samples is not None
        self.batch = Batch(
            samples.clone(), *(None if each is None else each.clone() for each in others)
        )
        self.draw = FixedDraw(backward.draw(turn.counters, len(turn.batch)))
        self.rates = Rates(plays.learning(turn), backward.execution.device)
        self._plays = plays
        self._turn = replace(turn, batch=self.batch)

    def work(self) -> Measured:
        """Play it; torch's global generators are seeded before."""
        with self.rates.in_place():
            values, verdict, kept = self._plays.at_once(self._turn, self.draw)
            return Measured(list(values), _together(values, verdict.bad.device), verdict, kept)


@dataclass(frozen=True)
class Record:
    """A recorded play.

    Args:
        draft: Where it finds what it works on.
        measured: Where it leaves what it measures.
        work: Does it.
        holdings: What it moves, which must stay where it is.
        leaves: Whether it leaves something for later plays of its step.
    """

    draft: Draft
    measured: Measured
    work: Callable[[], None]
    holdings: Holdings
    leaves: bool

    def again(self, plays: Plays, turn: Turn) -> None:
        """Do it with the samples and the random numbers of another play.

        They are written through ``.data``: what a record has left has a graph that remembers them,
        and another record is still to go backward through it.
        """
        for mine, given in zip(_tensors(self.draft.batch), _tensors(turn.batch), strict=True):
            if mine is not None and given is not None:
                mine.data.copy_(given)
        draw = plays.backward.draw(turn.counters, len(turn.batch))
        for (whose, want), mine in self.draft.draw.kept.items():
            mine.data.copy_(draw.of(*whose).whole(want))
        plays.backward.streams.seed_modules(*turn.counters)
        with plays.backward.parts(f"{turn.phase.name}, from a record"):
            self.work()


def record(plays: Plays, turn: Turn, draft: Draft, holdings: Holdings, to: Recorder) -> Record:
    """Record a play, without doing it.

    Args:
        plays: Plays it.
        turn: Which play.
        draft: It was played once, so all that it asks for is there.
        holdings: What it moves.
        to: Records.
    Raises:
        Exception: It cannot be recorded.
    """
    draft.draw.close()
    shared = plays.backward.shared
    before = set(shared)
    plays.backward.streams.seed_modules(*turn.counters)
    measured, again = to.record(draft.work)
    return Record(draft, measured, again, holdings, leaves=bool(set(shared) - before))


def kind_of(turn: Turn) -> tuple[object, ...]:
    """What plays have in common that can be done from one record: all that is no tensor."""
    sizes = [
        None if tensor is None else (tensor.shape, tensor.dtype) for tensor in _tensors(turn.batch)
    ]
    return turn.phase.name, turn.counters[2], *(term.name for term in turn.terms), *sizes


def _together(values: Mapping[str, Scalar], device: torch.device) -> Tensor:
    found = {name: read(value) for name, value in values.items()}
    elsewhere = sorted(name for name, value in found.items() if value.device != device)
    if elsewhere:
        raise NotFixedError(f"'{elsewhere[0]}' is not measured on the device")
    return torch.stack([value.detach().float().reshape(()) for value in found.values()])


def _tensors(batch: Batch) -> tuple[Tensor | None, ...]:
    return batch.samples, batch.labels, batch.source
