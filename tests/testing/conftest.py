"""What the tests of the conformance checks share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[[str], str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(source)`` puts a distribution on the path, as pip would leave it.

    It is called ``acme-gan``, its module ``acme_gan``, its plugin ``acme``; that name comes back.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(source: str) -> str:
        (site / "acme_gan.py").write_text(source)
        info = site / "acme_gan-0.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gan\nVersion: 0.3\n")
        (info / "entry_points.txt").write_text("[ganforge]\nacme = acme_gan\n")
        monkeypatch.delitem(sys.modules, "acme_gan", raising=False)
        return "acme"

    yield install
    for name in [name for name in sys.modules if name.startswith("acme_gan")]:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """``write(source)`` makes a plugin file."""

    def write(source: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(source)
        return path

    return write
