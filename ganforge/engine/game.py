"""Games, phases and terms: the alternating protocol as data that the trainer plays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganforge.engine.calling import call
from ganforge.engine.round import Play, Round
from ganforge.engine.show import Panel, Show, plain_samples
from ganforge.errors import PluginError


@dataclass(frozen=True)
class Term:
    """One summand of a phase's objective.

    Args:
        name: Under which its value is recorded.
        function: Takes the round, returns a per-sample ``(N,)`` or scalar tensor; never calls
            ``backward``. If it has ``state_dict`` and ``load_state_dict``, its state is saved. If
            it has ``differentiates`` (names such as ``"real"``), those inputs of the round are
            prepared as leaves before anyone uses them. If it has ``after_step``, that is called
            with all networks after the optimizers of its phase have stepped. If it has
            ``second_order``, which is true by default of terms that have ``differentiates``, it
            goes backward through a gradient: it is computed in full precision, not compiled.
        weight: Its factor in the sum.
        every: Lazy regularisation (Karras et al. 2020, arXiv:1912.04958): computed in every k-th
            play of the phase only, and then scaled by k.
    """

    name: str
    function: Callable[[Any], Tensor]
    weight: float = 1.0
    every: int = 1

    @cached_property
    def differentiates(self) -> frozenset[str]:
        return frozenset(getattr(self.function, "differentiates", ()))

    @cached_property
    def has_state(self) -> bool:
        return hasattr(self.function, "state_dict")

    @cached_property
    def second_order(self) -> bool:
        said = getattr(self.function, "second_order", None)
        return bool(self.differentiates if said is None else said)


@dataclass(frozen=True)
class Phase:
    """One turn of the protocol: which networks learn, by which terms, how often.

    Args:
        name: The phase's name, unique in its game.
        learns: Names of the networks whose parameters are stepped.
        terms: The summands of the objective; all of them are minimised.
        repeats: Optimizer steps in one step of the run.
        every: Played in every k-th step of the run only.
        draws_batch: Whether each repeat takes a fresh batch of real samples. A phase that does
            not sees the batch that was drawn last.
        prepares: Networks that run in the last repeat of this phase on behalf of a later one, which
            takes their output with its graph from ``Play.shared``.
    Raises:
        PluginError: No network learns, no term is given, or a count is below 1.
    """

    name: str
    learns: tuple[str, ...]
    terms: tuple[Term, ...]
    repeats: int = 1
    every: int = 1
    draws_batch: bool = True
    prepares: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.learns or not self.terms:
            raise PluginError(f"phase '{self.name}' needs a network that learns and a term")
        if self.repeats < 1 or self.every < 1 or any(term.every < 1 for term in self.terms):
            raise PluginError(f"phase '{self.name}': repeats and every must be 1 or more")

    @cached_property
    def learning(self) -> frozenset[str]:
        """The networks that learn."""
        return frozenset(self.learns)

    def graphs(self, repeat: int) -> tuple[str, ...]:
        """The networks whose passes have graphs in a play: those that learn or are prepared."""
        return self.learns + (self.prepares if repeat == self.repeats - 1 else ())

    def due_terms(self, play: int) -> Sequence[Term]:
        """The terms that are computed in the ``play``-th play of this phase (from 0)."""
        if not self._has_lazy_terms:
            return self.terms
        return [term for term in self.terms if play % term.every == 0]

    @cached_property
    def _has_lazy_terms(self) -> bool:
        return any(term.every > 1 for term in self.terms)


class Game(ABC):
    """Who plays, and in which order.

    A subclass names its networks and the kind of component that fills each place, and returns its
    phases; it may extend :meth:`round` with a round of its own. It sees the networks only through
    the rounds it is asked for.
    """

    networks: ClassVar[Mapping[str, str]]
    """Network name to component kind, such as ``{"generator": "generator"}``."""

    sampler: ClassVar[str] = "generator"
    """The network that turns latents into samples."""

    judge: str | None = "discriminator"
    """The network that ranks samples for ``generate --best-of``, if the game has one."""

    samples_of: ClassVar[Literal["latents", "source"]] = "latents"
    """What the sampler's input is: latents, or samples of the data set's source."""

    pairs: ClassVar[bool] = False
    """Whether the n-th sample of the source must belong to the n-th of the data set."""

    portions: int = 1
    """Every micro-batch must have a multiple of so many samples."""

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The phases of one step, in order; called once, before training."""

    def round(self, play: Play) -> Round:
        """A round for one micro-batch of one phase."""
        return Round(play)

    def shapes(
        self, network: str, sample: tuple[int, ...], source: tuple[int, ...] | None
    ) -> Mapping[str, tuple[int, ...] | None]:
        """What a network is told of shapes, where its constructor asks.

        Args:
            network: Its name.
            sample: Shape of one sample of the data set.
            source: Shape of one sample of the data set's source, if it has one.
        Returns:
            ``image_shape``, of what it makes or judges, and ``source_shape``, of what it starts
            from.
        """
        return {"image_shape": sample, "source_shape": source}

    def pictures(self, show: Show) -> Mapping[str, Panel]:
        """What shows how far the game has come: pictures by name, of which ``samples`` is one."""
        network = show.networks[self.sampler]
        return plain_samples(network, show, of_source=self.samples_of == "source")

    def members(self) -> Mapping[str, Any]:
        """Parts of the game by name, such as its loss; the state of those that have one is saved.

        A member has ``state_dict`` and ``load_state_dict``, or neither.
        """
        return {}

    @property
    def has_state(self) -> bool:
        """Whether there is anything that :meth:`state_dict` could tell."""
        return type(self).state_dict is not Game.state_dict or any(
            hasattr(member, "state_dict") for member in self.members().values()
        )

    def state_dict(self) -> dict[str, Any]:
        """What the game itself must remember between steps: the states of its members."""
        states = {
            name: member.state_dict()
            for name, member in self.members().items()
            if hasattr(member, "state_dict")
        }
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        for name, member in self.members().items():
            if name in state:
                member.load_state_dict(state[name])


