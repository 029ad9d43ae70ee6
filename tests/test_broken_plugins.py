"""Ten broken plugins at once: every command works, and each of them is reported in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

SMOKE = (Path(__file__).parents[1] / "recipes" / "smoke.yaml").read_text()
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
    "slow": "its hook module takes ",
}
"""What every command says on standard error."""

ON_USE = {
    "clash": ("clash: loss 'taken' is also of other: write clash:taken", "several plugins"),
    "not_callable": ("plugin_not_callable:CONSTANT is not a class", "is not a class or function"),
    "missing": ("plugin_missing has no 'Nowhere'", "plugin_missing has no 'Nowhere'"),
    "kwargs": ("takes *options, so its options are unknown", "takes *options"),
}
"""What ``list-plugins --check`` and the check of a recipe say."""

MARKS = {**{name: told for name, (told, _) in ON_USE.items()}, **AT_ONCE}
"""What marks the line of each plugin in ``list-plugins --check``."""

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
]
IN_ORDER = [
    ["run", "smoke", "train.steps=2", "-q"],
    ["generate", "runs/smoke/00001", "-n", "4"],
    ["resume", "runs/smoke/00001", "train.steps=3", "-q"],
]
CHECK = ["list-plugins", "--check"]
CHECK_JSON = ["list-plugins", "--check", "--json"]
USES = ["validate", "--json", *(f"uses_{name}.yaml" for name in NAMES)]
UNKNOWN = ["describe", "loss", "of_the_broken_one"]

Done = subprocess.CompletedProcess[str]


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


@pytest.fixture(scope="module")
def done(folder: Path) -> Callable[[list[str]], Done]:
    """How each command ended; they run side by side, as most of their time is start-up."""
    for name, component in NAMES.items():
        broken = SMOKE.replace("{use: non_saturating}", f"{{use: {component}}}")
        (folder / "work" / f"uses_{name}.yaml").write_text(broken)

    def chain() -> list[Done]:
        return [ganforge(folder, *arguments) for arguments in IN_ORDER]

    with ThreadPoolExecutor(2) as pool:
        chained = pool.submit(chain)
        apart: dict[str, Future[Done]] = {
            " ".join(arguments): pool.submit(ganforge, folder, *arguments)
            for arguments in (*COMMANDS, CHECK, CHECK_JSON, USES, UNKNOWN)
        }
        ended = {text: future.result() for text, future in apart.items()}
        ended |= {" ".join(a): d for a, d in zip(IN_ORDER, chained.result(), strict=True)}
    return lambda arguments: ended[" ".join(arguments)]


def ganforge(folder: Path, *arguments: str) -> Done:
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


@pytest.mark.parametrize("arguments", [*COMMANDS, *IN_ORDER], ids=" ".join)
def test_every_command_works(done: Callable[[list[str]], Done], arguments: list[str]) -> None:
    ended = done(arguments)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    told = [line for name in PLUGINS for line in of(name, ended.stderr)]
    if arguments[0] in ("list-plugins", "env"):  # they tell it themselves
        assert told == []
        return
    expected = dict(AT_ONCE)
    if arguments == ["schema"]:  # it imports every component, and tells what it leaves out
        expected |= {name: ON_USE[name][1] for name in ON_USE if name != "clash"}
    assert len(told) == len(expected)
    for name, reason in expected.items():
        (line,) = of(name, ended.stderr)
        assert reason in line


def test_the_commands_did_what_they_are_for(
    folder: Path, done: Callable[[list[str]], Done]
) -> None:
    run = folder / "work" / "runs" / "smoke" / "00001"
    for arguments in IN_ORDER:
        assert done(arguments).returncode == 0
    assert "steps: 3" in (run / "recipe.yaml").read_text()
    assert (folder / "work" / "generated.png").is_file()
    assert (folder / "work" / "copied.yaml").is_file()
    assert done(["validate", "smoke"]).stdout == "smoke: valid\n"
    assert json.loads(done(["schema"]).stdout)["type"] == "object"


def test_every_other_plugin_is_there(done: Callable[[list[str]], Done]) -> None:
    shown = done(["list-plugins"]).stdout
    for name in ("dcgan", "losses", "mnist", "games", "optimizers", "other"):
        (line,) = (line for line in shown.splitlines() if line.startswith(f"{name} "))
        assert "not loaded" not in line


def test_the_list_has_a_line_for_each(done: Callable[[list[str]], Done]) -> None:
    ended = done(CHECK)
    assert ended.returncode == 1
    assert ended.stderr == ""
    assert set(MARKS) == set(PLUGINS)
    found = {}
    for name, told in MARKS.items():
        mark = told.removeprefix("was not loaded: ")
        (found[name],) = (line for line in ended.stdout.splitlines() if mark in line)
        if name in AT_ONCE and name != "slow":  # its first and only line
            assert found[name].startswith(name)
            assert "not loaded: " in found[name]
    assert len(set(found.values())) == 10


def test_the_same_for_programs(done: Callable[[list[str]], Done]) -> None:
    ended = done(CHECK_JSON)
    assert ended.returncode == 1
    rows = {row["plugin"]: row for row in json.loads(ended.stdout)}
    assert {name for name in PLUGINS if rows[name]["error"]} == set(AT_ONCE) - {"slow"}
    assert {name for name in PLUGINS if rows[name]["faults"]} == set(ON_USE)
    assert {name for name in PLUGINS if rows[name]["notes"]} == {"slow"}
    faults = [*rows["slow"]["notes"], *(f for name in ON_USE for f in rows[name]["faults"])]
    assert len(faults) == 5
    for fault in (*faults, *(rows[name]["error"] or "" for name in PLUGINS)):
        assert "\n" not in fault
    assert not rows["mnist"]["error"]


def test_a_recipe_that_uses_one_shows_the_place(done: Callable[[list[str]], Done]) -> None:
    ended = done(USES)
    assert ended.returncode == 2
    results = json.loads(ended.stdout)
    line = next(n for n, each in enumerate(SMOKE.splitlines(), 1) if each.startswith("loss:"))
    for name, result in zip(NAMES, results, strict=True):
        (problem,) = result["problems"]
        assert problem["source"] == f"uses_{name}.yaml"
        assert (problem["line"], problem["column"]) == (line, 22)
        assert ON_USE[name][1] in problem["message"]
        if name == "clash":
            assert problem["hint"] == "Say which: clash:taken, other:taken."
        else:
            assert f"plugin '{name}' (plugin-{name} 1.0)" in problem["message"]


def test_an_unknown_name_tells_of_those_that_failed(done: Callable[[list[str]], Done]) -> None:
    ended = done(UNKNOWN)
    assert ended.returncode == 2
    for name in set(AT_ONCE) - {"slow"}:
        assert f"Not searched: plugin '{name}' (plugin-{name} 1.0) was not loaded" in ended.stderr
