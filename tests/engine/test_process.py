"""Threads and memory of the whole process, looked at in processes of their own."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from ganforge.engine.process import allowance, few_to_collect

FAULTS = """
import resource, torch
from ganforge.engine.process import keep_memory
print({kept})
def work():
    for _ in range(20):
        parts = [torch.ones(12_000_000) for _ in range(2)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def said(code: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_not_mapped_again() -> None:
    """48 MB twice over: without it, the system maps and zeroes every page anew."""
    usual = int(said(FAULTS.format(kept="''"))[-1])
    kept, faults = said(FAULTS.format(kept="keep_memory()"))
    assert kept == "True"
    assert int(faults) < usual / 20


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(
    "settings", [{"MALLOC_ARENA_MAX_": "1"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=1"}]
)
def test_what_the_user_has_set_stays(settings: dict[str, str]) -> None:
    code = "from ganforge.engine.process import keep_memory; print(keep_memory())"
    assert said(code, **settings) == ["False"]


@pytest.mark.parametrize(
    ("quota", "count"),
    [("100000 100000", 1), ("150000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_a_container_may_use_fewer_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, count: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    file = tmp_path / "cpu.max"
    file.write_text(f"{quota}\n")
    assert allowance(file) == count


@pytest.mark.parametrize("text", ["max 100000\n", "", "nonsense\n", None])
def test_without_a_quota_all_processors_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    file = tmp_path / "cpu.max"
    if text is not None:
        file.write_text(text)
    assert allowance(file) == 8


def test_threads_are_what_was_asked_for() -> None:
    code = (
        "from ganforge.engine.process import set_threads; import torch; "
        "set_threads({0}); print(torch.get_num_threads())"
    )
    assert said(code.format(1)) == ["1"]
    assert said(code.format(None), OMP_NUM_THREADS="1") == ["1"]


def test_the_collector_leaves_alone_what_was_there_before_a_block() -> None:
    before = gc.get_freeze_count()
    with few_to_collect():
        assert gc.get_freeze_count() > 10_000 + before
        found = weakref.ref(cycle())
        gc.collect()
        assert found() is None  # what the block makes is collected
    assert gc.get_freeze_count() == 0


def test_the_collector_looks_at_everything_again_after_a_block_that_failed() -> None:
    def failing() -> None:
        with few_to_collect():
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert gc.get_freeze_count() == 0


class Cyclic:
    me: Cyclic


def cycle() -> Cyclic:
    made = Cyclic()
    made.me = made
    return made
