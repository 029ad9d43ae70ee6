"""What tests of whole runs share."""

from __future__ import annotations

import os
import site
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ganforge import build, runfolder
from ganforge.engine.run import Run
from ganforge.plugins import load_registry
from ganforge.recipe.check import check
from ganforge.recipe.overrides import apply_overrides
from ganforge.recipe.reader import read_file
from ganforge.recipe.shipped import folder as recipes

MakeRun = Callable[..., Run]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are computed faster by one thread than by several that wait."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def own_python(tmp_path: Path) -> Path:
    """The interpreter of an environment that sees what this one has; a test may install more."""
    place = tmp_path / "venv"
    venv.create(place, symlinks=os.name != "nt")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    outer = [f"import site; site.addsitedir({each!r})\n" for each in site.getsitepackages()]
    (Path(packages) / "outer.pth").write_text("".join(outer))
    return python


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """``make_run(*overrides)``: a run of the recipe ``smoke``, cut down, not yet played."""

    def make(
        *overrides: str, folder: Path | None = None, tell: Callable[[str], object] = pytest.fail
    ) -> Run:
        document = read_file(recipes() / "smoke.yaml")
        small = ["train.steps=6", "train.batch_size=8", "generator.channels=2", "callbacks=[]"]
        apply_overrides(document, [*small, "discriminator.channels=2", *overrides])
        recipe = check(document, load_registry())
        prepared = build.prepare(recipe, device=torch.device("cpu"))
        if folder is None:
            folder = runfolder.create(tmp_path / "runs", recipe.head.name)
        return build.start(prepared, folder, tell=tell, quiet=True)

    return make
