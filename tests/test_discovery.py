"""What is installed: entry points as pip leaves them, damaged ones, and the cache of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from ganforge import discovery
from ganforge.discovery import Found

METADATA = "Metadata-Version: 2.1\nName: {0}\nVersion: {1}\n"


def install(site: Path, package: str, version: str, entries: str) -> Path:
    """The folder that a distribution has beside its modules."""
    info = site / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA.format(package, version))
    (info / "entry_points.txt").write_text(f"[ganforge]\n{entries}\n")
    return info


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the beginning of the path, and no cache."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return place


def others() -> list[Found]:
    """What is found beside ganforge's own plugins."""
    return [found for found in discovery.installed() if found.package != "ganforge"]


def the_cache(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache" / "ganforge").iterdir()
    return path


def test_ganforges_own_are_those_of_its_metadata(site: Path) -> None:
    own = {found for found in discovery.installed() if found.package == "ganforge"}
    told = distribution("ganforge").entry_points.select(group="ganforge")
    assert {(found.name, found.value) for found in own} == {(e.name, e.value) for e in told}
    assert {found.version for found in own} == {distribution("ganforge").version}


def test_one_distribution_may_have_several_plugins(site: Path) -> None:
    install(site, "acme-gan", "0.3", "two = acme.two\none = acme.one:plugin")
    assert others() == [
        Found("one", "acme.one:plugin", "acme-gan", "0.3"),
        Found("two", "acme.two", "acme-gan", "0.3"),
    ]


def test_other_groups_are_none_of_our_business(site: Path) -> None:
    info = install(site, "acme-gan", "0.3", "one = acme")
    (info / "entry_points.txt").write_text("[console_scripts]\nganforge = acme:main\n")
    assert others() == []


def test_the_first_of_two_versions_on_the_path_counts(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-gan", "1.0", "old = acme")
    install(tmp_path / "before", "acme-gan", "2.0", "new = acme")
    monkeypatch.syspath_prepend(str(tmp_path / "before"))
    assert [(found.name, found.version) for found in others()] == [("new", "2.0")]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("entry_points.txt", b"[ganforge]\nno equals sign\n"),
        ("entry_points.txt", b"[ganforge]\n= no name\n"),
        ("entry_points.txt", b"one = before any section\n"),
        ("entry_points.txt", b"[ganforge]\n\xff\xfe = acme\n"),
        ("entry_points.txt", b""),
        ("METADATA", b""),
        ("METADATA", b"\xff\xfe\n"),
        ("METADATA", None),
        ("entry_points.txt", None),
    ],
)
def test_a_strangers_damaged_metadata_costs_nothing(
    site: Path, file: str, content: bytes | None
) -> None:
    damaged = install(site, "damaged", "1.0", "broken = damaged") / file
    damaged.unlink() if content is None else damaged.write_bytes(content)
    install(site, "acme-gan", "0.3", "one = acme")
    assert "one" in {found.name for found in others()}
    assert {found.package for found in discovery.installed()} >= {"ganforge", "acme-gan"}


@pytest.mark.parametrize(
    ("value", "loaded"),
    [
        ("tiny_found", "module"),
        (" tiny_found ", "module"),
        ("tiny_found:plugin", "object"),
        ("tiny_found : plugin", "object"),
        ("tiny_found:Holder.plugin", "inner"),
    ],
)
def test_an_entry_point_names_a_module_or_an_object_in_it(
    site: Path, value: str, loaded: str
) -> None:
    (site / "tiny_found.py").write_text(
        "NAME = 'module'\n"
        "class Holder:\n    NAME = 'object'\n"
        "    class plugin: NAME = 'inner'\n"
        "plugin = Holder\n"
    )
    sys.modules.pop("tiny_found", None)
    target = Found("x", value, "acme", "1").load()
    assert vars(target)["NAME"] == loaded


def test_an_object_that_is_not_there_is_an_error(site: Path) -> None:
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        Found("x", "json:nothing_of_that_name", "acme", "1").load()
    with pytest.raises(ModuleNotFoundError):
        Found("x", "nothing_of_that_name", "acme", "1").load()


@pytest.mark.parametrize(
    "content", ["", "[1, 2", "[]", "null", '{"key": 1}', '{"found": []}', "\0", "x" * 1000]
)
def test_a_damaged_cache_is_made_anew(site: Path, tmp_path: Path, content: str) -> None:
    first = discovery.installed()
    path = the_cache(tmp_path)
    kept = path.read_text()
    path.write_text(content)
    assert discovery.installed() == first
    assert path.read_text() == kept


@pytest.mark.parametrize("entry", [3, None, [], ["name"], ["a", "b", "c", "d", "e"]])
def test_a_cache_with_other_entries_is_made_anew(site: Path, tmp_path: Path, entry: object) -> None:
    first = discovery.installed()
    path = the_cache(tmp_path)
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "found": [entry]}))
    assert discovery.installed() == first


def test_the_cache_follows_what_is_installed_and_removed(site: Path) -> None:
    assert others() == []
    info = install(site, "acme-gan", "0.3", "one = acme")
    assert [found.name for found in others()] == ["one"]
    for file in info.iterdir():
        file.unlink()
    info.rmdir()
    assert others() == []


def test_paths_do_not_share_a_cache(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert others() == []
    with monkeypatch.context() as changed:
        install(tmp_path / "more", "acme-gan", "0.3", "one = acme")
        changed.syspath_prepend(str(tmp_path / "more"))
        assert [found.name for found in others()] == ["one"]
    assert others() == []
    assert len(list((tmp_path / "cache" / "ganforge").iterdir())) == 2


def test_no_half_written_cache_is_left(site: Path, tmp_path: Path) -> None:
    discovery.installed()
    assert the_cache(tmp_path).suffix == ".json"


def test_the_cache_remembers_a_limited_number_of_environments(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "KEPT", 3)
    kept = []
    for number in range(5):
        monkeypatch.syspath_prepend(tmp_path / f"environment{number}")
        discovery.installed()
        new = set((tmp_path / "cache" / "ganforge").iterdir()).difference(kept)
        kept += new
        for age, file in enumerate(reversed(kept)):
            if file.exists():
                os.utime(file, (1_000_000 - age, 1_000_000 - age))
    assert set((tmp_path / "cache" / "ganforge").iterdir()) == set(kept[-3:])


def test_without_a_home_or_a_working_folder_it_still_looks(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-gan", "0.3", "one = acme")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert [found.name for found in others()] == ["one"]


def test_a_working_folder_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    # The interpreter starts there and removes it, as a shell's folder may be removed by another.
    source = (
        "import os, sys; os.rmdir(os.getcwd()); sys.path.insert(0, ''); "
        "from ganforge.discovery import installed; print(len(installed()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=gone, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 8
