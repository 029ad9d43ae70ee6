"""Nested options: checked to their depth, and refused where no recipe could write them."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, List, Literal  # noqa: UP035

import pydantic
import pytest
import torch
from pydantic import Field

from ganforge import hookimpl
from ganforge.errors import PluginError
from ganforge.options import RESERVED, read_signature
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.reader import read_text
from ganforge.recipe.schema import Recipe
from ganforge.recipe.source import Problem, RecipeError


class Layer(pydantic.BaseModel):
    """A nested option; it says itself that it takes anything, and is not heard."""

    model_config = pydantic.ConfigDict(extra="allow")
    width: Annotated[int, Field(ge=1)] = 8
    activation: Literal["relu", "tanh"] = "relu"


@dataclasses.dataclass
class Noise:
    """A nested option without pydantic."""

    sigma: float
    shared: bool = False


class Loss:
    """Takes options of every shape."""

    def __init__(
        self,
        *,
        layer: Layer = Layer(),  # noqa: B008  # read only
        layers: list[Layer] | None = None,
        noise: Noise | None = None,
        by_name: dict[str, Layer] | None = None,
        mode: Literal["a", "b"] | int = "a",
        rate: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        step: Annotated[int, Field(multiple_of=8)] | None = None,
        code: Annotated[str, Field(pattern="^[a-z]+$", description="small letters")] = "x",
        pair: tuple[int, Layer] | None = None,
        per_side: dict[Literal["left", "right"], int] | None = None,
    ) -> None:
        self.layer, self.layers, self.noise, self.pair = layer, layers, noise, pair


HEAD = """\
version: 1
name: nested
dataset: {use: mnist}
generator: {use: dcgan}
discriminator: {use: dcgan}
optimizer: {generator: {use: adam}, discriminator: {use: adam}}
train: {steps: 1}
loss:
  use: mine
