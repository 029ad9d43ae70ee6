"""Plugins as a whole: ganforge's own pass; what does not load, or loads badly, is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganforge.errors import UsageError
from ganforge.plugins import load_registry
from ganforge.recipe.shipped import folder as recipes
from ganforge.testing import Finding, check_plugin, examine

ACME = Path(__file__).parent / "acme"
FIRST_PARTY = [plugin.name for plugin in load_registry().plugins if plugin.first_party]

HOOK = "from ganforge import hookimpl\n\n\n"
TARGET = (
    HOOK + "@hookimpl\ndef register_losses(register):\n"
    "    register('acme', 'ganforge_losses.losses:Hinge', summary='a loss')\n"
)


def only(found: list[Finding], check: str) -> Finding:
    return next(finding for finding in found if finding.check == check)


NOT_TRIED = {
    # It needs what the stand-ins do not have: networks that grow.
    "game progressive": {"step", "regularizers", "augmentations", "members", "resume", "pictures"},
    # The level is a number that is read, and the mini-batch deviation is meant.
    "generator progressive": {"device"},
    "discriminator progressive": {"device", "batch-of-one"},
    # Points may be anywhere.
    "generator pacgan_mixture": {"output-range"},
    # Its weights are a file that nothing ships.
    "feature_network inception": {"build", "output", "each-by-itself", "same-twice"},
    # It counts the modes of a mixture.
    "metric mixture_modes": {"measures", "same-twice"},
}
"""Checks of our own components that tell something else than that all is well."""


@pytest.fixture
def needed(tmp_path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Options that have no default, by plugin."""
    for domain in ("source", "target"):
        (tmp_path / domain).mkdir()
        for number in range(3):
            grey = Image.new("L", (16, 16), 80 * number + len(domain))
            grey.save(tmp_path / domain / f"{number}.png")
    np.save(tmp_path / "images-0.npy", np.arange(4 * 64, dtype=np.uint8).reshape(4, 1, 8, 8))
    root = {"root": str(tmp_path)}
    return {"transforms": {"dataset.paired_folder": root}, "shards": {"dataset.shards": root}}


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_ganforges_own_plugins_pass(
    name: str, needed: dict[str, dict[str, dict[str, str]]]
) -> None:
    found = check_plugin(name, options=needed.get(name))
    provided = next(p for p in load_registry().plugins if p.name == name).components
    for component in provided:
        checks = [f for f in found if f.component == f"{component.kind} {component.name}"]
        assert len(checks) >= 10
        other = {finding.check for finding in checks if finding.outcome != "ok"}
        assert other == NOT_TRIED.get(f"{component.kind} {component.name}", set())
        assert not any(finding.failed for finding in checks)
    assert only(found, "hook-imports").outcome == "ok"


@pytest.mark.parametrize("name", ["acme", "acme-gan", "Acme_GAN", "acme_gan"])
def test_an_installed_plugin_is_found_by_several_names(
    install: Callable[[str], str], name: str
) -> None:
    install(TARGET)
    assert {f.component for f in check_plugin(name)} == {"plugin acme", "loss acme"}


def test_a_package_folder_a_path_and_a_module_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "somewhere" / "boxed"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(TARGET)
    monkeypatch.chdir(tmp_path)
    for plugin in (package, Path("somewhere/boxed"), "somewhere/boxed"):
        assert only(check_plugin(plugin), "registers-something").message == "loss acme"
    monkeypatch.syspath_prepend(str(package.parent))
    assert only(check_plugin("boxed"), "hook-imports").outcome == "ok"


@pytest.mark.parametrize(
    ("source", "message", "change"),
    [
        ("import nowhere\n", "No module named 'nowhere'", "Install 'nowhere', or correct the im"),
        ("raise SystemExit(3)\n", "it was not loaded: SystemExit: 3", "Correct {file}:1."),
        ("def broken(:\n", "it was not loaded: SyntaxError", "Correct {file}."),
        (
            TARGET.replace("register_losses", "register_loss"),
            "unknown hook 'register_loss'. Did you mean 'register_losses'?",
            "Correct {file}.",
        ),
        (TARGET + "    1 / 0\n", "it was not loaded: ZeroDivisionError", "Correct {file}:7."),
    ],
)
def test_a_plugin_that_does_not_load_is_a_finding(
    write: Callable[[str], Path], source: str, message: str, change: str
) -> None:
    path = write(source)
    found = examine(path)
    assert [finding.check for finding in found if finding.failed] == ["loads"]
    assert message in only(found, "loads").message
    assert change.replace("{file}", str(path)) in only(found, "loads").change
    assert only(found, "registers-something").outcome == "skipped"


