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
from ganforge.faults import blame
from ganforge.plugins import load_registry
from ganforge.registry import Component, Plugin, Registry

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


@pytest.mark.parametrize("argument", ["registry", "register, kind", "register, extra"])
def test_an_argument_that_there_is_not_is_named(argument: str) -> None:
    error = error_of(f"{HOOK}def register_losses({argument}): ...\n")
    assert argument.split()[-1] in error
    assert "register_losses" in error
    assert "pluggy" not in error


def test_an_argument_of_the_plugins_own_has_a_default() -> None:
    plugin = loaded(f"{HOOK}def register_losses(register, name='x'): register(name, object)\n")
    assert [component.name for component in plugin.components] == ["x"]


def test_a_hook_may_be_a_function_of_another_name() -> None:
    plugin = loaded(
        "from ganforge import hookimpl\n\n@hookimpl(specname='register_losses')\n"
        "def losses(register): register('x', object)\n"
    )
    assert [str(c) for c in plugin.components] == ["loss 'x' of plugin 'acme' (acme 1.0)"]


def test_a_plugin_without_hooks_is_told() -> None:
    plugin = loaded("VALUE = 3\n")
    assert plugin.error is None
    (note,) = plugin.notes
    assert note.startswith("it implements no hook; there are register_datasets, ")


def test_a_slow_import_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.6, 20.0, 20.4])
    monkeypatch.setattr(pluginload.time, "perf_counter", lambda: next(clock))
    source = HOOK + "def register_losses(): ...\n"
    (note,) = loaded(source).notes
    assert note.startswith("its hook module takes 0.6 s to import: name targets by text")
    assert loaded(source).notes == []


@pytest.mark.parametrize("path", [None, Path("/lab/acme.py")])
def test_only_an_installed_hook_module_may_not_import_torch(
    monkeypatch: pytest.MonkeyPatch, path: Path | None
) -> None:
    torch = sys.modules["torch"]
    monkeypatch.delitem(sys.modules, "torch")
    module = ModuleType("acme")
    exec(HOOK + "def register_losses(): ...\n", module.__dict__)

    def load() -> ModuleType:
        sys.modules["torch"] = torch
        return module

    plugin = Plugin("acme", "acme", "1.0", path=path)
    pluginload.load_into(plugin, load)
    told = ["its hook module imports torch, which slows every command"] if path is None else []
    assert [note.partition(":")[0] for note in plugin.notes] == told
    again = Plugin("acme", "acme", "1.0")
    pluginload.load_into(again, load)  # another one has imported it before
    assert again.notes == []


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


def test_recipes_of_an_object_start_at_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("version: 1\n")
    module = ModuleType("acme_object")
    module.__file__ = str(tmp_path / "acme_object.py")
    monkeypatch.setitem(sys.modules, "acme_object", module)

    class Holder:
        @hookimpl
        def register_recipes(self, register: Callable[..., None]) -> None:
            register("mine", "mine.yaml")

    plugin = Plugin("acme", "acme", "1.0", module="acme_object")
    pluginload.load_into(plugin, Holder)
    assert (plugin.error, plugin.recipes) == (None, {"mine": tmp_path / "mine.yaml"})


def failing(module: str, then: Callable[[], object] | None = None) -> Callable[[], object]:
    """A function in a module of this name that fails, or calls another that does."""
    space = {"__name__": module, "then": then}
    exec("def work():\n    return then() if then else [].pop()\n", space)
    return space["work"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("modules", "owner"),
    [
        (["acme_only_commands"], "commands"),
        (["acme_only_commands.deep.part"], "commands"),
        (["acme_hooks"], "split"),
        (["acme_networks"], "split"),  # its hook module is elsewhere
        (["acme_networks", "numpy"], "split"),
        (["acme_hooks", "acme_only_commands"], "commands"),  # the innermost
        (["acme_networks", "torch.nn.modules"], "split"),
        (["torch.optim.sgd"], None),  # registered by 'shared', which did not write it
        (["ganforge.engine.run", "numpy"], None),
        (["acme_hooks_2"], None),
    ],
)
def test_a_fault_belongs_to_the_innermost_plugin(modules: list[str], owner: str | None) -> None:
    plugins = [
        Plugin("commands", "acme-a", "1.0", "acme_only_commands", add_commands=lambda cli: None),
        Plugin("split", "acme-b", "1.0", "acme_hooks.plugin"),
        Plugin("shared", "acme-c", "1.0", "acme_shared"),
    ]
    plugins[1].components.append(Component("loss", "x", plugins[1], "acme_networks.losses:X"))
    plugins[2].components.append(Component("optimizer", "y", plugins[2], "torch.optim:SGD"))
    work: Callable[[], object] | None = None
    for module in reversed(modules):
        work = failing(module, work)
    assert work is not None
    with pytest.raises(IndexError) as caught:
        work()
    found = blame(caught.value, Registry(plugins))
    assert (found.name if found else None) == owner


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
