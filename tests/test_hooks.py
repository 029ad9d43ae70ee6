"""The contract of hooks: what an implementation may leave out, what is refused, what is noted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import click
import pluggy
import pytest

from ganforge import hookimpl, hookspecs, pluginload
from ganforge.plugins import load_registry
from ganforge.registry import Plugin, Registry

HOOK = "from ganforge import hookimpl\n\n@hookimpl\n"


def loaded(source: str, name: str = "acme") -> Plugin:
    """A module of this source, loaded as a plugin."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(source, module.__dict__)
    plugin = Plugin(name, name, "1.0", module=name)
    pluginload.load_into(plugin, lambda: module)
    return plugin


def error_of(source: str) -> str:
    plugin = loaded(source)
    assert plugin.error is not None
    assert not plugin.components
    return plugin.error


def test_an_implementation_may_take_fewer_arguments() -> None:
    source = HOOK + "def register_losses(): ...\n\n@hookimpl\ndef register_commands(): ...\n"
    plugin = loaded(source)
    assert plugin.error is None
    assert plugin.add_commands is not None
    plugin.add_commands(click.Group())


def test_a_hook_that_only_a_newer_ganforge_has_may_be_optional() -> None:
    source = "from ganforge import hookimpl\n\n@hookimpl(optionalhook=True)\n"
    assert loaded(source + "def register_dreams(register): ...\n").error is None
    assert "unknown hook 'register_dreams'" in error_of(
        HOOK + "def register_dreams(register): ...\n"
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def register_losses(register): ...\n", "'register_losses' is not marked with"),
        (
            "from ganforge import hookimpl\n\n@hookimpl(wrapper=True)\n"
            "def register_losses(register): return (yield)\n",
            "hook 'register_losses' is a wrapper",
        ),
        (HOOK + "def register_losses(register): yield\n", "register_losses returned generator"),
        (HOOK + "async def register_losses(register): ...\n", "returned coroutine"),
        (HOOK + "def register_losses(register): return [1]\n", "register_losses returned list"),
        (HOOK + "def register_losses(register): register('a b', object)\n", "a name is text"),
        (HOOK + "def register_losses(register): register('a:b', object)\n", "a name is text"),
        (HOOK + "def register_losses(register): register('a', 3)\n", "the target must be"),
        (
            HOOK + "def register_recipes(register): register('x', 'nowhere.yaml')\n",
            "recipe 'x': the plugin has no folder; name an absolute path",
        ),
        (
            HOOK + "def register_recipes(register): register('x', '/nowhere/x.yaml')\n",
            "recipe 'x': there is no file '/nowhere/x.yaml'",
        ),
        (
            "GANFORGE_HOOKS = 99\n",
            "it needs version 99 of the hooks, and this ganforge has version",
        ),
        (
            "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise_it = True\n"
            + HOOK
            + "def register_losses(register): raise Odd\n",
            "Odd",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_what_would_silently_do_nothing_is_told(source: str, told: str) -> None:
    error = error_of(source)
    assert told in error
    assert "\n" not in error


def test_a_plugin_may_ask_for_hooks_that_there_are() -> None:
    assert loaded(f"GANFORGE_HOOKS = {hookspecs.VERSION}\n").error is None


class Specs:
    """Hooks of another version: one is to go, and one argument is."""

    @hookspecs.hookspec(warn_on_impl=FutureWarning("register_losses goes: use register_terms"))
    def register_losses(self, register: object) -> None: ...

    @hookspecs.hookspec(
        warn_on_impl_args={"register": FutureWarning("'register' goes: take nothing")}
    )
    def register_games(self, register: object) -> None: ...


@pytest.fixture
def other_specs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pluginload, "Hooks", Specs)
    pluginload._manager.cache_clear()
    yield
    pluginload._manager.cache_clear()


@pytest.mark.usefixtures("other_specs")
def test_what_will_be_removed_still_works_and_is_noted() -> None:
    body = "(register): register('x', object)\n"
    plugin = loaded(f"{HOOK}def register_losses{body}\n@hookimpl\ndef register_games{body}")
    assert [component.kind for component in plugin.components] == ["game", "loss"]
    assert plugin.error is None
    assert set(plugin.notes) == {
        "register_losses goes: use register_terms",
        "'register' goes: take nothing",
    }
    assert loaded(HOOK + "def register_games(): ...\n").notes == []


def test_a_refused_plugin_leaves_nothing_to_the_next() -> None:
    half = HOOK + "def register_games(register): register('half', object)\n\n@hookimpl\n"
    error_of(half + "def register_losses(wrong): ...\n")
    plugin = loaded(HOOK + "def register_losses(register): register('whole', object)\n")
    assert [component.name for component in plugin.components] == ["whole"]


def test_recipes_of_a_plugin_start_at_its_module(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text("version: 1\n")
    source = HOOK + "def register_recipes(register): register('mine', 'recipes/mine.yaml')\n"
    plugin = loaded(f"__file__ = {str(tmp_path / 'acme.py')!r}\n{source}")
    assert plugin.recipes == {"mine": tmp_path / "recipes" / "mine.yaml"}


def test_what_a_plugin_prints_does_not_get_among_the_results(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugin = Plugin("loud", "loud", "1.0")
    module = ModuleType("loud")

    def load() -> ModuleType:
        print("hello")  # noqa: T201
        return module

    pluginload.load_into(plugin, load)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "hello\n")


def test_the_names_of_ganforges_own_plugins_cannot_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hijack_it.py").write_text(
        HOOK + "def register_generators(register): register('dcgan', object)\n"
    )
    info = tmp_path / "aaa-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aaa\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganforge]\ndcgan = hijack_it\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load_registry()
    assert registry.find("generator", "dcgan:dcgan").plugin.package == "ganforge"
    assert registry.find("generator", "aaa.dcgan:dcgan").plugin.package == "aaa"


def test_two_plugins_with_one_command_do_not_replace_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganforge.cli import COMMANDS, lazy

    def adding(name: str) -> Callable[[click.Group], None]:
        return lambda cli: cli.add_command(click.Command(name, help="of a plugin"))

    plugins = [Plugin(name, name, "1.0", add_commands=adding("hello")) for name in ("one", "two")]
    plugins.append(Plugin("three", "three", "1.0", add_commands=adding("run")))
    monkeypatch.setattr(lazy, "registry", lambda: Registry(plugins))
    group = lazy.LazyGroup("ganforge", sections=COMMANDS)
    names = group.list_commands(click.Context(group))
    assert names.count("hello") == names.count("run") == 1
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "plugin 'two' (two 1.0): there is a command 'hello' already",
        "plugin 'three' (three 1.0): there is a command 'run' already",
    ]


def test_pluggy_checks_what_it_always_checked() -> None:
    """Our quicker look at a module's functions finds what pluggy's own finds."""
    module = ModuleType("acme")

    @hookimpl
    def register_losses(register: object) -> None: ...

    module.register_losses = register_losses  # type: ignore[attr-defined]
    module.constant = 3  # type: ignore[attr-defined]
    manager = pluggy.PluginManager("ganforge")
    manager.add_hookspecs(hookspecs.Hooks)
    manager.register(module)
    assert [caller.name for caller in manager.get_hookcallers(module) or ()] == ["register_losses"]
    assert list(pluginload._hooks(Plugin("acme", "acme", "1"), module)) == ["register_losses"]
