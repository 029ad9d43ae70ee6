"""Tab completion, in the shells that are here: quick, silent, and true to what is installed."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import command

from ganforge.cli import COMMANDS
from ganforge.hookspecs import KINDS

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")

PLUGIN = """\
from ganforge import hookimpl
@hookimpl
def register_generators(register):
    register('fancy', 'acme_models:Fancy', summary='A fancy one.')
    register('dcgan', 'acme_models:Other')
@hookimpl
def register_recipes(register):
    register('fancy', 'fancy.yaml')
@hookimpl
def register_commands(cli):
    import click
    cli.add_command(click.Command('acme-hello'))
    1 / 0
"""
LOUD = (
    "import sys\nprint('to standard output')\nprint('to standard error', file=sys.stderr)\n1 / 0\n"
)
# Only readline can obey it.
COMPOPT = "compopt() { :; }\n"
PRINT = 'for each in "${COMPREPLY[@]}"; do echo "<$each>"; done; echo ==\n'

Complete = Callable[..., list[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder beside a folder ``plugins`` that holds a good and a broken plugin."""
    root = tmp_path_factory.mktemp("completion")
    plugins = root / "plugins"
    for name, source in {"acme": PLUGIN, "loud": LOUD}.items():
        info = plugins / f"{name}_gan-0.3.dist-info"
        info.mkdir(parents=True)
        (plugins / f"{name}_gan.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-gan\nVersion: 0.3\n")
        (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = {name}_gan\n")
    (plugins / "fancy.yaml").write_text("version: 1\n")
    (root / "work").mkdir()
    for file in ("mine.yaml", "mnist_of_mine.yaml", "arch.py", "nothing_of_mine.py"):
        (root / "work" / file).touch()
    # The command as pip installs it, for this Python.
    script = root / "bin" / "ganforge"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m ganforge "$@"\n')
    if sys.version_info < (3, 11):
        script.write_text(script.read_text().replace(" -P ", " "))
    script.chmod(0o755)
    return root


@pytest.fixture(scope="module")
def variables(place: Path, environment: dict[str, str]) -> dict[str, str]:
    path = f"{place / 'bin'}{os.pathsep}{environment['PATH']}"
    cache = str(place / "cache")
    return {
        **environment,
        "PATH": path,
        "PYTHONPATH": str(place / "plugins"),
        "XDG_CACHE_HOME": cache,
    }


def split(line: str) -> list[str]:
    """The words as bash gives them to a completion: a ``:`` is a word of its own."""
    words = re.findall(r":+|[^\s:]+", line)
    return [*words, ""] if line.endswith(" ") else words


@pytest.fixture(scope="module")
def complete(place: Path, variables: dict[str, str]) -> Complete:
    """``complete(*lines)``: what bash itself would offer for each line, by the real script."""

    def call(*lines: str) -> list[list[str]]:
        script = 'eval "$(_GANFORGE_COMPLETE=bash_source ganforge)"\n' + COMPOPT
        for line in lines:
            words = split(line)
            script += f"COMP_WORDS=({' '.join(word or chr(34) * 2 for word in words)})\n"
            script += f"COMP_CWORD={len(words) - 1}; COMPREPLY=(); _ganforge_completion ganforge\n"
            script += PRINT
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-c", script],
            cwd=place / "work",
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        answers = done.stdout.split("==\n")
        assert answers.pop() == ""
        return [re.findall("<(.*)>", answer) for answer in answers]

    return call


def test_commands_and_their_options(complete: Complete) -> None:
    every, some, options = complete("ganforge ", "ganforge list-", "ganforge validate --")
    ours = [name for section in COMMANDS.values() for name in section]
    assert every == [*ours, "acme-hello"]
    assert some == ["list-plugins", "list-recipes"]
    assert {"--json", "--help", "--plugin"} <= set(options)


def test_kinds_and_the_components_of_a_kind(complete: Complete) -> None:
    kinds, gen, names, more, none = complete(
        "ganforge describe ",
        "ganforge describe gen",
        "ganforge describe generator ",
        "ganforge describe loss h",
        "ganforge describe nonsense ",
    )
    assert kinds == list(KINDS)
    assert gen == ["generator"]
    assert {"dcgan", "fancy", "acme:dcgan"} <= set(names)
    assert "hinge" not in names
    assert more == ["hinge"]
    assert none == []


def test_bash_is_given_only_what_follows_a_colon(complete: Complete) -> None:
    """Bash takes ``:`` for the end of a word, and would write what stands before it twice."""
    colon, begun, unknown, blocked, begun_blocked = complete(
        "ganforge describe generator acme:",
        "ganforge describe generator acme:dc",
        "ganforge describe generator zeta:",
        "ganforge -p no:",
        "ganforge run -p no:mn",
    )
    assert colon == begun == ["dcgan"]
    assert unknown == []
    assert {"mnist", "losses", "acme", "loud"} <= set(blocked)
    assert "mine.yaml" not in blocked
    assert begun_blocked == ["mnist"]


def test_recipes_stand_beside_files(complete: Complete) -> None:
    every, mnist, copy, acme, path = complete(
        "ganforge run ",
        "ganforge validate mn",
        "ganforge copy-recipe smo",
        "ganforge run fa",
        "ganforge run ./mi",
    )
    assert {"smoke", "mnist_dcgan", "fancy", "mine.yaml", "arch.py"} <= set(every)
    assert {"mnist_dcgan", "mnist_dcgan_2019", "mnist_of_mine.yaml"} <= set(mnist)
    assert all(name.startswith("mn") for name in mnist)
    assert (copy, acme, path) == (["smoke"], ["fancy"], ["./mine.yaml"])


def test_plugins_stand_beside_files(complete: Complete) -> None:
    every, file, blocked = complete("ganforge -p ", "ganforge -p ar", "ganforge validate -p no")
    assert {"arch.py", "no:mnist", "no:acme"} <= set(every)
    assert file == ["arch.py"]
    assert {"nothing_of_mine.py", "no:mnist", "no:acme"} <= set(blocked)
    assert all(name.startswith("no") for name in blocked)


def test_a_blocked_plugins_components_are_not_offered(complete: Complete) -> None:
    with_it, without, wrong = complete(
        "ganforge describe generator fa",
        "ganforge -p no:acme describe generator fa",
        "ganforge -p no:nobody describe generator fa",
    )
    assert (with_it, without, wrong) == (["fancy"], [], [])


@pytest.fixture(scope="module")
def ask(place: Path, variables: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``ask(shell, line)``: what the completion process answers to a shell's script."""

    def call(shell: str, line: str, *python: str) -> subprocess.CompletedProcess[str]:
        words = split(line) if shell == "bash" else line.split(" ")
        told = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
        if shell == "fish":
            told = {"COMP_WORDS": line.rpartition(" ")[0], "COMP_CWORD": words[-1]}
        done = subprocess.run(
            [sys.executable, *python, *command()[1:]],
            cwd=place / "work",
            env={**variables, **told, "_GANFORGE_COMPLETE": f"{shell}_complete"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0
        return done

    return call


Ask = Callable[..., "subprocess.CompletedProcess[str]"]


def test_nothing_is_printed_beside_the_answer_though_a_plugin_is_broken(ask: Ask) -> None:
    done = ask("bash", "ganforge describe generator fa")
    assert (done.stdout, done.stderr) == ("plain,fancy\n", "")


@pytest.mark.parametrize(
    "line", ["ganforge describe generator ", "ganforge run ", "ganforge -p no:"]
)
def test_what_is_slow_to_import_is_not_imported(ask: Ask, line: str) -> None:
    ask("bash", line, "-c", IMPORTED)  # fills the cache of what is installed
    seen = ask("bash", line, "-c", IMPORTED).stdout.splitlines()[-1].split()
    assert "ganforge.registry" in seen
    slow = {"torch", "pydantic", "numpy", "rich", "PIL", "matplotlib", "importlib.metadata"}
    assert not slow & set(seen)


IMPORTED = """\
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules)))
from ganforge.cli import main
main()
"""


def test_zsh_is_told_types_names_and_summaries(ask: Ask) -> None:
    lines = ask("zsh", "ganforge describe generator fa").stdout.splitlines()
    assert lines == ["plain", "fancy", "A fancy one."]
    lines = ask("zsh", "ganforge describe generator acme:").stdout.splitlines()
    assert lines == ["plain", "acme:dcgan", "_"]
    lines = ask("zsh", "ganforge run smo").stdout.splitlines()
    assert lines == ["file", "smo", "_", "plain", "smoke", "_"]


def test_fish_is_told_types_names_and_summaries(ask: Ask) -> None:
    lines = ask("fish", "ganforge describe generator fa").stdout.splitlines()
    assert [part for line in lines for part in re.split(r"[,\t]", line)] == [
        "plain",
        "fancy",
        "A fancy one.",
    ]
    assert "acme:dcgan" in ask("fish", "ganforge describe generator acme:").stdout
    assert "smoke" in ask("fish", "ganforge run smo").stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_scripts_name_the_command(
    place: Path, variables: dict[str, str], shell: str
) -> None:
    done = subprocess.run(
        command(),
        env={**variables, "_GANFORGE_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_GANFORGE_COMPLETE={shell}_complete" in done.stdout


class Terminal:
    """An interactive bash that the test types into."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.ours, theirs = pty.openpty()
        quiet = {"PS1": "READY> ", "TERM": "dumb", "INPUTRC": "/dev/null"}
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            cwd=folder,
            env={**variables, **quiet},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, text: str, seconds: float = 20) -> str:
        """What is written until ``text`` stands there."""
        written, end = "", time.monotonic() + seconds
        while text not in written:
            ready, _, _ = select.select([self.ours], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} in {written!r}"
            written += os.read(self.ours, 65536).decode(errors="replace")
        return written

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)
        os.close(self.ours)


def test_a_user_who_types_in_bash(place: Path, variables: dict[str, str]) -> None:
    terminal = Terminal(place / "work", variables)
    try:
        terminal.until("READY> ")
        terminal.type('eval "$(_GANFORGE_COMPLETE=bash_source ganforge)"; echo LOA""DED\n')
        terminal.until("LOADED\r\nREADY> ")
        terminal.type("ganforge describe gen\t")
        terminal.until("ganforge describe generator ")
        terminal.type("acme:\t")
        assert terminal.until("dcgan").strip() == "acme:dcgan"
        terminal.type("\x15ganforge validate mnist_of\t")
        terminal.until("mnist_of_mine.yaml")
        terminal.type("\x15ganforge validate smo\t")
        terminal.until("smoke")
        terminal.type("\n")
        assert "smoke: valid" in terminal.until("valid", 60)
    finally:
        terminal.close()
