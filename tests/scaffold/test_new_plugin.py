"""``ganforge new-plugin``: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganforge.errors import GanforgeError
from ganforge.scaffold import folder

Ganforge = Callable[..., Any]


def files(top: Path) -> set[str]:
    """Every file below a folder."""
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


def test_it_writes_a_generator_and_a_discriminator_and_says_what_comes_next(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    done = ganforge("new-plugin", "acme")
    assert done.code == 0
    assert done.out == "ganforge-acme\n"
    assert done.err.splitlines() == [
        "Next:",
        "  pip install -e './ganforge-acme[test]'",
        "  ganforge list-plugins",
        "  ganforge check-plugin acme",
        "  ganforge run acme",
        "  pytest ./ganforge-acme",
    ]
    assert files(tmp_path) == {
        f"ganforge-acme/{name}"
        for name in (
            "pyproject.toml",
            "README.md",
            ".gitignore",
            ".github/workflows/ci.yml",
            "ganforge_acme/__init__.py",
            "ganforge_acme/generator.py",
            "ganforge_acme/discriminator.py",
            "ganforge_acme/recipes/acme.yaml",
            "tests/test_acme.py",
            "tests/test_generator.py",
            "tests/test_discriminator.py",
        )
    }


def test_it_writes_the_kinds_that_are_asked_for_where_it_is_told(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    place = tmp_path / "my plugins"
    place.mkdir()
    kinds = ["--kind", "schedule", "--kind", "loss", "--kind", "loss"]
    done = ganforge("new-plugin", "my-gan", *kinds, "--dest", str(place))
    made = place / "ganforge-my-gan"
    assert done.out == f"{made}\n"
    assert f"  pip install -e '{made}[test]'" in done.err
    modules = {path.name for path in (made / "ganforge_my_gan").glob("*.py")}
    assert modules == {"__init__.py", "loss.py", "schedule.py"}
    hooks = (made / "ganforge_my_gan/__init__.py").read_text()
    assert hooks.index("def register_losses") < hooks.index("def register_schedules")


def test_an_empty_folder_is_filled_and_others_may_read_it(
    ganforge: Ganforge, tmp_path: Path
) -> None:
    target = tmp_path / "ganforge-acme"
    target.mkdir()
    before = os.umask(0o022)
    try:
        assert ganforge("new-plugin", "acme").code == 0
    finally:
        os.umask(before)
    assert (target / "pyproject.toml").is_file()
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def test_it_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ganforge", "new-plugin", "acme"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not {"torch", "numpy", "pydantic", "matplotlib", "PIL", "yaml"} & imported
    assert (tmp_path / "ganforge-acme").is_dir()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("a", "ganforge_a"),
        ("my-gan", "ganforge_my_gan"),
        ("my_gan2", "ganforge_my_gan2"),
        ("ganforge-my-gan", "ganforge_my_gan"),
        ("ganforge_acme", "ganforge_acme"),
    ],
)
def test_names_that_can_be(ganforge: Ganforge, tmp_path: Path, name: str, module: str) -> None:
    done = ganforge("new-plugin", name, "--kind", "loss")
    assert done.code == 0
    target = tmp_path / done.out.strip()
    assert target.name == module.replace("_", "-")
    plugin = module.removeprefix("ganforge_")
    assert f'\n{plugin} = "{module}"\n' in (target / "pyproject.toml").read_text()
    assert (target / module / "recipes" / f"{plugin}.yaml").is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme", "'Acme' cannot be a plugin's name\nUse lower-case letters"),
        ("My Gan!", "such as my_gan."),
        ("3d", "a letter first, such as acme."),
        ("a--b", "such as a_b."),
        ("acme-", "such as acme."),
        ("_acme", "such as acme."),
        ("../acme", "such as acme."),
        ("acmé", "cannot be a plugin's name"),
        ("ganforge-", "such as acme."),
        ("", "'' cannot be a plugin's name"),
        ("a" * 41, "It has 41 letters; take 40 at most."),
        ("class", "'class' is a word of Python's\nChoose another name, such as my_class."),
        ("random", "'random' is a module of Python's"),
        ("ganforge", "'ganforge' is ganforge's own name"),
        ("losses", "'losses' is the name of an installed plugin: plugin 'losses' (ganforge "),
        ("dcgan", "'dcgan' is the name of an installed plugin"),
        ("hinge", "'hinge' is the name of a component: loss 'hinge' of plugin 'losses'"),
        ("sample-grid", "'sample_grid' is the name of a component: callback"),
        ("smoke", "'smoke' is the name of an installed recipe, from ganforge "),
    ],
)
def test_names_that_cannot_be(ganforge: Ganforge, tmp_path: Path, name: str, said: str) -> None:
    done = ganforge("new-plugin", name)
    assert done.code == 2
    assert said in done.err
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_module_that_is_no_plugin_is_taken(
    ganforge: Ganforge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ganforge_acme.py").touch()
    monkeypatch.syspath_prepend(str(elsewhere))
    done = ganforge("new-plugin", "acme")
    assert done.code == 2
    assert "'acme' is taken: there is a module ganforge_acme already" in done.err


def test_a_kind_that_is_none_is_refused(ganforge: Ganforge, tmp_path: Path) -> None:
    done = ganforge("new-plugin", "acme", "--kind", "generater")
    assert done.code == 2
    assert "'generater' is not one of" in done.err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_left_alone(ganforge: Ganforge, tmp_path: Path) -> None:
    mine = tmp_path / "ganforge-acme" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    done = ganforge("new-plugin", "acme")
    assert done.code == 2
    assert "the folder 'ganforge-acme' is there already, and not empty" in done.err
    assert files(tmp_path) == {"ganforge-acme/thesis.txt"}
    assert mine.read_text() == "years of work"


def test_a_file_in_its_place_is_left_alone(ganforge: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "ganforge-acme").write_text("a file")
    done = ganforge("new-plugin", "acme")
    assert done.code == 2
    assert "'ganforge-acme' is there already, and no folder" in done.err
    assert (tmp_path / "ganforge-acme").read_text() == "a file"


def test_a_link_in_its_place_is_left_alone(ganforge: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "ganforge-acme").symlink_to("elsewhere")
    assert ganforge("new-plugin", "acme").code == 2
    assert (tmp_path / "ganforge-acme").is_symlink()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_place_that_is_not_there_is_told(ganforge: Ganforge, tmp_path: Path) -> None:
    done = ganforge("new-plugin", "acme", "--dest", "nowhere")
    assert done.code == 2
    assert "'nowhere' does not exist" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that root cannot write to")
def test_a_place_that_cannot_be_written_to_is_told(ganforge: Ganforge) -> None:
    done = ganforge("new-plugin", "acme", "--dest", "/proc")
    assert done.code == 1
    assert "cannot write '/proc/ganforge-acme': " in done.err
    assert "Name another place: --dest FOLDER." in done.err


def test_what_fails_on_its_way_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "ganforge-acme"
    with pytest.raises(GanforgeError, match="cannot write"):
        folder.write(target, {"a": "a file", "a/b": "a file cannot hold another"})
    assert not list(tmp_path.iterdir())
