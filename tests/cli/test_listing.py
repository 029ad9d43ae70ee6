"""``list-plugins``, ``list-recipes`` and ``describe``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from commandline import Ganforge

import ganforge as package


def test_list_plugins_shows_what_each_provides(ganforge: Ganforge) -> None:
    done = ganforge("list-plugins")
    assert done.code == 0
    head, *lines = done.out.splitlines()
    assert head.split() == ["plugin", "version", "package", "provides"]
    (mnist,) = (line for line in lines if line.startswith("mnist"))
    head = ["mnist", package.__version__, "ganforge", "dataset:"]
    assert mnist.split() == [*head, "mnist,", "stacked_mnist"]


def test_list_plugins_by_kind_and_as_json(ganforge: Ganforge) -> None:
    found = json.loads(ganforge("list-plugins", "--kind", "loss", "--json").out)
    (losses,) = (plugin for plugin in found if plugin["plugin"] == "losses")
    names = [component["name"] for component in losses["provides"]]
    assert names[:5] == ["non_saturating", "minimax", "hinge", "least_squares", "wasserstein"]


def test_list_recipes_says_what_each_is(ganforge: Ganforge) -> None:
    recipes = {
        row["name"]: row["description"]
        for row in json.loads(ganforge("list-recipes", "--json").out)
    }
    assert {"mnist_dcgan", "mnist_dcgan_2019", "smoke", "ring_gan"} <= set(recipes)
    assert all(recipes.values())
    assert "mnist_dcgan_2019" in ganforge("list-recipes").out


def test_describe_tells_options_documentation_and_origin(ganforge: Ganforge) -> None:
    text = ganforge("describe", "regularizer", "r1").out
    assert "Mescheder et al. 2018" in text
    assert "It has no options." in text
    facts = json.loads(ganforge("describe", "generator", "dcgan", "--json").out)
    assert [option["name"] for option in facts["options"]] == ["channels"]
    assert facts["options"][0]["default"] == 64
    assert facts["supplied"] == ["image_shape", "latent_dim"]
    file, _, line = facts["source"].rpartition(":")
    assert Path(file).read_text().splitlines()[int(line) - 1].startswith("class DCGANGenerator")


def test_help_groups_the_commands(ganforge: Ganforge) -> None:
    text = ganforge("--help").out
    assert text.index("Train:") < text.index("\n  run ") < text.index("Use a trained model:")


def test_plugins_add_commands_and_a_broken_one_stops_nothing(
    ganforge: Ganforge, plugin: Callable[[str], None]
) -> None:
    plugin(
        "import click\n"
        "from ganforge import hookimpl\n"
        "@click.command()\ndef hello():\n    'Greet.'\n    click.echo('hello from acme')\n"
        "@hookimpl\ndef register_commands(cli):\n    cli.add_command(hello)\n    1 / 0\n"
    )
    assert "hello  Greet." in ganforge("--help").out
    done = ganforge("hello")
    assert done.out == "hello from acme\n"
    told = "plugin 'acme' (acme-gan 0.3): register_commands failed: ZeroDivisionError"
    assert told in done.err
    assert ganforge("list-recipes").code == 0


def test_a_broken_plugin_is_listed_with_its_reason(
    ganforge: Ganforge, plugin: Callable[[str], None]
) -> None:
    plugin("import nothing_of_that_name")
    done = ganforge("list-plugins")
    (line,) = (line for line in done.out.splitlines() if line.startswith("acme"))
    assert line.split()[:3] == ["acme", "0.3", "acme-gan"]
    assert "not loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'" in line
    run = ganforge("run", "smoke", "--dry-run")
    assert run.code == 0
    assert run.err.count("nothing_of_that_name") == 1
