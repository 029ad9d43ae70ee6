"""Recipes that are wrong in every way we know of, and what a user reads of each.

``tests/recipes_broken/NAME.yaml`` is one broken recipe and ``NAME.txt`` what is printed on standard
error for it. Files that do not belong in a repository (huge, binary, of other encodings) are made
here, by ``GENERATED``. After a text was changed on purpose, write all of them anew and read the
difference as a stranger would:

    GANFORGE_UPDATE_GOLDEN=1 pytest tests/recipe/test_broken_corpus.py
    git diff tests/recipes_broken
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganforge import __version__, discovery, plugins
from ganforge.cli import main
from ganforge.registry import FIRST_PARTY
from ganforge.selection import LOAD

CORPUS = Path(__file__).parents[1] / "recipes_broken"
UPDATE = os.environ.get("GANFORGE_UPDATE_GOLDEN") == "1"
SECONDS = 3.0
"""What a user waits at most, once Python has started and torch is imported."""

HEAD = "version: 1\nname: broken\n"

GENERATED: dict[str, Callable[[], bytes]] = {
    "file_empty": lambda: b"",
    "file_blank": lambda: b"\n  \n\n",
    "file_comment": lambda: b"# version: 1\n",
    "file_huge": lambda: f"{HEAD}description: {'very ' * 250_000}long\n".encode(),
    "file_huge_binary": lambda: b"\x7fELF" + bytes(2 << 20),
    "file_entries": lambda: (f"{HEAD}callbacks:\n" + "  - {use: progress}\n" * 20_000).encode(),
    "file_deep_brackets": lambda: f"{HEAD}dataset: {'[' * 10_000}{']' * 10_000}\n".encode(),
    "file_deep_braces": lambda: f"{HEAD}dataset: {'{use: ' * 10_000}".encode(),
    "file_deep_blocks": lambda: (
        HEAD + "".join(f"{' ' * depth}level_{depth}:\n" for depth in range(200))
    ).encode(),
    "file_deep_dashes": lambda: f"{HEAD}callbacks:\n{'- ' * 10_000}x\n".encode(),
    "file_latin1": lambda: f"{HEAD}description: für Zürich\n".encode("latin-1"),
    "file_utf16": lambda: HEAD.encode("utf-16"),
    "file_utf8_cut": lambda: f"{HEAD}description: 学".encode()[:-1],
    "file_surrogate": lambda: f"{HEAD}description: ".encode() + b"\xed\xa0\x80\n",
    "file_png": lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\0\x1c\x08",
    "file_gzip": lambda: b"\x1f\x8b\x08\x08\x52\x1d\xe2\x5c\x02\xff" + b"recipe.yaml",
    "file_zero_byte": lambda: f"{HEAD}description: one\0two\n".encode(),
    "file_bell": lambda: f"{HEAD}description: one\atwo\n".encode(),
    "file_escape_sequence": lambda: f"{HEAD}description: \x1b[31mred\n".encode(),
    "file_byte_order_mark": lambda: b"\xef\xbb\xbfversion: 01\nname: broken\n",
    "file_crlf": lambda: b"version: 1\r\nname: broken\r\nseed: 1_000\r\n",
    "file_cr": lambda: b"version: 1\rname: broken\rseed: 1_000\r",
    "file_long_line": lambda: (
        f"{HEAD}dataset: {{use: mnist, classes: [{'1, ' * 3000}012]}}".encode()
    ),
    "file_many_problems": lambda: (HEAD + "seed: 1\n" * 5000).encode(),
}

BLANK = {"file_empty", "file_blank"}
"""There is no line to show a caret under."""

WRITTEN = {file.stem for file in CORPUS.glob("*.yaml")}
NAMES = sorted(WRITTEN | set(GENERATED))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the corpus, with the generated files in it."""
    plugins.load_registry()  # a first import may be slow, which ganforge would tell
    copy = tmp_path_factory.mktemp("corpus") / "broken"
    shutil.copytree(CORPUS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in GENERATED.items():
        (copy / f"{name}.yaml").write_bytes(content())
    return copy


@pytest.fixture(autouse=True)
def only_ganforges_own_plugins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choices in the texts are those of ganforge alone; recipes are named from their folder."""
    own = [entry for entry in discovery.installed() if entry.package == FIRST_PARTY]
    monkeypatch.setattr(plugins, "installed", lambda: own)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(folder)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """``call(*arguments)``: the command line in this process; its exit code, output and errors."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ganforge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def golden(name: str) -> str:
    return (CORPUS / f"{name}.txt").read_text(encoding="utf-8")


def same_everywhere(text: str, folder: Path) -> str:
    """``text`` without what differs between machines and versions."""
    return text.replace(str(folder), "FOLDER").replace(
        f"ganforge {__version__}", "ganforge VERSION"
    )


def not_valid(name: str) -> str:
    """What ``validate`` adds, so that the verdict on each of many files is seen."""
    return f"{name}.yaml: not valid\n\n"


def places(name: str) -> list[tuple[int, int]]:
    """Line and column of every problem that a text tells, in its order."""
    found = re.findall(rf"^(?:Error: )?{name}\.yaml:(\d+):(\d+): ", golden(name), re.MULTILINE)
    return [(int(line), int(column)) for line, column in found]


def blocks(name: str) -> list[list[str]]:
    """The lines of each problem that a text tells: what and where, the line, the caret, a hint."""
    parts = golden(name).rstrip("\n").split("\n\n")
    counted = parts[0].endswith(" problems:")
    return [part.splitlines() for part in parts[counted:] if not part.startswith("... and ")]


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_recipe_is_told_as_in_its_text(name: str, folder: Path, call: Any) -> None:
    before = sorted(folder.rglob("*"))
    start = time.perf_counter()
    code, out, err = call("validate", f"{name}.yaml")
    seconds = time.perf_counter() - start
    text = same_everywhere(err, folder).removesuffix(not_valid(name))
    if UPDATE:
        (CORPUS / f"{name}.txt").write_text(text, encoding="utf-8")
    assert text == golden(name)
    assert err.endswith(not_valid(name))
    assert (code, out) == (2, "")
    assert seconds < SECONDS

    code, out, err = call("run", f"{name}.yaml")  # trains nothing, and says the same
    assert (code, out, same_everywhere(err, folder)) == (2, "", golden(name))
    assert sorted(folder.rglob("*")) == before


def test_every_recipe_has_its_text_and_every_text_its_recipe() -> None:
    assert len(NAMES) >= 60
    assert not WRITTEN & set(GENERATED)
    assert {file.stem for file in CORPUS.glob("*.txt")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_gives_the_place_the_line_and_what_to_do(name: str, folder: Path) -> None:
    text = golden(name)
    assert text.startswith("Error: ")
    for word in ("Traceback", "pydantic", "yaml.scanner", "site-packages", str(Path.home())):
        assert word not in text
    assert places(name) == sorted(places(name))  # problems come in the order of the recipe
    assert len(places(name)) == len(blocks(name)) > 0
    lines = re.split(r"\r\n|\r|\n", (folder / f"{name}.yaml").read_text("utf-8-sig", "replace"))
    for (line, column), (_, *shown, hint) in zip(places(name), blocks(name), strict=True):
        assert re.fullmatch(r"  \S.+", hint)
        if name in BLANK:
            assert not shown
            continue
        excerpt, caret = shown
        assert caret.strip() == "^"
        whole = lines[line - 1]
        if whole.isascii() and whole.isprintable() and column <= len(whole):
            assert excerpt[caret.index("^")] == whole[column - 1]


def test_all_at_once_as_json(folder: Path, call: Any) -> None:
    code, out, err = call("validate", "--json", *(f"{name}.yaml" for name in NAMES))
    assert (code, err) == (2, "")
    found = json.loads(out)
    assert [entry["recipe"] for entry in found] == [f"{name}.yaml" for name in NAMES]
    for name, entry in zip(NAMES, found, strict=True):
        assert entry["valid"] is False
        told = entry["problems"][: len(blocks(name))]  # a text stops after the first few
        assert [(p["line"], p["column"]) for p in told] == places(name)
        for problem, block in zip(told, blocks(name), strict=True):
            assert same_everywhere(problem["message"], folder) in block[0]
            assert problem["hint"] == block[-1].strip()
            assert problem["source"] == f"{name}.yaml"


def test_several_files_are_told_one_after_the_other(call: Any) -> None:
    code, out, err = call("validate", "name_loss.yaml", "smoke", "file_png.yaml")
    assert (code, out) == (2, "smoke: valid\n")
    assert err == "".join(golden(name) + not_valid(name) for name in ("name_loss", "file_png"))


NASTY = [
    "file_huge",
    "file_deep_brackets",
    "file_entries",
    "file_png",
    "text_billion_laughs",
    "syntax_tag_python",
]
"""What would cost the most time or memory, or do harm, if it were read as it asks to be."""


@pytest.mark.parametrize("command", ["validate", "run"])
@pytest.mark.parametrize("name", NASTY)
def test_what_cannot_be_read_is_refused_before_torch_is_imported(
    name: str, command: str, folder: Path
) -> None:
    done = process(folder, command, f"{name}.yaml")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "ganforge.recipe.reader" in imported
    assert not imported & {"torch", "numpy", "matplotlib"}
    assert said(done).endswith(golden(name) + (not_valid(name) if command == "validate" else ""))
    assert (done.returncode, done.stdout) == (2, "")
    assert not (folder / "runs").exists()


def process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which tells on standard error what it imports."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ganforge", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", LOAD: ""},
        capture_output=True,
        text=True,
        timeout=30,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What the command itself wrote on standard error."""
    lines = done.stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("import time:"))
