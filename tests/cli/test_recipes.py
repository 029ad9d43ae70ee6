"""``list-recipes``, ``copy-recipe`` and ``validate``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import Ganforge

from ganforge.recipe.shipped import folder

SMOKE = (folder() / "smoke.yaml").read_text(encoding="utf-8")
HOOK = "from ganforge import hookimpl\n"
LOSS = (
    HOOK + "from ganforge_losses.losses import Hinge\n"
    "@hookimpl\ndef register_losses(register):\n    register('mine', Hinge)\n"
)
RECIPES = HOOK + "@hookimpl\ndef register_recipes(register):\n"


@pytest.fixture
def acme(
    plugin: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """``acme(name=text)`` installs a plugin whose recipes lie in files named ``NAME.file.yaml``."""

    def install(**recipes: str) -> None:
        lines = [f"    register('{name}', '{name}.file.yaml')\n" for name in recipes]
        plugin(RECIPES + "".join(lines))
        for name, text in recipes.items():
            (tmp_path / "plugins" / f"{name}.file.yaml").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        sys.modules.pop("acme_gan", None)

    return install


def written(file: Path, *lines: str) -> Path:
    """A valid recipe with more lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([SMOKE.rstrip(), *lines]) + "\n")
    return file


# list-recipes


def test_recipes_of_plugins_are_listed_with_their_origin(
    in_process: Ganforge, acme: Callable[..., None]
) -> None:
    acme(fancy="description: A fancy one.\nexpected_time: 3 min\n", smoke=SMOKE)
    rows = {row["name"]: row for row in json.loads(in_process("list-recipes", "--json").out)}
    assert rows["fancy"]["from"] == "acme-gan 0.3"
    assert rows["fancy"]["description"] == "A fancy one."
    assert rows["fancy"]["expected_time"] == "3 min"
    assert Path(rows["fancy"]["path"]).name == "fancy.file.yaml"
    assert Path(rows["smoke"]["path"]) == folder() / "smoke.yaml"
    assert Path(rows["acme:smoke"]["path"]).name == "smoke.file.yaml"
    lines = in_process("list-recipes").out.splitlines()
    assert lines[0].split("  ")[0] == "recipe"
    (line,) = (line for line in lines if line.startswith("fancy"))
    assert line.split() == ["fancy", "3", "min", "acme-gan", "0.3", "A", "fancy", "one."]


@pytest.mark.parametrize("odd", ["3", "[a, b]", "{a: b}", "true", "null", "''"])
def test_a_description_that_is_no_text_leaves_an_empty_place(
    in_process: Ganforge, acme: Callable[..., None], odd: str
) -> None:
    acme(fancy=f"description: {odd}\nexpected_time: {odd}\n")
    done = in_process("list-recipes")
    (line,) = (line for line in done.out.splitlines() if line.startswith("fancy"))
    assert (done.code, line.split()) == (0, ["fancy", "acme-gan", "0.3"])
    rows = {row["name"]: row for row in json.loads(in_process("list-recipes", "--json").out)}
    assert not rows["fancy"]["description"]


@pytest.mark.parametrize("text", ["version: [\n", "\0", "- a\n", ""])
def test_a_recipe_that_cannot_be_read_says_where_to_see_why(
    in_process: Ganforge, acme: Callable[..., None], tmp_path: Path, text: str
) -> None:
    acme(fancy=text)
    done = in_process("list-recipes")
    assert done.code == 0
    file = tmp_path / "plugins" / "fancy.file.yaml"
    assert f"cannot be read: see ganforge validate {file}" in done.out
    assert in_process("validate", str(file)).code == 2


def test_validate_takes_no_values(in_process: Ganforge) -> None:
    done = in_process("validate", "smoke", "train.steps=0")
    assert done.code == 2
    assert done.out == "smoke: valid\n"
    assert "'train.steps=0' is no recipe" in done.err
    assert "ganforge run RECIPE KEY=VALUE --dry-run" in done.err


