"""The tables of the recipe reference, from the models that check recipes."""

from __future__ import annotations

import pydantic
from component_reference import option_row, page_name
from markdown_text import code, fence, inline, table

from ganforge.explain import described_options, documented, option
from ganforge.recipe.check import BLOCKS, PLACES
from ganforge.recipe.reader import read_file
from ganforge.recipe.schema import EmaBlock, Head, LatentBlock, TrainBlock
from ganforge.recipe.shipped import shipped
from ganforge.registry import Registry

BLOCK_MODELS: dict[str, type[pydantic.BaseModel]] = {
    "latent": LatentBlock,
    "ema": EmaBlock,
    "train": TrainBlock,
}
BLOCK_DEFAULTS = {"latent": "its defaults", "ema": "none is kept", "train": "*required*"}

PLACES_TEXT = {
    "dataset": ("a component", "*required*", "The real samples."),
    "game": ("a component", "`{use: two_player}`", "Who plays, and in which order."),
    "loss": ("a component", "*required*", "What each side minimises."),
    "regularizers": ("list of components", "`[]`", "Further terms of the objectives."),
    "augmentations": ("list of components", "`[]`", "What is done to what a discriminator sees."),
    "optimizer": ("network to component", "*required*", "One for each network of the game."),
    "schedule": ("network to component", "`{}`", "The learning rate of a network over the run."),
    "callbacks": ("list of components", "`[]`", "What watches the run."),
}
_KIND_OF = {
    "regularizers": "regularizer",
    "augmentations": "augmentation",
    "callbacks": "callback",
}


def shipped_table() -> str:
    """The recipes that come with ganforge."""
    rows = []
    for name, recipe in shipped(Registry([])).items():
        head = read_file(recipe.path).value
        rows.append((code(name), inline(head["description"]), inline(head["expected_time"])))
    return table(("name", "what it is", "expected time"), rows)


def shipped_recipe(name: str) -> str:
    """One of them, as it stands in its file."""
    return fence("yaml", shipped(Registry([]))[name].path.read_text(encoding="utf-8"))


def head_table() -> str:
    """What a recipe says of itself."""
    return _table(Head)


def part_table() -> str:
    """Every other key at the top of a recipe, and where more is said of it."""
    rows = []
    for name in PLACES:
        kind, default, meaning = PLACES_TEXT[name]
        link = f"{page_name(_KIND_OF.get(name, name))}.md"
        rows.append((f"[{code(name)}]({link})", kind, default, meaning))
    networks = (
        "*a network's name*",
        "a component",
        "*required*",
        "One for each network of the game: [`generator`](generators.md) and "
        "[`discriminator`](discriminators.md), unless the game says otherwise.",
    )
    rows.insert(list(PLACES).index("game") + 1, networks)
    for name in BLOCKS:
        meaning = inline(documented(BLOCK_MODELS[name]).partition("\n")[0])
        rows.append((f"[{code(name)}](#{name})", "a block", BLOCK_DEFAULTS[name], meaning))
    return table(("key", "what stands there", "without it", "meaning"), rows)


def block_table(name: str) -> str:
    """The keys of one block."""
    return _table(BLOCK_MODELS[name])


def _table(model: type[pydantic.BaseModel]) -> str:
    described = described_options(documented(model))
    rows = []
    for name, field in model.model_fields.items():
        row = option_row(option(name, field, described[name]))
        rule = f" It has {inline(field.description)}." if field.description else ""
        rows.append((*row[:3], row[3] + rule))
    return table(("key", "type", "default", "meaning"), rows)
