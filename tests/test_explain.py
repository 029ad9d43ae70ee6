"""What there is to say of a component: types in words, documentation, the true place."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, Optional, Tuple, Union  # noqa: UP035

import pydantic
import pytest
from pydantic import Field

from ganforge.api import Every
from ganforge.cli import cli
from ganforge.explain import described_options, documented, facts, option_text, source, type_text
from ganforge.options import read_signature
from ganforge.registry import Component, Plugin

ACME = Plugin("acme", package="acme-gan", version="1.2")


class Layer(pydantic.BaseModel):
    """A layer, as a nested option."""

    width: Annotated[int, Field(ge=1)] = 8
    activation: Literal["relu", "tanh"] | None = None


@dataclasses.dataclass
class Noise:
    """Noise, as a nested option that needs no pydantic."""

    sigma: float = 0.1
    shared: bool = False


class Documented:
    """A network whose class says what it is.

    The text goes on here, and speaks of Args: only in passing.

    Args:
        channels: Feature maps of the last layer,
            doubled: at each scale.
        layer (Layer, optional): The first layer.

        noise: Behind a blank line.

    Raises:
        channels: Never.
    """

    def __init__(
        self,
        *,
        channels: Annotated[int, Field(ge=1, lt=1024)],
        layer: Layer = Layer(),  # noqa: B008  # read only
        noise: Noise | None = None,
        sizes: Annotated[List[int], Field(default_factory=lambda: [4, 8])],  # noqa: UP006
        every: Every = Every(1, "epochs"),
        said: Annotated[int, Field(description="Said by its annotation.")] = 1,
    ) -> None:
        pass


def made(name: str, *, size: int = 3) -> Any:
    """A function makes components as well."""


WORDS = [
    (int, "int"),
    (bool, "true or false"),
    (Any, "anything"),
    (int | None, "int or null"),
    (Optional[str], "str or null"),  # noqa: UP045
    (Union[int, str], "int or str"),  # noqa: UP007
    (int | list[str] | None, "int or list of str or null"),
    (Literal["a", "b"], "'a' or 'b'"),
    (Literal["a", 3, True, None], "'a' or 3 or true or null"),
    (Annotated[int, Field(ge=1)], "int >= 1"),
    (Annotated[float, Field(gt=0, le=1)], "float > 0 and <= 1"),
    (Annotated[int, Field(multiple_of=8, le=64)], "int <= 64 and in multiples of 8"),
    (Annotated[str, Field(min_length=2, pattern="a+")], "str of length >= 2 and matching a+"),
    (Annotated[int, Field(ge=1)] | None, "int >= 1 or null"),
    (list[Annotated[float, Field(lt=2)]], "list of float < 2"),
    (Sequence[int], "list of int"),
    (set[int], "list of int"),
    (tuple[float, float], "[float, float]"),
    (tuple[int, ...], "list of int"),
    (dict[str, int], "mapping of str to int"),
    (Mapping[str, list[int]], "mapping of str to list of int"),
    (list, "list"),
    (List, "list"),  # noqa: UP006
    (Tuple, "tuple"),  # noqa: UP006
    (Dict, "dict"),  # noqa: UP006
    (Optional[List], "list or null"),  # noqa: UP006, UP045
    (Every, "a period such as 100 steps or 1 epoch"),
    (Every | None, "a period such as 100 steps or 1 epoch or null"),
    (Path, "Path"),
    (Layer, "{width: int >= 1, activation: 'relu' or 'tanh' or null}"),
    (list[Layer], "list of {width: int >= 1, activation: 'relu' or 'tanh' or null}"),
    (Noise, "{sigma: float, shared: true or false}"),
    (Noise | None, "{sigma: float, shared: true or false} or null"),
]


@pytest.mark.parametrize(("annotation", "words"), WORDS, ids=[words for _, words in WORDS])
def test_a_type_is_told_in_words(annotation: Any, words: str) -> None:
    assert type_text(annotation) == words


def test_facts_tell_every_option_with_its_default_and_its_description() -> None:
    found = facts(Component("callback", "doc", ACME, Documented, "One line."))
    options = {each["name"]: each for each in found["options"]}
    assert list(options) == ["channels", "layer", "noise", "sizes", "every", "said"]
    assert options["channels"] == {
        "name": "channels",
        "type": "int >= 1 and < 1024",
        "required": True,
        "default": None,
        "description": "Feature maps of the last layer, doubled: at each scale.",
    }
    assert options["layer"]["default"] == {"width": 8, "activation": None}
    assert options["layer"]["description"] == "The first layer."
    assert options["noise"]["description"] == "Behind a blank line."
    assert (options["sizes"]["required"], options["sizes"]["default"]) == (False, [4, 8])
    assert options["every"]["default"] == "1 epoch"
    assert options["said"]["description"] == "Said by its annotation."
    assert found["plugin"] == "plugin 'acme' (acme-gan 1.2)"
    assert found["documentation"].startswith("A network whose class says what it is.\n\nThe text")


def test_an_option_in_one_sentence_names_its_default() -> None:
    fields = read_signature(Documented, "callback").model.model_fields
    assert option_text("channels", fields["channels"]) == ("'channels' takes int >= 1 and < 1024.")
    assert option_text("every", fields["every"]) == (
        "'every' takes a period such as 100 steps or 1 epoch; the default is 1 epoch."
    )
    assert option_text("sizes", fields["sizes"]).endswith("; the default is [4, 8].")


def test_a_constructors_docstring_is_read_as_well_and_a_base_classs_is_not() -> None:
    class Base:
        """Of the base."""

        def __init__(self, *, width: int = 1) -> None:
            """Of the base's constructor.

            Args:
                width: Of the base.
            """

    class Silent(Base):
        def __init__(self, *, width: int = 1) -> None:
            pass

    class Both(Base):
        """Of the class."""

        def __init__(self, *, width: int = 1) -> None:
            """Made of a width.

            Args:
                width: Its own.
            """

    assert documented(Silent) == ""
    assert documented(Both).startswith("Of the class.\n\nMade of a width.\n\nArgs:")
    assert described_options(documented(Both)) == {"width": "Its own."}
    summary = facts(Component("callback", "s", ACME, Silent, "From the hook."))["documentation"]
    assert summary == "From the hook."
    nothing = facts(Component("callback", "s", ACME, Silent))["documentation"]
    assert nothing == "It has no documentation."


def test_the_arguments_of_class_and_constructor_are_both_found() -> None:
    class Two:
        """Of the class.

        Args:
            depth: In layers.
        """

        def __init__(self, *, depth: int = 1, width: int = 2) -> None:
            """Made.

            Args:
                width: In channels.
            """

    assert described_options(documented(Two)) == {"depth": "In layers.", "width": "In channels."}


def test_the_source_is_the_line_where_the_class_or_function_starts() -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    for target, start in ((Documented, "class Documented:"), (made, "def made(")):
        file, _, line = source(target).rpartition(":")
        assert Path(file) == Path(__file__)
        assert lines[int(line) - 1].startswith(start)


def test_what_has_no_source_says_so() -> None:
    assert source(type("Made", (), {})) == "unknown"
    assert source(dict) == "unknown"
    assert source(OrderedDict(a=1)) == "unknown"


NESTED = """\
from ganforge import hookimpl
from pydantic import BaseModel


class Layer(BaseModel):
    width: int = 8
    names: list[str] | None = None


class Mine:
    \"\"\"A loss with a nested option.\"\"\"

    def __init__(self, *, rate: float, layer: Layer = Layer(width=4)) -> None:
        pass


@hookimpl
def register_losses(register):
    register("mine", Mine)
"""


def test_describe_shows_a_nested_option_as_a_recipe_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "nested.py"
    file.write_text(NESTED)
    cli.main(["-p", str(file), "describe", "loss", "mine"], "ganforge", standalone_mode=False)
    line = NESTED.splitlines().index("class Mine:") + 1
    assert capsys.readouterr().out.splitlines() == [
        f"loss mine   plugin 'nested' ({file})",
        "",
        "A loss with a nested option.",
        "",
        "Options:",
        "  rate: float   (required)",
        "  layer: {width: int, names: list of str or null}   (default: {width: 4, names: null})",
        f"Source: {file}:{line}",
    ]
