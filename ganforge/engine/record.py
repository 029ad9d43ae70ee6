"""A recorded play: where it finds what it works on, and where it leaves what it measures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganforge.engine.data import Batch
from ganforge.engine.fixed import FixedDraw, NotFixedError, Place
from ganforge.engine.judge import Verdict
from ganforge.engine.plays import Plays
from ganforge.engine.rates import Rates
from ganforge.engine.recording import Recorder
from ganforge.engine.tally import Scalar, read
from ganforge.engine.turn import Turn


@dataclass(frozen=True)
class Record:
    """A recorded play.

    Args:
        batch: Where it finds the real samples.
        numbers: Where it finds random numbers.
        rates: Where it finds learning rates.
        names: Of what it measures.
        values: Where it leaves that, ``(len(names),)``.
        verdict: Where it leaves what was not finite.
        work: Does it.
        leaves: Whether it leaves something for later plays of its step.
    """

    batch: Batch
    numbers: Mapping[Place, Tensor]
    rates: Rates
    names: list[str]
    values: Tensor
    verdict: Verdict
    work: Callable[[], None]
    leaves: bool

    def again(self, plays: Plays, turn: Turn) -> None:
        """Do it with the samples and the random numbers of another play.

        They are written through ``.data``: what a record has left has a graph that remembers them,
        and another record is still to go backward through it.
        """
        for mine, given in zip(_tensors(self.batch), _tensors(turn.batch), strict=True):
            if mine is not None and given is not None:
                mine.data.copy_(given)
        draw = plays.backward.draw(turn.counters, len(turn.batch))
        for (whose, want), mine in self.numbers.items():
            mine.data.copy_(draw.of(*whose).whole(want))
        plays.backward.streams.seed_modules(*turn.counters)
        with plays.backward.parts(f"{turn.phase.name}, from a record"):
            self.work()

    def measured(self) -> dict[str, Tensor]:
        """What the last play measured."""
        return dict(zip(self.names, self.values.clone().unbind(), strict=True))

    def found(self) -> Verdict:
        """What the device found in the last play."""
        return self.verdict._replace(finite=self.verdict.finite.clone())


def kind_of(turn: Turn) -> tuple[object, ...]:
    """What plays have in common that can be done from one record: all that is no tensor."""
    sizes = [
        None if tensor is None else (tensor.shape, tensor.dtype) for tensor in _tensors(turn.batch)
    ]
    return turn.phase.name, turn.counters[2], *(term.name for term in turn.terms), *sizes


def record(plays: Plays, turn: Turn, wants: Iterable[Place], recorder: Recorder) -> Record:
    """Record a play, without doing it.

    Args:
        plays: Plays it.
        turn: Which play.
        wants: The random numbers that it may draw.
        recorder: Records.
    Raises:
        Exception: It cannot be recorded.
    """
    backward = plays.backward
    draw = backward.draw(turn.counters, len(turn.batch))
    numbers = {(who, want): draw.of(*who).whole(want).clone() for who, want in wants}
    samples, *others = _tensors(turn.batch)
    assert samples is not None
    batch = Batch(samples.clone(), *(None if each is None else each.clone() for each in others))
    rates = Rates(plays.learning(turn), backward.execution.device)
    fixed, mine = FixedDraw(draw, numbers), replace(turn, batch=batch)

    def work() -> tuple[list[str], Tensor, Verdict]:
        values, verdict = plays.at_once(mine, fixed)
        return list(values), _together(values, verdict.bad.device), verdict

    backward.streams.seed_modules(*turn.counters)
    before = set(backward.shared)
    with rates.in_place():
        (names, values, verdict), again = recorder.record(work)
    leaves = bool(set(backward.shared) - before)
    used = {place: numbers[place] for place in fixed.used}
    return Record(batch, used, rates, names, values, verdict, again, leaves)


def _together(values: Mapping[str, Scalar], device: torch.device) -> Tensor:
    found = {name: read(value) for name, value in values.items()}
    elsewhere = sorted(name for name, value in found.items() if value.device != device)
    if elsewhere:
        raise NotFixedError(f"'{elsewhere[0]}' is not measured on the device")
    return torch.stack([value.detach().float().reshape(()) for value in found.values()])


def _tensors(batch: Batch) -> tuple[Tensor | None, ...]:
    return batch.samples, batch.labels, batch.source
