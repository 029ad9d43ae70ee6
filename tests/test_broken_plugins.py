"""Ten broken plugins at once: every command works, and each of them is reported in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = "from ganforge import hookimpl\n\n@hookimpl\n"
LOSSES = HOOK + "def register_losses(register):\n    "

PLUGINS = {
    "import_error": "import nothing_of_that_name\n",
    "exits": "raise SystemExit(3)\n",
    "misspelt": HOOK + "def register_loses(register): ...\n",
    "argument": HOOK + "def register_losses(registry): ...\n",
    "clash": LOSSES + "register('taken', 'plugin_clash:Taken')\n\nclass Taken: ...\n",
    "not_callable": LOSSES
    + "register('constant', 'plugin_not_callable:CONSTANT')\n\nCONSTANT = 3\n",
    "missing": LOSSES + "register('lost', 'plugin_missing:Nowhere')\n",
    "kwargs": LOSSES + "register('loose', 'plugin_kwargs:Loose')\n\n"
    "class Loose:\n    def __init__(self, **options: int) -> None: ...\n",
    "raises": LOSSES + "1 / 0\n",
    "slow": "import time\ntime.sleep(0.6)\n" + LOSSES + "register('late', 'plugin_slow:Late')\n\n"
    "class Late: ...\n",
}
OTHER = LOSSES + "register('taken', 'plugin_other:Taken')\n\nclass Taken: ...\n"
"""A sound plugin, which has a component of the same name as ``clash``."""

AT_ONCE = {
    "import_error": "was not loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'",
    "exits": "was not loaded: SystemExit: 3",
    "misspelt": "was not loaded: unknown hook 'register_loses'. Did you mean 'register_losses'?",
    "argument": "was not loaded: Plugin 'argument' for hook 'register_losses'",
    "raises": "was not loaded: ZeroDivisionError: division by zero",
    "slow": "its hook module takes 0.",
}
"""What every command says on standard error."""

ON_USE = {
    "clash": ("clash: loss 'taken' is also of other: write clash:taken", "several plugins"),
    "not_callable": ("plugin_not_callable:CONSTANT is not a class", "is not a class or function"),
    "missing": ("plugin_missing has no 'Nowhere'", "plugin_missing has no 'Nowhere'"),
    "kwargs": ("takes *options, so its options are unknown", "takes *options"),
}
"""What ``list-plugins --check`` and the check of a recipe say."""

NAMES = {"clash": "taken", "not_callable": "constant", "missing": "lost", "kwargs": "loose"}

COMMANDS = [
    ["--help"],
    ["list-plugins"],
    ["list-recipes"],
    ["describe", "generator", "dcgan"],
    ["validate", "smoke"],
    ["schema"],
    ["env"],
    ["copy-recipe", "smoke", "copied.yaml"],
    ["new-plugin", "fresh"],
    ["run", "smoke", "--dry-run"],
    ["run", "smoke", "train.steps=2", "-q"],
    ["generate", "runs/smoke/00001", "-n", "4"],
    ["resume", "runs/smoke/00001", "train.steps=3", "-q"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven distributions, as pip leaves them, and an empty folder to work in."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "work").mkdir()
    for name, source in {**PLUGINS, "other": OTHER}.items():
        info = folder / "site" / f"plugin_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / "site" / f"plugin_{name}.py").write_text(source)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = plugin_{name}\n")
    return folder


def ganforge(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganforge", *arguments],
        cwd=folder / "work",
        env={
            **os.environ,
            "PYTHONPATH": str(folder / "site"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def of(name: str, text: str) -> list[str]:
    """The lines that name a plugin."""
    return [line for line in text.splitlines() if f"plugin '{name}'" in line]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_works(folder: Path, arguments: list[str]) -> None:
    done = ganforge(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if arguments[0] in ("list-plugins", "env"):  # they tell it themselves
        assert done.stderr == ""
        return
    for name, told in AT_ONCE.items():
        (line,) = of(name, done.stderr)
        assert told in line


def test_the_list_has_a_line_for_each(folder: Path) -> None:
    done = ganforge(folder, "list-plugins", "--check")
    assert done.returncode == 1
    assert done.stderr == ""
    for name, told in AT_ONCE.items():
        reason = told.removeprefix("was not loaded: ")
        (line,) = (line for line in done.stdout.splitlines() if reason in line)
        assert name == "slow" or line.startswith(name)
    for told, _ in ON_USE.values():
        assert sum(told in line for line in done.stdout.splitlines()) == 1


def test_the_same_for_programs(folder: Path) -> None:
    rows = {
        row["plugin"]: row
        for row in json.loads(ganforge(folder, "list-plugins", "--check", "--json").stdout)
    }
    assert {name for name in PLUGINS if rows[name]["error"]} == set(AT_ONCE) - {"slow"}
    assert {name for name in PLUGINS if rows[name]["faults"]} == set(ON_USE)
    assert {name for name in PLUGINS if rows[name]["notes"]} == {"slow"}
    assert not rows["mnist"]["error"]


def test_a_recipe_that_uses_one_shows_the_place(folder: Path) -> None:
    text = (Path(__file__).parents[1] / "recipes" / "smoke.yaml").read_text()
    for name, component in NAMES.items():
        broken = text.replace("{use: non_saturating}", f"{{use: {component}}}")
        (folder / "work" / f"uses_{name}.yaml").write_text(broken)
    done = ganforge(folder, "validate", "--json", *(f"uses_{name}.yaml" for name in NAMES))
    assert done.returncode == 2
    results = json.loads(done.stdout)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if each.startswith("loss:"))
    for name, result in zip(NAMES, results, strict=True):
        (problem,) = result["problems"]
        assert (problem["line"], problem["column"]) == (line, 22)
        assert ON_USE[name][1] in problem["message"]
        assert name == "clash" or f"plugin '{name}' (plugin-{name} 1.0)" in problem["message"]


def test_an_unknown_name_tells_of_those_that_failed(folder: Path) -> None:
    done = ganforge(folder, "describe", "loss", "of_the_broken_one")
    assert done.returncode == 2
    for name in set(AT_ONCE) - {"slow"}:
        assert f"Not searched: plugin '{name}' (plugin-{name} 1.0) was not loaded" in done.stderr