def join(
    terms: Mapping[str, Sequence[Term]], regularizers: Sequence[Term]
) -> dict[str, tuple[Term, ...]]:
    """The terms of each phase, with the regularizers that join it.

    Args:
        terms: The game's own, by phase.
        regularizers: Further ones, each of which may say its ``phase`` or several.
    Raises:
        PluginError: One names a phase that the game does not have.
    """
    joined = {phase: list(own) for phase, own in terms.items()}
    for term in regularizers:
        phases = getattr(term.function, "phase", "discriminator")
        for phase in (phases,) if isinstance(phases, str) else phases:
            if phase not in joined:
                raise PluginError(
                    f"regularizer '{term.name}' joins phase '{phase}'; "
                    f"this game has {' and '.join(joined)}"
                )
            joined[phase].append(term)
    return {phase: tuple(found) for phase, found in joined.items()}


def check_phases(phases: Sequence[Phase], optimizers: Container[str]) -> None:
    """See that phases and terms can be told apart, and that what learns has an optimizer.

    Raises:
        PluginError: They cannot, or something has none.
    """
    names = [phase.name for phase in phases]
    if len(set(names)) != len(names):
        raise PluginError(f"two phases of the game share a name: {', '.join(names)}")
    for phase in phases:
        terms = [term.name for term in phase.terms]
        if len({*terms, "loss"}) <= len(terms):  # 'loss' is the name of their sum
            raise PluginError(
                f"phase '{phase.name}': every term needs its own name, and none is 'loss': "
                f"{', '.join(terms)}"
            )
        missing = [name for name in phase.learns if name not in optimizers]
        if missing:
            raise PluginError(
                f"phase '{phase.name}' trains {', '.join(missing)}, which has no optimizer"
            )


def batches_per_step(phases: Sequence[Phase]) -> Fraction:
    """Fresh batches that one step of the run takes from the feed, on average.

    Raises:
        PluginError: No phase draws a batch.
    """
    total = sum((Fraction(p.repeats, p.every) for p in phases if p.draws_batch), Fraction(0))
    if total == 0:
        raise PluginError("no phase of this game draws a batch of real samples")
    return total


def optimizer_steps(phases: Sequence[Phase], network: str, steps: int) -> int:
    """How often a network's optimizer steps in so many steps of a run."""
    return sum(ceil(steps / p.every) * p.repeats for p in phases if network in p.learns)


def judge_scores(output: Any, count: int) -> dict[str, Any]:
    """A discriminator's output as a dict of heads, with ``logits`` as ``(N,)`` where they are.

    Args:
        output: Logits, or a dict with ``logits`` and more heads (``class_logits``, ``features``).
        count: Samples judged; one logit a sample is flattened to ``(N,)``, a map of logits
            ``(N, 1, h, w)`` keeps its shape.
    Raises:
        PluginError: A dict has no ``logits``.
    """
    heads = dict(output) if isinstance(output, Mapping) else {"logits": output}
    if "logits" not in heads:
        raise PluginError(
            f"a discriminator returned a dict without 'logits'; its keys are {sorted(heads)}"
        )
    logits = heads["logits"]
    if logits.dim() != 1 and logits.numel() == count:
        heads["logits"] = logits.reshape(count)
    return heads


@torch.no_grad()
def rank(discriminator: nn.Module, samples: Tensor, **beside: Tensor | None) -> Tensor:
    """The discriminator's score of each sample ``(N,)``: the higher, the more like real.

    Args:
        discriminator: The network.
        samples: ``(N, ...)``.
        beside: What else it may ask for, such as ``labels``.
    """
    heads = judge_scores(call(discriminator, samples, **beside), len(samples))
    logits: Tensor = heads["logits"]
    return logits.reshape(len(samples), -1).mean(dim=1)
