"""Checks a recipe against what is installed: every problem is found before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pydantic

from ganforge.errors import PluginError, UsageError, choices_text
from ganforge.explain import option_text
from ganforge.optionproblems import OptionProblem
from ganforge.options import RESERVED, read_signature, validated
from ganforge.recipe.needs import provide
from ganforge.recipe.schema import (
    DEFAULT_CALLBACKS,
    DEFAULT_GAME,
    VERSION,
    EmaBlock,
    Head,
    LatentBlock,
    Recipe,
    Spec,
    TermSettings,
    TermSpec,
    TrainBlock,
)
from ganforge.recipe.source import Document, Path, Problem, RecipeError, shown
from ganforge.registry import Registry

Block = TypeVar("Block", bound=pydantic.BaseModel)

HEAD = tuple(Head.model_fields)
BLOCKS = ("latent", "ema", "train")
PLACES = (
    "dataset",
    "game",
    "loss",
    "regularizers",
    "augmentations",
    "optimizer",
    "schedule",
    "callbacks",
)


_WRITE = {
    "version": f"Write 'version: {VERSION}'.",
    "name": "Write a name such as 'mnist_dcgan'.",
    "requires": "Write a list such as 'requires: [ganforge-acme>=1.2]'.",
    "plugins": "Write a list such as 'plugins: [./my_arch.py]'.",
}
"""What to write for the recipe's own facts, where an example says more than their type."""


def check(document: Document, registry: Registry) -> Recipe:
    """Turn a document into a recipe; the plugins that it names are added to the registry.

    Raises:
        RecipeError: Everything that is wrong with it, all at once.
        PluginError: A plugin file that it names is broken.
    """
    return _Checker(document, registry).recipe()


def check_component(kind: str, document: Document, registry: Registry) -> Spec:
    """Turn a document that is one ``{use: NAME, option: value}`` into a component's spec.

    Raises:
        RecipeError: Everything that is wrong with it.
    """
    checker = _Checker(document, registry)
    spec = checker.spec(kind, (), document.value)
    if spec is None:
        raise RecipeError(checker.problems)
    return spec


