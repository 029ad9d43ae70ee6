"""``-p`` and its variables on the command line, and the commands that plugins add."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commandline import Done, Ganforge, command

from ganforge import pluginfiles
from ganforge.cli import cli, main

HOOK = "from ganforge import hookimpl\n\n@hookimpl\n"
LOSS = (
    HOOK + "def register_losses(register): register('own', Loss)\n\nclass Loss:\n    '''Mine.'''\n"
)
HELLO = (
    "import click\n" + HOOK + "def register_commands(cli):\n    cli.add_command(hello)\n\n"
    "@click.command()\n@click.option('-p', '--port', type=int, default=1)\n"
    "def hello(port):\n    '''Say hello.'''\n    click.echo(f'hello {port}')\n"
)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is in the folder ``plugins`` is installed; no test finds another's modules."""
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    for name in [name for name in sys.modules if name.startswith((pluginfiles.PREFIX, "acme_"))]:
        del sys.modules[name]


def forget_commands() -> None:
    """A process asks the plugins once for their commands; here several commands share one."""
    cli._plugins_asked = False
    cli.commands.clear()


@pytest.fixture
def in_process(in_process: Ganforge) -> Iterator[Ganforge]:
    """As everywhere, each time with the commands of the plugins that are there then."""

    def call(*arguments: str) -> Done:
        forget_commands()
        return in_process(*arguments)

    yield call
    forget_commands()