# copy-recipe


@pytest.mark.parametrize(
    ("destination", "copy"),
    [
        ([], "smoke.yaml"),
        (["mine.yaml"], "mine.yaml"),
        (["mine.yml"], "mine.yml"),
        (["there"], "there/smoke.yaml"),
        (["there/"], "there/smoke.yaml"),
        (["there/my recipe.yaml"], "there/my recipe.yaml"),
        (["."], "smoke.yaml"),
    ],
)
def test_a_copy_is_valid_and_its_first_line_says_how_to_run_it(
    in_process: Ganforge, tmp_path: Path, destination: list[str], copy: str
) -> None:
    (tmp_path / "there").mkdir()
    done = in_process("copy-recipe", "smoke", *destination)
    assert (done.code, done.out) == (0, f"{copy}\n")
    assert done.err == f"Next: ganforge run {shlex.quote(copy)}\n"
    first, rest = (tmp_path / copy).read_text().split("\n", 1)
    assert shlex.split(first) == ["#", "ganforge", "run", copy]
    assert rest == SMOKE.split("\n", 1)[1]
    assert in_process("validate", copy).out == f"{copy}: valid\n"


def test_a_recipe_without_such_a_line_gets_one(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("version: 1\nname: bare\n")
    assert in_process("copy-recipe", "bare.yaml", "copy.yaml").code == 0
    text = (tmp_path / "copy.yaml").read_text()
    assert text == "# ganforge run copy.yaml\nversion: 1\nname: bare\n"


def test_the_recipe_of_a_run_says_run_again(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("# ganforge resume runs/1 steps=3\nname: bare\n")
    assert in_process("copy-recipe", "recipe.yaml", "copy.yaml").code == 0
    assert (tmp_path / "copy.yaml").read_text() == "# ganforge run copy.yaml\nname: bare\n"


@pytest.mark.parametrize(("name", "copy"), [("fancy", "fancy.yaml"), ("acme:smoke", "smoke.yaml")])
def test_a_plugins_recipe_is_copied_under_its_name(
    in_process: Ganforge, acme: Callable[..., None], tmp_path: Path, name: str, copy: str
) -> None:
    acme(fancy="name: fancy\n", smoke="name: other\n")
    assert in_process("copy-recipe", name).out == f"{copy}\n"
    text = (tmp_path / "plugins" / f"{name.rpartition(':')[2]}.file.yaml").read_text()
    assert (tmp_path / copy).read_text() == f"# ganforge run {copy}\n{text}"


def test_what_is_there_is_replaced_only_by_force(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "smoke.yaml").write_text("mine\n")
    done = in_process("copy-recipe", "recipes/smoke.yaml")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "Error: 'smoke.yaml' is there already\nName another place, or replace it with --force.\n"
    )
    assert (tmp_path / "smoke.yaml").read_text() == "mine\n"
    assert in_process("copy-recipe", "recipes/smoke.yaml", "--force").code == 0
    assert in_process("validate", "smoke.yaml").code == 0


@pytest.mark.parametrize("destination", ["src/a.yaml", "src", "link.yaml", "src/../src/a.yaml"])
def test_a_recipe_is_never_copied_onto_itself(
    in_process: Ganforge, tmp_path: Path, destination: str
) -> None:
    text = written(tmp_path / "src" / "a.yaml").read_text()
    (tmp_path / "link.yaml").symlink_to("src/a.yaml")
    done = in_process("copy-recipe", "src/a.yaml", destination, "--force")
    assert done.code == 2
    assert "is the recipe itself" in done.err
    assert (tmp_path / "src" / "a.yaml").read_text() == text


@pytest.mark.parametrize("destination", ["new/", "new", "mine.txt", "mine"])
def test_a_destination_that_is_no_recipes_name_is_refused(
    in_process: Ganforge, tmp_path: Path, destination: str
) -> None:
    done = in_process("copy-recipe", "smoke", destination)
    assert done.code == 2
    assert "is no name for a recipe\nName a folder that exists, or a file that ends" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("destination", ["/proc/x.yaml", "nowhere/x.yaml"])
def test_a_place_that_cannot_be_written_to_is_told(in_process: Ganforge, destination: str) -> None:
    done = in_process("copy-recipe", "smoke", destination)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"Error: cannot write '{destination}': No such file or directory\n"


def test_plugin_files_beside_a_recipe_go_with_it(in_process: Ganforge, tmp_path: Path) -> None:
    source = tmp_path / "src"
    written(
        source / "a.yaml", "plugins: [./mine.py, archs/deep.py, ./package, packaging, ./gone.py]"
    )
    for file in ("mine.py", "archs/deep.py", "package/__init__.py", "package/part.py"):
        (source / file).parent.mkdir(exist_ok=True)
        (source / file).write_text(f"# {file}\n")
    (source / "package" / "__pycache__").mkdir()
    (source / "unnamed.py").write_text("")
    (tmp_path / "there").mkdir()
    assert in_process("copy-recipe", "src/a.yaml", "there").code == 0
    found = {
        str(path.relative_to(tmp_path / "there")): path.read_text()
        for path in (tmp_path / "there").rglob("*")
        if path.is_file()
    }
    assert found.pop("a.yaml").startswith("# ganforge run there/a.yaml\n")
    names = ("mine.py", "archs/deep.py", "package/__init__.py", "package/part.py")
    assert found == {name: f"# {name}\n" for name in names}
    assert not (tmp_path / "there" / "package" / "__pycache__").exists()


def test_the_copy_runs_with_its_plugin_file(in_process: Ganforge, tmp_path: Path) -> None:
    text = SMOKE.replace("non_saturating", "mine") + "plugins: [./mine.py]\n"
    (tmp_path / "src").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "src" / "a.yaml").write_text(text)
    (tmp_path / "src" / "mine.py").write_text(LOSS)
    in_process("copy-recipe", "src/a.yaml", "there")
    (tmp_path / "src" / "mine.py").unlink()
    assert in_process("validate", "there/a.yaml").out == "there/a.yaml: valid\n"
    assert in_process("validate", "src/a.yaml").code == 2


