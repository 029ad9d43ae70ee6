"""Every problem of the page is made here, and looks as the page shows it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from docpages import blocks
from docshell import Reader, in_process, in_processes

PAGE = "troubleshooting.md"

MARKED = "from ganforge import hookimpl\n\n@hookimpl\n"
GENERATOR = 'def register_generators(register):\n    register("tiny", "acme_gan.models:Tiny")\n'
LOSS = 'def register_losses(register):\n    register("acme", "acme_gan.losses:Acme")\n'
ACME = MARKED + LOSS
BROKEN = "import acme_missing\n"

SQUARE = """
from torch import nn

from ganforge import hookimpl

@hookimpl
def register_generators(register):
    register("square", Square)

class Square(nn.Module):
    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, 1024), nn.Tanh(), nn.Unflatten(1, (1, 32, 32))
        )

    def forward(self, latents):
        return self.layers(latents)
"""

INSTALLED: dict[str, dict[str, str]] = {
    "not-listed": {},
    "not-loaded": {"acme": BROKEN},
    "unknown-hook": {"acme": MARKED + GENERATOR.replace("generators", "generator")},
    "unknown-component": {},
    "clash": {"acme": MARKED + GENERATOR, "other": MARKED + GENERATOR},
    "requires": {},
    "leave-out": {"acme": ACME},
    "slow": {"acme": "import torch\n" + ACME},
    "supplied": {},
    "shapes": {},
    "not-finite": {},
    "resume": {},
}
"""By section: the plugins that are installed, and the source of their hook modules."""


def install(folder: Path, name: str, source: str) -> None:
    """A distribution ``NAME-gan 0.3`` with one entry point."""
    info = folder / f"{name}_gan-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-gan\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(f"[ganforge]\n{name} = {name}_gan\n")
    (folder / f"{name}_gan.py").write_text(source)


@pytest.mark.parametrize("section", INSTALLED)
def test_a_problem_looks_as_the_page_shows_it(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "site-packages"
    plugins.mkdir()
    for name, source in INSTALLED[section].items():
        install(plugins, name, source)
        monkeypatch.delitem(sys.modules, f"{name}_gan", raising=False)
    monkeypatch.syspath_prepend(plugins)
    monkeypatch.setenv("PYTHONPATH", str(plugins))
    for name, source in {"acme.py": ACME, "square.py": SQUARE}.items():
        (tmp_path / name).write_text(source)
    told = [block for block in blocks(PAGE) if block.section == section]
    assert told
    # A process of its own, where it matters that nobody has imported torch yet.
    Reader(tmp_path, in_processes if section == "slow" else in_process, {}).do(told)


def test_every_problem_is_made() -> None:
    assert {block.section for block in blocks(PAGE)} == set(INSTALLED)
