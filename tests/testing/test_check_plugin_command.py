"""``ganforge check-plugin``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganforge.cli import main

ACME = Path(__file__).parent / "acme"
WRONG = ("nn.Tanh()", "nn.Identity()")

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ganforge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """``ganforge(*arguments)`` in an empty folder: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ganforge", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def wrong(write: Callable[..., Path]) -> Path:
    """A generator without bounds."""
    return write((ACME / "acme_generator.py").read_text().replace(*WRONG), "acme_generator.py")


def test_a_plugin_that_passes(ganforge: Command) -> None:
    code, out, err = ganforge("check-plugin", str(ACME / "acme_loss.py"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "plugin acme_loss"
    assert "  ok      registers-something  loss acme" in lines
    assert "loss acme" in lines
    assert "  ok      generator-loss" in lines
    assert "\n  skipped hook-imports         a plugin file may hold networks" in out
    count = sum(line.startswith("  ok") for line in lines)
    last = f"{count + 1} checks of 2 parts: {count} ok, 0 note, 1 skipped, 0 failed"
    assert lines[-1] == last
    assert count > 10


def test_a_plugin_that_fails_in_a_real_process(wrong: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganforge", "check-plugin", str(wrong)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    (place,) = (i for i, line in enumerate(lines) if line.startswith("  failed "))
    assert lines[place].startswith("  failed  output-range         samples reach from ")
    assert lines[place + 1] == "    change: End the network with nn.Tanh()."
    assert lines[-1].endswith("1 skipped, 1 failed")


def test_as_json(ganforge: Command, wrong: Path) -> None:
    wrong.write_text(wrong.read_text() + "\nprint('a plugin that prints')\n")
    code, out, _ = ganforge("check-plugin", "acme_generator.py", "--json")
    assert code == 1
    told = json.loads(out)
    assert (told["plugin"], told["passed"]) == ("acme_generator.py", False)
    (failed,) = (finding for finding in told["findings"] if finding["outcome"] == "failed")
    assert failed["component"] == "generator acme"
    assert failed["check"] == "output-range"
    assert failed["change"] == "End the network with nn.Tanh()."


def test_options_are_parsed_as_overrides_of_recipes_are(
    ganforge: Command, write: Callable[..., Path]
) -> None:
    source = (ACME / "acme_generator.py").read_text()
    write(source.replace("noise: float = 0.1", "noise: float"), "acme_generator.py")
    code, out, _ = ganforge("check-plugin", "acme_generator.py")
    assert code == 1
    assert "Give a value to check it with: generator.acme.noise=VALUE" in out
    code, _, err = ganforge("check-plugin", "acme_generator.py", "generator.acme.noise=2e-4")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dgcan"], "Error: there is no plugin 'dgcan'\nDid you mean 'dcgan'?"),
        (["./nowhere.py"], "Error: there is no plugin file 'nowhere.py'\nCheck the path.\n"),
        (["dcgan", "generator.dcgan.channels"], "an override needs a '='"),
        (["dcgan", "generator.dcgan=3"], "Error: 'generator.dcgan' is no option of a component\n"),
        (["dcgan", "generator=3"], "Error: 'generator' is no option of a component\n"),
        (
            ["dcgan", "generator.dcgan.channels=many"],
            'Error: generator.dcgan: channels: should be a valid integer, not "many"',
        ),
        (["losses", "-p", "no:losses"], "is left out: blocked by -p no:losses"),
        ([], "Missing argument 'NAME|FILE|FOLDER|MODULE'"),
    ],
)
def test_mistakes_end_with_two(ganforge: Command, arguments: list[str], told: str) -> None:
    code, out, err = ganforge("check-plugin", *arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_a_plugin_that_does_not_load_is_told_and_ends_with_one(
    ganforge: Command, write: Callable[..., Path]
) -> None:
    write("import nowhere\n")
    code, out, _ = ganforge("check-plugin", "mine.py")
    assert code == 1
    assert "  failed  loads                it was not loaded: ModuleNotFoundError" in out


def test_help_names_it() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ganforge", "check-plugin", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "KIND.NAME.OPTION=VALUE" in done.stdout
    assert "| torch\n" not in done.stderr.replace(" ", "").replace("|", "| ")