def test_an_installed_plugin_that_does_not_load_is_a_finding(
    install: Callable[[str], str],
) -> None:
    found = examine(install("import nowhere\n"))
    assert [finding.check for finding in found if finding.failed] == ["loads"]


def test_a_plugin_must_provide_something(install: Callable[[str], str]) -> None:
    found = only(examine(install("")), "registers-something")
    assert found.message == "it provides nothing"
    assert "mark it with @ganforge.hookimpl" in found.change


def test_a_hook_module_must_not_import_torch(install: Callable[[str], str]) -> None:
    found = examine(install("import torch\n" + TARGET))
    assert [finding.check for finding in found if finding.failed] == ["hook-imports"]
    assert only(found, "hook-imports").message == "its hook module imports torch"
    assert "'package.module:Name'" in only(found, "hook-imports").change


def test_a_hook_that_imports_torch_when_it_is_called_is_noticed(
    install: Callable[[str], str],
) -> None:
    assert only(examine(install(TARGET + "    import torch\n")), "hook-imports").failed


def test_a_hook_module_that_imports_numpy_gets_a_note(install: Callable[[str], str]) -> None:
    found = only(examine(install("import numpy\n" + TARGET)), "hook-imports")
    assert found.outcome == "note"
    assert "its hook module imports numpy" in found.message


def test_a_slow_import_gets_a_note(install: Callable[[str], str]) -> None:
    found = only(examine(install("import time\ntime.sleep(0.6)\n" + TARGET)), "notes")
    assert found.outcome == "note"
    assert "s to import" in found.message


def test_a_hook_module_that_needs_what_others_have_set(
    install: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "acme_is_ready", True, raising=False)
    found = only(examine(install("import os\nassert os.acme_is_ready\n" + TARGET)), "hook-imports")
    assert "it loads here, but not in a fresh process: " in found.message
    assert "depend on nothing that something else has imported" in found.change


def test_recipes_that_a_plugin_ships_are_checked(write: Callable[[str, str], Path]) -> None:
    right = (recipes() / "smoke.yaml").read_text()
    write(right, "right.yaml")
    write(right.replace("use: mnist", "use: mnits"), "wrong.yaml")
    hook = "@hookimpl\ndef register_recipes(register):\n"
    hook += "".join(f"    register('{name}', '{name}.yaml')\n" for name in ("right", "wrong"))
    found = examine(write(HOOK + hook, "mine.py"))
    right, wrong = (f for f in found if f.check == "valid")
    assert (right.component, right.outcome) == ("recipe right", "ok")
    assert (wrong.component, wrong.outcome) == ("recipe wrong", "failed")
    assert "unknown dataset 'mnits'" in wrong.message
    assert "See it again with: ganforge validate " in wrong.change


def test_check_plugin_raises_every_failure_with_what_to_change(
    write: Callable[[str], Path],
) -> None:
    source = (ACME / "acme_generator.py").read_text()
    source = source.replace("nn.Tanh()", "nn.Identity()").replace(".randn_like", ".randn_of")
    line = source.partition(".randn_of")[0].count("\n") + 1
    path = write(source.replace("noise: How", "nose: How"), "acme_generator.py")
    with pytest.raises(AssertionError) as caught:
        check_plugin(path)
    text = str(caught.value)
    count = len(examine(path))
    head = f"{path}: 2 of {count} checks failed\n  generator acme: documentation: "
    assert text.startswith(head)
    assert "\n      Change: Add a section 'Args:' to it" in text
    assert "generator acme: call: made for samples (1, 28, 28) and called in training" in text
    assert f"Change: Correct what raises it: {path}:{line}." in text
    assert "output-range" not in text  # it could not be checked


@pytest.mark.parametrize(
    ("plugin", "options", "message", "hint"),
    [
        ("dgcan", {}, "there is no plugin 'dgcan'", "Did you mean 'dcgan'?"),
        ("./nowhere.py", {}, "there is no plugin file 'nowhere.py'", "Check the path."),
        (
            "dcgan",
            {"generator.dgcan": {}},
            "options are given for 'generator.dgcan', which the plugin does not provide",
            "Did you mean 'generator.dcgan'?",
        ),
        (
            "dcgan",
            {"generator.dcgan": {"chanels": 3}},
            "generator.dcgan: unknown option 'chanels'",
            "Did you mean 'channels'?",
        ),
        (
            "dcgan",
            {"generator.dcgan": {"image_shape": [1, 8, 8]}},
            "generator.dcgan: 'image_shape' is supplied by ganforge and cannot be set",
            "Remove it",
        ),
    ],
)
def test_what_there_is_not_is_a_mistake_of_the_user(
    plugin: str, options: dict[str, dict[str, object]], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_plugin(plugin, options=options)
    assert caught.value.message == message
    assert hint in str(caught.value.hint)