class _Checker:
    """Walks one document and collects problems; a part that fails gives None."""

    def __init__(self, document: Document, registry: Registry) -> None:
        self.document = document
        self.registry = registry
        self.problems: list[Problem] = []

    def recipe(self) -> Recipe:
        top = self.document.value
        head = self.block(Head, (), {name: top[name] for name in HEAD if name in top})
        self.check_version(top.get("version"))
        # Also where another of its facts is wrong: components may come from these plugins.
        needs = head or Head.model_construct(
            requires=_texts(top.get("requires")), plugins=_texts(top.get("plugins"))
        )
        self.problems += provide(needs, self.document, self.registry)
        if isinstance(top.get("game"), dict):
            top["game"].setdefault("use", DEFAULT_GAME)
        game = self.component("game", ("game",), default={"use": DEFAULT_GAME})
        kinds: Mapping[str, str] = game.target.networks if game else {}
        if game is not None:
            self.unknown_keys(kinds)
        parts: dict[str, Any] = {
            "dataset": self.component("dataset", ("dataset",)),
            "latent": self.block(LatentBlock, ("latent",), top.get("latent", {})),
            "networks": {name: self.component(kind, (name,)) for name, kind in kinds.items()},
            "loss": self.component("loss", ("loss",)),
            "optimizers": self.by_network("optimizer", kinds, required=True),
            "schedules": self.by_network("schedule", kinds, required=False),
            "train": self.train(),
            "regularizers": self.regularizers(),
            "augmentations": self.augmentations(game),
            "ema": None,
        }
        if top.get("ema") is not None:
            parts["ema"] = self.block(EmaBlock, ("ema",), top["ema"])
        callbacks, disabled = self.callbacks()
        if self.problems:
            raise RecipeError(self.problems)
        return Recipe(
            document=self.document,
            registry=self.registry,
            head=head,  # type: ignore[arg-type]  # no problem: nothing is None
            game=game,  # type: ignore[arg-type]
            callbacks=callbacks,
            disabled_callbacks=disabled,
            plugins=[plugin for plugin in self.registry.plugins if plugin.named],
            **parts,
        )

    def check_version(self, version: object) -> None:
        """pydantic takes ``true`` and ``1.0`` for the 1 that they equal in Python."""
        if version == VERSION and type(version) is not int:
            message = f"recipe: version: should be {VERSION}, not {shown(version)}"
            self.problem(("version",), message, _WRITE["version"])

    def problem(
        self, path: Path, message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        position = self.document.position(path, key=key)
        self.problems.append(Problem(message, position, hint))

    def option_problem(
        self, path: Path, found: OptionProblem, where: str, model: type[pydantic.BaseModel]
    ) -> None:
        """An option's fault; where there is nothing better to say, what the option may be."""
        hint = found.hint
        if hint is None and found.path and (name := str(found.path[0])) in model.model_fields:
            example = _WRITE.get(name) if model is Head else None
            hint = example or option_text(name, model.model_fields[name])
        elif hint is None:
            hint = f"It has {', '.join(model.model_fields)}."
        self.problem(
            (*path, *found.path), f"{where}: {found.message}", hint, key=found.name_is_wrong
        )

    def unknown_keys(self, networks: Mapping[str, str]) -> None:
        allowed = (*HEAD, *BLOCKS, *PLACES, *networks)
        for key in self.document.value:
            if key not in allowed:
                self.problem((key,), f"unknown key '{key}'", choices_text(key, allowed), key=True)

    def block(self, model: type[Block], path: Path, values: Any) -> Block | None:
        if not isinstance(values, dict):
            names = ", ".join(model.model_fields)
            self.problem(path, f"{path[0]} should be a mapping", f"Its keys are {names}.")
            return None
        found, problems = validated(model, values)
        for problem in problems:
            where = str(path[0]) if path else "recipe"
            self.option_problem(path, problem, where, model)
        return None if problems else model.model_construct(**found)

    def train(self) -> TrainBlock | None:
        if "train" in self.document.value:
            return self.block(TrainBlock, ("train",), self.document.value["train"])
        self.problem(
            ("train",),
            "missing 'train'",
            "Add 'train: {epochs: NUMBER}' or 'train: {steps: NUMBER}'.",
        )
        return None

    def component(self, kind: str, path: Path, *, default: Any = None) -> Spec | None:
        node = self.lookup(path, default)
        if node is None:
            names = ", ".join(self.registry.names(kind))
            under = f" under '{path[0]}'" if len(path) > 1 else ""
            self.problem(
                path,
                f"missing '{path[-1]}'{under}",
                f"Add '{path[-1]}: {{use: NAME}}'; available: {names}.",
            )
            return None
        return self.spec(kind, path, node)

    def lookup(self, path: Path, default: Any) -> Any:
        node: Any = self.document.value
        for part in path:
            if isinstance(node, dict) and part not in node:
                return default
            node = node[part]
        return default if node is None else node

    def spec(self, kind: str, path: Path, node: Any) -> Spec | None:
        """One ``{use: NAME, option: value, ...}``."""
        if not isinstance(node, dict) or not isinstance(node.get("use"), str):
            names = ", ".join(self.registry.names(kind))
            message = f"a {kind} is written {{use: NAME, option: value}}"
            named = isinstance(node, dict) and "use" in node
            self.problem(
                (*path, "use") if named else path,
                message,
                f"NAME is one of {names}." if names else "None is installed.",
            )
            return None
        try:
            component = self.registry.find(kind, node["use"])
            target = component.load()
        except (UsageError, PluginError) as error:
            self.problem((*path, "use"), error.message, error.hint)
            return None
        try:
            signature = read_signature(target, kind)
        except PluginError as error:
            self.problem((*path, "use"), f"{component}: {error.message}", error.hint)
            return None
        framework = {"use", *RESERVED.get(kind, ())}
        given = {k: v for k, v in node.items() if k not in framework}
        options, problems = signature.check(given)
        for problem in problems:
            where = f"{kind} '{component.name}'"
            self.option_problem(path, problem, where, signature.model)
        if problems:
            return None
        written = signature.model.model_construct(**options).model_dump(mode="json")
        for option, inner in signature.nested.items():
            if options[option] is None:
                continue
            found = inner.each(options[option], self._inner(inner.kind, (*path, option)))
            if None in (found if inner.many and found else [found]):
                return None
            options[option] = found
            written[option] = inner.each(found, lambda spec, _: spec.plain())
        name = self.registry.name_of(component)
        return Spec(component, name, target, options, written, signature.injected, signature.nested)

    def _inner(self, kind: str, path: Path) -> Callable[[Any, tuple[int, ...]], Spec | None]:
        """Reads a component that is an option of another, or one of a list of them."""
        return lambda node, place: self.spec(kind, (*path, *place), node)

    def by_network(
        self, kind: str, networks: Mapping[str, str], *, required: bool
    ) -> dict[str, Spec | None]:
        """``optimizer`` or ``schedule``: a component for each network of the game."""
        nodes = self.document.value.get(kind) or {}
        example = ", ".join(f"{name}: {{use: NAME}}" for name in networks or ("NETWORK",))
        if not nodes and required:
            names = ", ".join(self.registry.names(kind))
            hint = f"Add '{kind}: {{{example}}}'; available: {names}."
            self.problem((kind,), f"missing '{kind}'", hint)
            return {}
        if not isinstance(nodes, dict) or "use" in nodes:
            message = f"{kind} should be a mapping from network to {kind}"
            self.problem((kind,), message, f"Write '{kind}: {{{example}}}'.")
            return {}
        for name in nodes:
            if networks and name not in networks:
                self.problem(
                    (kind, name),
                    f"{kind}: the game has no network '{name}'",
                    choices_text(name, networks),
                    key=True,
                )
        wanted = [name for name in networks if required or nodes.get(name) is not None]
        return {name: self.component(kind, (kind, name)) for name in wanted}

    def listed(self, key: str) -> list[Any]:
        nodes = self.document.value.get(key)
        if nodes is None:
            return []
        if not isinstance(nodes, list):
            message = f"{key} should be a list of {{use: NAME, option: value}}"
            self.problem((key,), message, f"Write '{key}: [{{use: NAME}}]'.")
            return []
        return nodes

    def regularizers(self) -> list[TermSpec]:
        terms = []
        for index, node in enumerate(self.listed("regularizers")):
            path = ("regularizers", index)
            names = RESERVED["regularizer"]
            spec = self.spec("regularizer", path, node)
            if spec is None:
                continue
            settings = {
                "weight": getattr(spec.target, "default_weight", 1.0),
                "every": getattr(spec.target, "default_every", 1),
            } | {name: node[name] for name in names if name in node}
            found = self.block(TermSettings, path, settings)
            if found is not None:
                terms.append(TermSpec(spec, found.weight, found.every))
        return terms

    def augmentations(self, game: Spec | None) -> list[Spec]:
        nodes = self.listed("augmentations")
        specs = [
            self.spec("augmentation", ("augmentations", index), node)
            for index, node in enumerate(nodes)
        ]
        if nodes and game is not None and "augmentations" not in game.injected:
            self.problem(
                ("augmentations",),
                f"game '{game.component.name}' applies no augmentations",
                "Remove them, or choose another game.",
                key=True,
            )
        return [spec for spec in specs if spec is not None]

    def callbacks(self) -> tuple[list[Spec], list[str]]:
        """The recipe's callbacks in its order, behind the default ones that it does not name."""
        listed: list[Spec] = []
        named: set[str] = set()
        disabled: list[str] = []
        for index, node in enumerate(self.listed("callbacks")):
            path = ("callbacks", index)
            spec = self.spec("callback", path, node)
            if spec is None:
                continue
            named.add(spec.name)
            enabled = node.get("enabled", True)
            if not isinstance(enabled, bool):
                message = "enabled should be true or false"
                self.problem((*path, "enabled"), message, "Write enabled: false to switch it off.")
            elif enabled:
                listed.append(spec)
            else:
                disabled.append(spec.name)
        missing = [name for name in DEFAULT_CALLBACKS if name not in named]
        defaults = [self.spec("callback", ("callbacks",), {"use": name}) for name in missing]
        return [spec for spec in defaults if spec is not None] + listed, disabled


def _texts(value: Any) -> list[str]:
    """A list of texts as it is, anything else as an empty one."""
    good = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return value if good else []
