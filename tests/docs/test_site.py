"""The site builds without a warning, and a browser that shows it loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docpages import DOCS, ROOT, pages

pytest.importorskip("mkdocs")
pytest.importorskip("material")

pytestmark = pytest.mark.slow

SHELLS = {"bash": "complete ", "zsh": "compdef ", "fish": "complete "}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CI builds it: each broken link or forgotten page is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Resources(HTMLParser):
    """Everything that a page makes a browser load by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video") and given.get("src"):
            self.found.append(given["src"] or "")
        if tag == "link" and given.get("rel") not in ("next", "prev", "canonical"):
            self.found.append(given.get("href") or "")


def test_every_page_is_in_the_site_and_filled(site: Path) -> None:
    for page in pages():
        html = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        assert "<!-- generated:" not in html, page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for place in Resources(page.read_text(encoding="utf-8")).found:
            assert not re.match(r"(\w+:)?//", place), f"{page.name} loads {place}"
            file = place.partition("?")[0]
            where = site / file[1:] if file.startswith("/") else page.parent / file
            assert where.exists() or place.startswith("data:"), place
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_the_generator_of_the_pages_is_not_published(site: Path) -> None:
    assert not (site / "hooks").exists()


def test_drawings_are_whole_and_tell_what_they_show() -> None:
    drawings = list(DOCS.rglob("*.svg"))
    assert drawings
    for path in drawings:
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        space = {"svg": "http://www.w3.org/2000/svg"}
        assert root.find("svg:title", space) is not None
        assert root.find("svg:desc", space) is not None
        assert not root.findall(".//svg:script", space)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_line_for_completion_is_one_that_works(shell: str, tmp_path: Path) -> None:
    import generate

    (line,) = re.findall(
        rf"(_GANFORGE_COMPLETE={shell}_source) ganforge", generate.PARTS["completion"]()
    )
    name, _, value = line.partition("=")
    script = subprocess.run(
        [sys.executable, "-c", "from ganforge.cli import main; main()"],
        env={**os.environ, name: value},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert SHELLS[shell] in script.stdout, script.stderr
