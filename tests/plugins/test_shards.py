"""The data set ``shards``: what it reads is what was written, and what is wrong is told."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganforge.api import DataError
from ganforge.engine.loading import LoaderFeed
from ganforge.engine.streams import Streams
from ganforge_shards.dataset import Shards

SIZES = (5, 1, 7)


@pytest.fixture
def written(tmp_path: Path) -> np.ndarray[Any, Any]:
    """Three files of images, each pixel another number, with labels."""
    images = np.random.default_rng(0).integers(0, 256, (sum(SIZES), 3, 6, 8), dtype=np.uint8)
    edges = np.cumsum((0, *SIZES))
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        np.save(tmp_path / f"images-{number:04d}.npy", images[start:stop])
        np.save(tmp_path / f"labels-{number:04d}.npy", np.arange(start, stop) % 4)
    return images


def test_rows_are_what_was_written(tmp_path: Path, written: np.ndarray[Any, Any]) -> None:
    data = Shards(root=str(tmp_path), num_classes=4)
    assert len(data) == sum(SIZES)
    assert data.sample_shape == (3, 6, 8)
    rows = torch.tensor([12, 0, 5, 4, 6, 12])
    samples, labels = data.gather(rows)
    assert np.array_equal(samples.numpy(), written[rows.numpy()])
    assert labels is not None
    assert labels.tolist() == [row % 4 for row in rows.tolist()]
    image, label = data[7]
    assert np.array_equal(image, written[7])
    assert label == 3


def test_without_classes_there_are_no_labels(tmp_path: Path, written: Any) -> None:
    assert Shards(root=str(tmp_path)).gather(torch.tensor([3]))[1] is None


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_meets_every_image_once(tmp_path: Path, written: Any, workers: int) -> None:
    data = Shards(root=str(tmp_path))
    feed = LoaderFeed(
        data, batch_size=13, streams=Streams(0), device=torch.device("cpu"), workers=workers
    )
    batch = feed.next()
    feed.close()
    seen = sorted((batch.samples * 127.5 + 127.5).round().flatten(1).sum(1).tolist())
    assert seen == sorted(written.reshape(13, -1).sum(1).tolist())


def wrong(name: str, content: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            np.save(folder / name, content)

    return write


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (wrong("images-0001.npy", b"no array"), "images-0001.npy' cannot be read"),
        (wrong("images-0001.npy", pickle.dumps([1])), "images-0001.npy' cannot be read"),
        (wrong("images-0001.npy", np.zeros((2, 3, 6, 8))), "holds float64 of shape"),
        (wrong("images-0001.npy", np.zeros((2, 6, 8), np.uint8)), r"shape \(2, 6, 8\), not uint8"),
        (wrong("images-0001.npy", np.zeros((2, 1, 6, 8), np.uint8)), r"images of \(1, 6, 8\), and"),
        (wrong("labels-0001.npy", np.zeros(3, int)), "does not hold 1 whole numbers from 0 to 3"),
        (wrong("labels-0002.npy", np.full(7, 4)), "does not hold 7 whole numbers"),
        (wrong("labels-0002.npy", np.zeros(7)), "does not hold 7 whole numbers"),
        (lambda folder: (folder / "labels-0000.npy").unlink(), "labels of 'images-0000.npy'"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, written: Any, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(tmp_path)
    with pytest.raises(DataError, match=told) as caught:
        Shards(root=str(tmp_path), num_classes=4)
    assert caught.value.hint


def test_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no files images-\*.npy"):
        Shards(root=str(tmp_path))
    with pytest.raises(DataError, match="which does not exist"):
        Shards(root=str(tmp_path / "nowhere"))
