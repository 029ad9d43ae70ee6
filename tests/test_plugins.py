"""Finding plugins: each is isolated, every fault is told, names are found by fixed rules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

from ganforge import discovery
from ganforge.errors import PluginError, UsageError
from ganforge.plugins import load_registry
from ganforge.registry import Component, Plugin, Registry

HOOK = "from ganforge import hookimpl\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a distribution with one plugin on the path, as pip would leave it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, source: str) -> None:
        module = f"acme_{name}"
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = {module}\n")
        sys.modules.pop(module, None)

    return install


def plugin(registry: Registry, name: str) -> Plugin:
    return next(plugin for plugin in registry.plugins if plugin.name == name)


def test_first_party_plugins_come_in_by_entry_points() -> None:
    registry = load_registry()
    assert {entry.name for entry in entry_points(group="ganforge")} == {
        found.name for found in registry.plugins
    }
    assert registry.find("generator", "dcgan").plugin.package == "ganforge"
    assert registry.find("generator", "dcgan:dcgan").name == "dcgan"


def test_an_installed_plugin_adds_components(install: Callable[[str, str], None]) -> None:
    install(
        "good",
        HOOK + "@hookimpl\ndef register_losses(register):\n"
        "    register('mine', 'acme_good:Mine', summary='my loss')\n"
        "class Mine:\n    pass\n",
    )
    component = load_registry().find("loss", "mine")
    assert str(component) == "loss 'mine' of plugin 'good' (acme-good 1.2)"
    assert component.load().__name__ == "Mine"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import does_not_exist", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        (
            HOOK + "@hookimpl\ndef register_generator(register): pass",
            "unknown hook 'register_generator'. Did you mean 'register_generators'?",
        ),
        (
            HOOK + "@hookimpl\ndef register_losses(registry): pass",
            "Argument(s) {'registry'} are declared in the hookimpl but can not be found",
        ),
        (HOOK + "@hookimpl\ndef register_losses(register): 1 / 0", "ZeroDivisionError"),
        (
            HOOK + "@hookimpl\ndef register_losses(register): register('x', 'no_colon')",
            "loss 'x': the target must be 'package.module:Name' or a class, not 'no_colon'",
        ),
        (
            HOOK + "@hookimpl\ndef register_losses(register):\n"
            "    register('x', 'a:B')\n    register('x', 'a:C')",
            "loss 'x' is registered twice",
        ),
    ],
)
def test_a_broken_plugin_costs_one_line_and_no_other_plugin(
    install: Callable[[str, str], None], source: str, error: str
) -> None:
    install("broken", source)
    registry = load_registry()
    broken = plugin(registry, "broken")
    assert broken.error is not None
    assert error in broken.error
    assert "\n" not in broken.error
    assert not broken.components
    assert registry.find("generator", "dcgan")
    with pytest.raises(UsageError) as caught:
        registry.find("loss", "hinges")
    assert "Did you mean 'hinge'?" in str(caught.value.hint)
    assert f"plugin 'broken' (acme-broken 1.2) was not loaded: {broken.error}" in str(
        caught.value.hint
    )


def test_a_missing_target_is_told_when_it_is_used(install: Callable[[str, str], None]) -> None:
    install(
        "lost",
        HOOK + "@hookimpl\ndef register_losses(register):\n"
        "    register('a', 'acme_lost:Nowhere')\n    register('b', 'acme_nothing:X')\n",
    )
    registry = load_registry()
    with pytest.raises(PluginError, match="acme_lost has no 'Nowhere'"):
        registry.find("loss", "a").load()
    reason = r"cannot import acme_nothing: .*No module named 'acme_nothing'$"
    with pytest.raises(PluginError, match=reason):
        registry.find("loss", "b").load()


def test_without_any_plugin_the_message_says_how_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ganforge.plugins.installed", list)
    with pytest.raises(UsageError) as caught:
        load_registry()
    assert "no plugin is installed" in caught.value.message
    assert "pip install" in str(caught.value.hint)


def test_what_is_installed_is_remembered_until_the_path_changes(
    install: Callable[[str, str], None],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    looks = []
    look = discovery._look

    def counted() -> list[discovery.Found]:
        looks.append(1)
        return look()

    monkeypatch.setattr(discovery, "_look", counted)
    first = discovery.installed()
    assert discovery.installed() == first
    assert len(looks) == 1
    install("late", "")
    assert {found.name for found in discovery.installed()} == {"late", *(f.name for f in first)}
    (kept,) = (cache / "ganforge").iterdir()
    kept.write_text("[1, 2")  # a damaged cache is made anew
    assert len(discovery.installed()) == len(first) + 1
    assert len(looks) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert "mnist" in {found.name for found in discovery.installed()}


def registry_of(*owners: tuple[str, str]) -> Registry:
    """A registry in which each ``(plugin, package)`` provides the loss ``x``."""
    plugins = []
    for name, package in owners:
        made = Plugin(name, package, "1")
        made.components.append(Component("loss", "x", made, object))
        plugins.append(made)
    return Registry(plugins)


def test_bare_names_belong_to_the_first_party_plugins() -> None:
    registry = registry_of(("acme", "acme-x"), ("core", "ganforge"))
    assert registry.find("loss", "x").plugin.name == "core"
    assert registry.find("loss", "acme:x").plugin.name == "acme"
    assert registry.names("loss") == ["acme:x", "x"]


def test_a_clash_of_strangers_is_an_error_that_lists_the_candidates() -> None:
    registry = registry_of(("acme", "acme-x"), ("bolt", "bolt-x"))
    with pytest.raises(UsageError) as caught:
        registry.find("loss", "x")
    assert caught.value.message == "several plugins provide loss 'x'"
    assert caught.value.hint == "Say which: acme:x, bolt:x."


def test_a_module_can_be_given_directly() -> None:
    module = ModuleType("handmade")
    exec(
        HOOK + "@hookimpl\ndef register_losses(register):\n    register('given', object)\n",
        module.__dict__,
    )
    assert load_registry(extra=[module]).find("loss", "given").plugin.name == "handmade"