def test_nothing_is_copied_if_a_plugin_file_is_there_already(
    in_process: Ganforge, tmp_path: Path
) -> None:
    written(tmp_path / "src" / "a.yaml", "plugins: [./mine.py]")
    (tmp_path / "src" / "mine.py").write_text("new\n")
    (tmp_path / "mine.py").write_text("old\n")
    done = in_process("copy-recipe", "src/a.yaml")
    assert done.code == 2
    assert "'mine.py' is there already" in done.err
    assert not (tmp_path / "a.yaml").exists()
    assert in_process("copy-recipe", "-f", "src/a.yaml").code == 0
    assert (tmp_path / "mine.py").read_text() == "new\n"


@pytest.mark.parametrize("line", ["[../shared.py]", "[./link.py]", "./mine.py", "[3, null]", "{}"])
def test_no_plugin_file_is_written_outside_the_destination(
    in_process: Ganforge, tmp_path: Path, line: str
) -> None:
    written(tmp_path / "src" / "a.yaml", f"plugins: {line}")
    (tmp_path / "shared.py").write_text("shared\n")
    (tmp_path / "src" / "mine.py").write_text("mine\n")
    (tmp_path / "src" / "link.py").symlink_to(tmp_path / "shared.py")
    (tmp_path / "x" / "there").mkdir(parents=True)
    assert in_process("copy-recipe", "src/a.yaml", "x/there").code == 0
    found = [str(path.relative_to(tmp_path)) for path in (tmp_path / "x").rglob("*")]
    assert sorted(found) == ["x/there", "x/there/a.yaml"]


def test_there_must_be_something_to_copy(in_process: Ganforge) -> None:
    done = in_process("copy-recipe", "smok")
    assert done.code == 2
    assert "Did you mean 'smoke'?" in done.err


