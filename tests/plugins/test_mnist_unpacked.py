"""The shipped files are kept unpacked in the cache, and believed only if they are the originals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganforge_mnist.dataset import MNIST

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mnist"


def test_the_second_time_reads_what_the_first_has_left(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = MNIST(split="test")
    assert sorted(path.name for path in cache.iterdir()) == [IMAGES, LABELS]
    assert (cache / IMAGES).stat().st_size == 16 + 10_000 * 28 * 28

    def fails(*_: object) -> None:
        raise AssertionError("the packed file was read")

    monkeypatch.setattr("ganforge_mnist.files.read_idx", fails)
    second = MNIST(split="test")
    assert torch.equal(first.samples, second.samples)
    assert first.labels is not None
    assert second.labels is not None
    assert torch.equal(first.labels, second.labels)
    second.samples[0] = 0  # it is the caller's own


@pytest.mark.parametrize("content", [b"", b"something else", bytes(16 + 10_000 * 28 * 28)])
def test_a_damaged_copy_is_made_anew(cache: Path, content: bytes) -> None:
    good = MNIST(split="test").samples
    (cache / IMAGES).write_bytes(content)
    assert torch.equal(MNIST(split="test").samples, good)
    assert (cache / IMAGES).stat().st_size == 16 + 10_000 * 28 * 28


def test_without_a_cache_it_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "file"))
    assert len(MNIST(split="test")) == 10_000


def test_files_of_ones_own_are_not_kept(cache: Path) -> None:
    shipped = Path(MNIST.__init__.__globals__["SHIPPED"])
    MNIST(split="test", root=str(shipped.parent / "data"), checksum=False)
    assert not cache.exists()
