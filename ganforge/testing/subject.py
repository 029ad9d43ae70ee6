"""A component that is being checked: what is known of it, and how it is made."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from ganforge.construct import MADE, one_of
from ganforge.errors import UsageError
from ganforge.nested import Nested
from ganforge.options import Signature, read_signature
from ganforge.registry import Component, Registry
from ganforge.testing import standins
from ganforge.testing.findings import Unchecked, Wrong, fault
from ganforge.testing.isolation import kept_settings
from ganforge.testing.places import Place

STAND_IN = {"use": "<a small data set>"}
"""In place of a data set that is an option and was not given."""


@dataclass
class Subject:
    """One component; the checks of its constructor fill in what they learn.

    Args:
        component: As its plugin registered it.
        given: The options that the user wants it checked with.
        place: Finds the plugin's lines in tracebacks.
        target: Its class or function, once it could be imported.
        signature: What that takes, once it could be read.
        options: Its options with every default filled in, once they are valid.
        registry: What is installed, where its options name other components.
    """

    component: Component
    given: Mapping[str, Any]
    place: Place
    target: Any = None
    signature: Signature | None = None
    options: dict[str, Any] | None = None
    made_once: bool = field(default=False, repr=False)
    registry: Registry | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        return f"{self.component.kind} {self.component.name}"

    @property
    def kind(self) -> str:
        return self.component.kind

    def known_target(self) -> Any:
        if self.target is None:
            raise Unchecked("it could not be imported")
        return self.target

    def known_signature(self) -> Signature:
        if self.signature is None:
            raise Unchecked("its constructor could not be read")
        return self.signature

    def known_options(self) -> dict[str, Any]:
        if self.options is None:
            raise Unchecked("its options are not known")
        return self.options

    @property
    def has_own_game(self) -> bool:
        """Whether its plugin brings a game, whose rounds may have more than the usual ones."""
        return any(component.kind == "game" for component in self.component.plugin.components)

    def make(self, *, raw: bool = False, **supplied: Any) -> Any:
        """Call its constructor as ganforge does.

        Args:
            raw: Leave settings of the process as the constructor leaves them.
            supplied: What ganforge has for it; it gets what it asks for.
        """
        options = copy.deepcopy(self.known_options())
        for name, nested in self.known_signature().nested.items():
            make = self._maker(nested.kind)
            options[name] = nested.each(options[name], make)
        wanted = {name: supplied[name] for name in self.known_signature().injected}
        if raw:
            return self.target(**options, **wanted)
        with kept_settings():
            return self.target(**options, **wanted)

    def _maker(self, kind: str) -> Callable[[Any, tuple[int, ...]], Any]:
        return lambda written, _: self._inner(kind, written)

    def _inner(self, kind: str, written: Mapping[str, Any]) -> Any:
        """A component that is an option of this one."""
        if written == STAND_IN:
            return standins.dataset()
        assert self.registry is not None
        component, signature, options = inner(kind, written, self.registry)
        made = Subject(component, {}, self.place, component.load(), registry=self.registry)
        made.signature, made.options = signature, options
        return made.make()

    def build(self, **supplied: Any) -> Any:
        """Make it for the check ``build``: whatever it raises, or is instead, is told.

        Raises:
            Wrong: It cannot be made, or is not what its kind has to be.
        """
        try:
            made = self.make(**supplied)
        except (Exception, SystemExit) as error:
            if isinstance(error, Unchecked):
                raise
            raise fault(error, self.place, doing="it cannot be made") from error
        wanted = MADE.get(self.kind, object)
        if not isinstance(made, wanted):
            raise Wrong(
                f"a {type(made).__name__} is no {_spelled(wanted)}",
                f"Derive the class from {_spelled(wanted)}, or give back one that is.",
            )
        self.made_once = True
        return made

    def remade(self, **supplied: Any) -> Any:
        """Make another one for a later check; a component that failed ``build`` is not tried."""
        if not self.made_once:
            raise Unchecked("it could not be made")
        return self.make(**supplied)


def inner(
    kind: str, written: Mapping[str, Any], registry: Registry
) -> tuple[Component, Signature, dict[str, Any]]:
    """A component that is an option of another, as a recipe writes it, and its options.

    Raises:
        UsageError: There is none of that name, or it takes other options.
    """
    if not isinstance(written.get("use"), str):
        raise UsageError(
            f"it does not say which {kind}", hint="Write it as {use: NAME}, with its options."
        )
    component = registry.find(kind, written["use"])
    signature = read_signature(component.load(), kind)
    given = {name: value for name, value in written.items() if name != "use"}
    options, problems = signature.check(given)
    if problems:
        raise UsageError(f"{component}: {problems[0].message}", hint=problems[0].hint)
    for name, another in signature.nested.items():
        check_inner(another, options[name], registry)
    return component, signature, options


def check_inner(nested: Nested, written: Any, registry: Registry) -> None:
    """See that an option that is a component, or a list of them, can be made.

    Raises:
        UsageError: It cannot.
    """
    nested.each(written, lambda one, _: inner(nested.kind, one, registry))


def _spelled(wanted: type | UnionType) -> str:
    """The names by which a plugin's author imports the base classes that will do."""
    return " or ".join(_public(cls) for cls in one_of(wanted))


def _public(wanted: type) -> str:
    name = wanted.__qualname__
    if wanted.__module__.startswith("ganforge."):
        return f"ganforge.api.{name}"
    public = {"Module": "torch.nn.Module", "Optimizer": "torch.optim.Optimizer"}
    return public.get(name, f"torch.optim.lr_scheduler.{name}")