# validate


def test_several_recipes_are_checked_each_for_itself(in_process: Ganforge, tmp_path: Path) -> None:
    written(tmp_path / "good.yaml")
    (tmp_path / "bad.yaml").write_text(SMOKE.replace("use: adam", "use: adm"))
    done = in_process("validate", "bad.yaml", "good.yaml", "smoke", "gone.yaml")
    assert done.code == 2
    assert done.out == "good.yaml: valid\nsmoke: valid\n"
    line = next(n for n, text in enumerate(SMOKE.splitlines(), 1) if "use: adam" in text)
    told = f"Error: 2 problems:\n\nbad.yaml:{line}:24: unknown optimizer 'adm'\n"
    assert done.err.startswith(told)
    assert "bad.yaml: not valid\n" in done.err
    assert "there is no recipe 'gone.yaml'" in done.err
    assert "gone.yaml: not valid\n" in done.err


def test_the_json_has_an_entry_for_each_recipe(in_process: Ganforge, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SMOKE.replace("steps: 40", "a: 1"))
    done = in_process("validate", "--json", "smoke", "bad.yaml", "gone.yaml")
    assert (done.code, done.err) == (2, "")
    good, bad, gone = json.loads(done.out)
    assert good == {"recipe": "smoke", "valid": True, "problems": []}
    assert (bad["recipe"], bad["valid"]) == ("bad.yaml", False)
    unknown = bad["problems"][1]
    assert unknown["message"] == "train: unknown option 'a'"
    place = {key: unknown[key] for key in ("source", "line", "column")}
    line = next(n for n, text in enumerate(SMOKE.splitlines(), 1) if "steps: 40" in text)
    assert place == {"source": "bad.yaml", "line": line, "column": 9}
    assert "Available: batch_size" in unknown["hint"]
    assert [set(problem) for problem in gone["problems"]] == [
        {"message", "hint", "source", "line", "column"}
    ]
    assert gone["problems"][0]["line"] is None


def test_each_recipe_has_its_own_plugins(in_process: Ganforge, tmp_path: Path) -> None:
    """Two folders have a ``mine.py`` of their own; what one registers is not there for others."""
    text = SMOKE.replace("non_saturating", "mine")
    for place, source in {"a": LOSS, "b": LOSS.replace("'mine'", "'other'")}.items():
        (tmp_path / place).mkdir()
        (tmp_path / place / "mine.py").write_text(source)
        (tmp_path / place / "r.yaml").write_text(text + "plugins: [./mine.py]\n")
    (tmp_path / "none.yaml").write_text(text)
    names = ["a/r.yaml", "b/r.yaml", "none.yaml", "a/r.yaml"]
    found = json.loads(in_process("validate", "--json", *names).out)
    assert [each["valid"] for each in found] == [True, False, False, True]
    for each in found[1:3]:
        (problem,) = each["problems"]
        assert problem["message"] == "unknown loss 'mine'"
    assert "other" in found[1]["problems"][0]["hint"]
    assert "other" not in found[2]["problems"][0]["hint"]


def test_a_plugin_of_the_user_is_there_for_every_recipe(
    in_process: Ganforge, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(LOSS)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(SMOKE.replace("non_saturating", "mine"))
    assert in_process("validate", "a.yaml", "b.yaml").code == 2
    assert in_process("validate", "-p", "mine.py", "a.yaml", "b.yaml").code == 0


def test_a_broken_plugin_file_is_one_recipes_fault(in_process: Ganforge, tmp_path: Path) -> None:
    written(tmp_path / "a.yaml", "plugins: [./broken.py]")
    (tmp_path / "broken.py").write_text("raise RuntimeError('not today')\n")
    found = json.loads(in_process("validate", "--json", "a.yaml", "smoke").out)
    assert [each["valid"] for each in found] == [False, True]
    assert "not today" in found[0]["problems"][0]["message"]