def failing(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and standard error of a command that may show a traceback."""
    forget_commands()
    sys.argv[1:] = arguments
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capfd.readouterr().err


# -p


@pytest.mark.parametrize("text", ["own.py", "./own.py", "folder", "folder/", "acme_gan"])
@pytest.mark.parametrize("before", [True, False])
def test_a_plugin_is_named_before_or_behind_the_command(
    in_process: Ganforge, tmp_path: Path, text: str, before: bool
) -> None:
    text = "./folder" if text == "folder" else text  # a bare word is a module
    (tmp_path / "own.py").write_text(LOSS)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__init__.py").write_text(
        HOOK + "def register_losses(register): register('own', 'folder.inner:Loss')\n"
    )
    (tmp_path / "folder" / "inner.py").write_text("from .deep import Loss\n")
    (tmp_path / "folder" / "deep.py").write_text("class Loss:\n    '''Mine.'''\n")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "acme_gan.py").write_text(LOSS)
    words = ["describe", "loss", "own"]
    done = in_process(*(["-p", text, *words] if before else [*words, "-p", text]))
    assert (done.code, done.err) == (0, "")
    assert "Mine." in done.out


def test_options_before_and_behind_add_up(in_process: Ganforge, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(LOSS.replace("'own'", f"'{name}'"))
    done = in_process(
        "-p", "one.py", "-p", "no:mnist", "list-plugins", "--json", "-p", "two.py", "-p", "one.py"
    )
    rows = {row["plugin"]: row for row in json.loads(done.out)}
    assert [name for name in rows if rows[name]["path"]] == ["one", "two"]
    assert rows["one"]["path"] == str(tmp_path.resolve() / "one.py")
    assert rows["mnist"]["blocked"] == "blocked by -p no:mnist"


@pytest.mark.parametrize(
    ("option", "told", "hint"),
    [
        ("no:mnistt", "-p no:mnistt: no such plugin", "Did you mean 'mnist'?"),
        ("no:", "-p no:: no such plugin", "Available: augmentations"),
        ("nowhere.py", "there is no plugin file 'nowhere.py'", "Check the path."),
        ("./project", "is no package: it has no __init__.py", "pip install -e project"),
        ("nothing.py", "provides nothing: no hook in it", "@ganforge.hookimpl"),
        ("mnist.py", "'mnist.py' has the name of another plugin: plugin 'mnist'", "-p no:mnist"),
        ("own", "there is no plugin module 'own'", "A file is written ./own.py"),
        ("notes.txt", "there is no plugin module 'notes.txt'", "must be installed"),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_mistake_is_told_without_a_traceback(
    in_process: Ganforge, tmp_path: Path, option: str, told: str, hint: str, before: bool
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").touch()
    for name in ("own", "mnist"):
        (tmp_path / f"{name}.py").write_text(LOSS)
    (tmp_path / "nothing.py").touch()
    (tmp_path / "notes.txt").touch()
    words = ["-p", option, "list-recipes"] if before else ["list-recipes", "-p", option]
    done = in_process(*words)
    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith("Error: ")
    assert told in first
    assert hint in second


def test_the_advice_about_a_taken_name_is_right(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "mnist.py").write_text(LOSS)
    done = in_process("describe", "loss", "own", "-p", "mnist.py", "-p", "no:mnist")
    assert done.code == 0, done.err


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(5)", "def (:"])
def test_a_broken_file_shows_where_and_names_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    (tmp_path / "own.py").write_text(f"\n{fault}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ganforge"])
    code, err = failing(["list-recipes", "-p", "own.py"], capfd)
    assert code == 1
    assert err.startswith("Traceback")
    assert f'File "{tmp_path.resolve() / "own.py"}", line 2' in err
    last = err.splitlines()[-1]
    assert last.startswith(f"Error: plugin 'own' ({tmp_path.resolve() / 'own.py'}) was not loaded")


def test_a_file_whose_hook_is_misspelt_needs_no_traceback(
    in_process: Ganforge, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(HOOK + "def register_loses(register): ...\n")
    done = in_process("list-recipes", "-p", "own.py")
    assert done.code == 1
    assert "unknown hook 'register_loses'. Did you mean 'register_losses'?" in done.err


def test_a_file_that_was_edited_is_read_anew(in_process: Ganforge, tmp_path: Path) -> None:
    for name in ("one", "two"):  # of equal length, within one second
        (tmp_path / "own.py").write_text(LOSS.replace("'own'", f"'{name}'"))
        assert in_process("describe", "loss", name, "-p", "own.py").code == 0


def test_an_installed_plugin_that_is_broken_stays_so_when_named(
    tmp_path: Path,
    plugin: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plugin("1 / 0\n")
    monkeypatch.setattr(sys, "argv", ["ganforge"])
    code, err = failing(["list-recipes", "-p", "acme_gan"], capfd)
    assert code == 1
    assert "Error: plugin 'acme' (acme-gan 0.3) was not loaded: ZeroDivisionError" in err


# The variables


def plugins_of(done_out: str) -> dict[str, str | None]:
    return {row["plugin"]: row["blocked"] for row in json.loads(done_out)}


@pytest.mark.parametrize(
    ("value", "loaded"),
    [
        ("acme", True),
        ("acme-gan", True),
        ("Acme_GAN", True),
        ("acme.gan", True),
        (" mnist , acme ,", True),
        ("mnist", False),
        ("", False),
    ],
)
def test_only_some_plugins_by_any_spelling(
    in_process: Ganforge,
    plugin: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    loaded: bool,
) -> None:
    plugin(LOSS)
    monkeypatch.setenv("GANFORGE_LOAD_PLUGINS", value)
    blocked = plugins_of(in_process("list-plugins", "--json").out)
    assert blocked["acme"] == (None if loaded else "not in GANFORGE_LOAD_PLUGINS")
    assert {reason for name, reason in blocked.items() if name != "acme"} == {None}
    done = in_process("describe", "loss", "own")
    assert done.code == (0 if loaded else 2)
    assert loaded or "was not loaded: not in GANFORGE_LOAD_PLUGINS" in done.err


def test_an_unknown_plugin_in_the_variable_is_told(
    in_process: Ganforge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_LOAD_PLUGINS", "mnits")
    done = in_process("list-recipes")
    assert done.code == 2
    assert done.err.startswith("Error: GANFORGE_LOAD_PLUGINS names 'mnits': no such plugin\n")
    assert "Did you mean 'mnist'?" in done.err


@pytest.mark.parametrize(
    ("value", "code"), [("1", 1), ("true", 1), (" ON ", 1), ("0", 0), ("", 0), ("False", 0)]
)
def test_strictness_makes_a_broken_plugin_an_error(
    in_process: Ganforge,
    plugin: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    code: int,
) -> None:
    plugin(HOOK + "def register_loses(register): ...\n")
    monkeypatch.setenv("GANFORGE_STRICT_PLUGINS", value)
    done = in_process("list-recipes")
    assert done.code == code
    told = "plugin 'acme' (acme-gan 0.3) was not loaded: unknown hook 'register_loses'."
    assert done.err.count(told) == 1
    assert ("unset it to go on without this plugin" in done.err) == bool(code)
    assert bool(done.out) != bool(code)
    assert in_process("list-recipes", "-p", "no:acme").code == 0


# What a plugin prints


@pytest.mark.parametrize(
    "source",
    [
        "print('loud')\n" + LOSS,
        LOSS.replace("register('own', Loss)", "print('loud'); register('own', Loss)"),
        LOSS.replace("Loss)", "'acme_loud:Loss')"),
    ],
    ids=["import", "hook", "target"],
)
def test_what_a_plugin_prints_is_not_among_the_results(
    in_process: Ganforge, plugin: Callable[[str], None], tmp_path: Path, source: str
) -> None:
    plugin(source)
    (tmp_path / "plugins" / "acme_loud.py").write_text("print('loud')\n\nclass Loss: ...\n")
    done = in_process("list-plugins", "--check", "--json")
    assert "loud\n" in done.err
    assert "acme" in plugins_of(done.out)


# Commands of plugins


def test_a_command_may_have_its_own_p(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(HELLO)
    assert in_process("-p", "own.py", "hello").out == "hello 1\n"
    assert in_process("-p", "own.py", "hello", "-p", "3").out == "hello 3\n"
    listed = in_process("-p", "own.py", "--help").out
    assert "From plugins" in listed
    assert "Say hello." in listed
    assert "No such command 'hello'" in in_process("hello").err


@pytest.mark.parametrize("fault", ["raise SystemExit(3)", "1 / 0", "import nothing_of_that_name"])
def test_commands_that_fail_to_register_leave_the_others(
    in_process: Ganforge, plugin: Callable[[str], None], tmp_path: Path, fault: str
) -> None:
    plugin(HOOK + f"def register_commands(cli):\n    {fault}\n")
    (tmp_path / "own.py").write_text(HELLO)
    done = in_process("-p", "own.py", "hello")
    assert (done.code, done.out) == (0, "hello 1\n")
    (line,) = done.err.splitlines()
    assert line.startswith("plugin 'acme' (acme-gan 0.3): register_commands failed: ")
    assert "acme_gan.py:5)" in line
    checked = in_process("list-plugins", "--check")
    assert checked.code == 1
    assert "broken: register_commands: " in checked.out


def test_a_fault_in_a_plugins_command_is_the_plugins(
    plugin: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plugin(HELLO.replace("click.echo", "[].index"))
    monkeypatch.setattr(sys, "argv", ["ganforge"])
    code, err = failing(["hello"], capfd)
    assert code == 1
    assert "\nError: plugin 'acme' (acme-gan 0.3) failed: ValueError(" in err


def test_two_plugins_with_one_command(
    in_process: Ganforge, plugin: Callable[[str], None], tmp_path: Path
) -> None:
    plugin(HELLO)
    (tmp_path / "own.py").write_text(HELLO.replace("hello {", "bye {"))
    done = in_process("-p", "own.py", "hello")
    assert (done.code, done.out) == (0, "hello 1\n")
    assert done.err == (
        f"plugin 'own' ({tmp_path.resolve() / 'own.py'}): there is a command 'hello' already\n"
    )


# Recipes of plugins


def test_recipes_are_found_by_name_and_by_plugin(in_process: Ganforge, tmp_path: Path) -> None:
    own = Path(__file__).parents[2] / "recipes" / "smoke.yaml"
    (tmp_path / "own.py").write_text(
        HOOK + "def register_recipes(register):\n"
        "    register('fancy', 'parts/fancy.yaml')\n    register('smoke', 'parts/smoke.yaml')\n"
    )
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "fancy.yaml").write_text(own.read_text())
    (tmp_path / "parts" / "smoke.yaml").write_text("version: 1\nname: of_the_plugin\n")
    done = in_process("list-recipes", "--json", "-p", "own.py")
    paths = {row["name"]: Path(row["path"]) for row in json.loads(done.out)}
    assert paths["fancy"] == tmp_path.resolve() / "parts" / "fancy.yaml"
    assert paths["own:smoke"] == tmp_path.resolve() / "parts" / "smoke.yaml"
    assert paths["smoke"].samefile(own)
    for name, code in {"fancy": 0, "own:fancy": 0, "smoke": 0, "own:smoke": 2}.items():
        assert in_process("validate", name, "-p", "own.py").code == code, name


def test_a_recipe_without_a_file_is_the_plugins_fault(
    in_process: Ganforge, plugin: Callable[[str], None], tmp_path: Path
) -> None:
    plugin(HOOK + "def register_recipes(register): register('fancy', 'fancy.yaml')\n")
    done = in_process("list-recipes")
    assert done.code == 0
    (line,) = done.err.splitlines()
    file = tmp_path / "plugins" / "fancy.yaml"
    assert f"FileNotFoundError: recipe 'fancy': there is no file '{file}'" in line


# The working folder


@pytest.mark.parametrize("script", [False, True])
def test_nothing_is_imported_from_the_working_folder(tmp_path: Path, script: bool) -> None:
    for name in ("my", "click", "ganforge_mnist"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w')\nraise SystemExit(9)\n")
    info = tmp_path / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganforge]\nevil = my\n")
    start = [str(Path(sys.executable).with_name("ganforge"))] if script else command()
    for words in (["list-plugins", "--json"], ["list-recipes", "-p", "my"]):
        done = subprocess.run(
            [*start, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert not (tmp_path / "imported").exists()
        if words[0] == "list-plugins":
            assert done.returncode == 0, done.stderr
            assert "evil" not in plugins_of(done.stdout)
        else:
            assert done.returncode == 2
            assert "there is no plugin module 'my'\nA file is written ./my.py" in done.stderr