"""


def checked(options: str, target: Any = Loss) -> Recipe:
    """A recipe with these options, two spaces deep, of a loss ``mine``."""
    module = ModuleType("acme")

    @hookimpl
    def register_losses(register: Callable[..., None]) -> None:
        register("mine", target)

    module.register_losses = register_losses  # type: ignore[attr-defined]
    document = read_text(HEAD + options, name="r.yaml")
    return check(document, load_registry(extra=[module]))


def problems(options: str) -> list[Problem]:
    with pytest.raises(RecipeError) as caught:
        checked(options)
    return caught.value.problems


def test_nested_options_arrive_as_what_their_annotations_say() -> None:
    recipe = checked(
        "  layer: {width: 3}\n  layers: [{activation: tanh}]\n  noise: {sigma: 1}\n"
        "  by_name: {first: {width: 2}}\n  mode: 7\n  pair: [1, {width: 4}]\n"
    )
    loss = recipe.loss.target(**recipe.loss.options)
    assert loss.layer == Layer(width=3)
    assert loss.layers == [Layer(activation="tanh")]
    assert loss.noise == Noise(sigma=1.0)
    assert loss.pair == (1, Layer(width=4))
    written = recipe.plain()["loss"]
    assert written["layer"] == {"width": 3, "activation": "relu"}
    assert written["noise"] == {"sigma": 1.0, "shared": False}


@pytest.mark.parametrize(
    ("options", "place", "message", "hint"),
    [
        ("  layer: {width: 0}\n", "10:18", "layer.width: should be greater than or", "{width: int"),
        ("  layer: {widht: 3}\n", "10:11", "unknown option 'layer.widht'", "mean 'width'?"),
        ("  layer:\n    widht: 3\n", "11:5", "unknown option 'layer.widht'", "mean 'width'?"),
        (
            "  per_side: {left: 1, centre: 2}\n",
            "10:23",
            "'per_side' has no 'centre'",
            "It takes 'left' or 'right'.",
        ),
        (
            "  layers:\n    - width: 1\n    - activaton: tanh\n",
            "12:7",
            "unknown option 'layers.1.activaton'",
            "Did you mean 'activation'? Available: activation, width.",
        ),
        (
            "  layers: [{activation: sigmoid}]\n",
            "10:25",
            "layers.0.activation: should be 'relu' or 'tanh', not \"sigmoid\"",
            "'layers' takes list of {width: int >= 1",
        ),
        (
            "  noise: {sigma: 1, shard: true}\n",
            "10:21",
            "unknown option 'noise.shard'",
            "mean 'shared'?",
        ),
        ("  noise: {shared: true}\n", "10:3", "missing option 'noise.sigma'", "'noise' takes"),
        ("  noise: {sigma: x}\n", "10:18", 'noise.sigma: should be a valid number, not "x"', ""),
        (
            "  by_name: {first: {widht: 1}}\n",
            "10:21",
            "unknown option 'by_name.first.widht'",
            "mean 'width'?",
        ),
        ("  pair: [1, {widht: 2}]\n", "10:14", "unknown option 'pair.1.widht'", "mean 'width'?"),
        ("  pair: [1]\n", "10:3", "pair: item 2 is missing", "'pair' takes [int, {width"),
        ("  layer: 3\n", "10:10", "layer: should be a mapping", "'layer' takes {width"),
        ("  rate: 1\n", "10:9", "rate: should be less than 1, not 1", "float > 0 and < 1; the def"),
        ("  rate: '0.5'\n", "10:9", 'rate: should be a valid number, not "0.5"', "is 0.5."),
        ("  step: 9\n", "10:9", "step: should be a multiple of 8, not 9", "'step' takes"),
        ("  code: A\n", "10:9", 'code: should be small letters, not "A"', "the default is x."),
        (
            "  mode: c\n",
            "10:9",
            "mode: should be 'a' or 'b' or a valid integer, not \"c\"",
            "'mode' takes 'a' or 'b' or int; the default is a.",
        ),
    ],
)
def test_a_nested_problem_has_its_own_place_and_name(
    options: str, place: str, message: str, hint: str
) -> None:
    (problem,) = problems(options)
    assert str(problem.position) == f"r.yaml:{place}"
    assert problem.message.startswith(f"loss 'mine': {message}")
    assert hint in (problem.hint or "")


def test_every_problem_of_nested_options_is_told_at_once() -> None:
    found = problems("  layers: [{width: 0}, {widht: 1}]\n  noise: {sigma: x, hared: true}\n")
    assert [str(problem.position) for problem in found] == [
        f"r.yaml:{place}" for place in ("10:20", "10:25", "11:18", "11:21")
    ]


def refused(target: Any, kind: str = "loss") -> PluginError:
    with pytest.raises(PluginError) as caught:
        read_signature(target, kind)
    assert caught.value.hint, "a plugin's author is told what to do"
    return caught.value


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in RESERVED for n in sorted(RESERVED[k])])
def test_an_option_cannot_have_the_name_of_a_key_that_is_read_beside_it(
    kind: str, name: str
) -> None:
    space: dict[str, Any] = {}
    exec(f"def make(*, {name}: float = 1.0) -> None: pass", space)
    assert (
        f"'{name}' has the name of a key that ganforge reads"
        in refused(space["make"], kind).message
    )
    assert read_signature(space["make"], "loss").model.model_fields.keys() == {name}


def test_no_kind_has_an_option_called_use() -> None:
    def make(*, use: str = "x") -> None:
        pass

    assert "'use' has the name of a key that ganforge reads" in refused(make).message


@pytest.mark.parametrize("name", ["_width", "copy", "json", "schema", "model_config", "model_dump"])
def test_an_option_cannot_have_a_name_that_pydantic_keeps(name: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def make(*, {name}: int = 1) -> None: pass", space)
    error = refused(space["make"])
    assert error.message == f"make: the option '{name}' has a name that pydantic keeps for itself"


def test_names_that_pydantic_only_frowns_at_are_options() -> None:
    def make(*, model_size: int = 1) -> None:
        pass

    assert read_signature(make, "loss").check({"model_size": 2})[0] == {"model_size": 2}


def test_an_option_that_only_a_position_gives_is_refused() -> None:
    def make(width: int = 1, /) -> None:
        pass

    assert "'width' can only be given by its position" in refused(make).message


class Colour(enum.Enum):
    RED = "red"


def no_text(*, width: int = "8") -> None:  # type: ignore[assignment]
    pass


def out_of_bounds(*, width: Annotated[int, Field(ge=1)] = 0) -> None:
    pass


def infinite(*, bound: float = math.inf) -> None:
    pass


def none_where_none_is_not(*, width: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013
    pass


def module(*, act: torch.nn.Module = torch.nn.ReLU()) -> None:  # noqa: B008
    pass


def function(*, act: Callable[[int], int] = abs) -> None:
    pass


def dtype(*, dtype: torch.dtype = torch.float32) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "option", "why"),
    [
        (no_text, "width", 'width: should be a valid integer, not "8"'),
        (out_of_bounds, "width", "width: should be greater than or equal to 1, not 0"),
        (infinite, "bound", ""),
        (none_where_none_is_not, "width", "width: should be a valid integer, not null"),
        (module, "act", ""),
        (function, "act", ""),
        (dtype, "dtype", ""),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_default_that_no_recipe_can_write_is_the_plugins_fault(
    make: Any, option: str, why: str
) -> None:
    error = refused(make)
    start = f"{make.__name__}: no recipe can write the default of '{option}': "
    assert error.message.startswith(start)
    assert error.message.removeprefix(start).startswith(why)


def test_defaults_that_yaml_writes_as_text_or_lists_are_fine() -> None:
    def make(
        *,
        colour: Colour = Colour.RED,
        root: Path = Path("data"),
        sizes: List[int] = [1, 2],  # noqa: B006, UP006
        pair: tuple[int, float] = (1, 2.0),
        names: frozenset[str] = frozenset({"a"}),
        width: int | None = None,
    ) -> None:
        pass

    make.__annotations__.update(colour=Colour)  # of this module, where hints are looked up
    values, found = read_signature(make, "loss").check({"colour": "red", "root": "there"})
    assert not found
    assert (values["colour"], values["root"], values["pair"]) == (Colour.RED, Path("there"), (1, 2))


def test_a_recipe_names_the_plugin_whose_option_is_refused() -> None:
    with pytest.raises(RecipeError) as caught:
        checked("", target=no_text)
    (problem,) = caught.value.problems
    assert str(problem.position) == "r.yaml:9:8"
    assert problem.message.startswith("loss 'mine' of plugin 'acme' (acme unversioned): no_text: ")
