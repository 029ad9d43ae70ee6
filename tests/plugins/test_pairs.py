"""Two data sets as one, and pairs of image files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganforge.api import AnyDataset, DataError, Dataset, MapDataset
from ganforge.engine.feed import make_feed
from ganforge.engine.streams import Streams
from ganforge.nested import Nested
from ganforge.options import read_signature
from ganforge_transforms.folders import PairedFolder
from ganforge_transforms.joining import paired, unpaired

CPU = torch.device("cpu")


def numbered(count: int, start: int = 0) -> Dataset:
    """Samples ``(1,)`` that are their own places, with labels."""
    samples = torch.arange(start, start + count, dtype=torch.float32)[:, None]
    return Dataset(samples=samples, labels=torch.arange(count) % 2, num_classes=2)


class Drawn(MapDataset):
    """Numbers read one by one, with a way of its own to draw them."""

    def __init__(self, count: int) -> None:
        super().__init__(sample_shape=(1,))
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor([float(index)])

    def picture(self, samples: Tensor, columns: int | None = None) -> Any:
        return f"a picture of {len(samples)}"


def batches(dataset: AnyDataset, count: int) -> list[tuple[list[float], list[float]]]:
    feed = make_feed(dataset, batch_size=4, streams=Streams(5), device=CPU)
    found = [feed.next() for _ in range(count)]
    feed.close()
    pairs = []
    for batch in found:
        assert batch.source is not None
        pairs.append((batch.samples.flatten().tolist(), batch.source.flatten().tolist()))
    return pairs


def test_pairs_stay_pairs() -> None:
    dataset = paired(target=numbered(11), source=numbered(11, 100))
    for samples, source in batches(dataset, 6):
        assert [number + 100 for number in samples] == source


def test_what_is_not_paired_is_dealt_out_by_itself() -> None:
    dataset = unpaired(target=numbered(11), source=numbered(6, 100))
    found = batches(dataset, 6)
    assert all(100 <= number < 106 for _, source in found for number in source)
    assert any([n + 100 for n in samples] != source for samples, source in found)


def test_a_target_keeps_what_its_class_can_do_and_is_not_changed_itself() -> None:
    target = Drawn(5)
    for join in (paired, unpaired):
        dataset = join(target=target, source=numbered(5))
        assert isinstance(dataset, Drawn)
        assert dataset.picture(torch.zeros(3)) == "a picture of 3"
        assert dataset.source_paired == (join is paired)
    assert target.source_dataset is None
    labelled = paired(target=numbered(4), source=Drawn(4))
    assert labelled.num_classes == 2
    assert labelled.gather(torch.tensor([3]))[1] == torch.tensor([1])


def test_an_earlier_source_is_left_out() -> None:
    first, second = numbered(4, 100), numbered(4, 200)
    twice = paired(target=unpaired(target=numbered(4), source=first), source=second)
    assert twice.source_dataset is second


def test_pairs_of_different_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="target has 4 samples and the source 3") as caught:
        paired(target=numbered(4), source=numbered(3))
    assert "unpaired" in str(caught.value.hint)
    assert len(unpaired(target=numbered(4), source=numbered(3))) == 4


@pytest.mark.parametrize("function", [paired, unpaired], ids=lambda each: each.__name__)
def test_both_are_options(function: Any) -> None:
    assert read_signature(function, "dataset").nested == dict.fromkeys(
        ("target", "source"), Nested("dataset")
    )


# Folders.

MakeFolder = Callable[..., Path]


def picture(seed: int, size: tuple[int, int] = (9, 6)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pairs of coloured pictures of 9x6; names do not end alike."""
    for place, ending in (("source", "png"), ("target", "bmp")):
        (tmp_path / place).mkdir()
        for seed, name in enumerate(("b", "a", "c.d")):
            picture(seed + (10 if place == "target" else 0)).save(
                tmp_path / place / f"{name}.{ending}"
            )
    (tmp_path / "source" / "notes.txt").write_text("no picture")
    return tmp_path


def pixels(image: Image.Image) -> Tensor:
    array = np.asarray(image)
    array = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(array.transpose(2, 0, 1).copy())


def test_pairs_of_files(folder: Path) -> None:
    dataset = PairedFolder(root=str(folder))
    assert (len(dataset), dataset.sample_shape, dataset.num_classes) == (3, (3, 6, 9), None)
    source = dataset.source_dataset
    assert source is not None
    assert dataset.source_paired
    for index, seed in enumerate((1, 0, 2)):  # a, b, c.d
        rows = torch.tensor([index])
        assert torch.equal(dataset.gather(rows)[0][0], pixels(picture(seed + 10)))
        assert torch.equal(source.gather(rows)[0][0], pixels(picture(seed)))


def test_grey_and_resized(folder: Path) -> None:
    dataset = PairedFolder(root=str(folder), channels=1, size=8)
    assert dataset.sample_shape == (1, 8, 8)
    wanted = picture(11).convert("L").resize((8, 8), Image.Resampling.BICUBIC)
    assert torch.equal(dataset.gather(torch.tensor([0]))[0][0], pixels(wanted))


def test_folders_may_have_other_names(folder: Path) -> None:
    dataset = PairedFolder(root=str(folder), source_folder="target", target_folder="source")
    assert torch.equal(dataset.gather(torch.tensor([1]))[0][0], pixels(picture(0)))


def test_workers_read_the_same(folder: Path) -> None:
    found = []
    for workers in (0, 1):
        dataset = PairedFolder(root=str(folder))
        feed = make_feed(dataset, batch_size=2, streams=Streams(0), device=CPU, workers=workers)
        batch = feed.next()
        feed.close()
        assert batch.source is not None
        found.append((batch.samples, batch.source))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize(("gone", "left"), [("source", "target"), ("target", "source")])
def test_a_file_without_a_partner_is_named(folder: Path, gone: str, left: str) -> None:
    next((folder / gone).glob("a.*")).unlink()
    with pytest.raises(DataError, match=rf"{left}/a\.\w+' has no partner in '{gone}'$") as caught:
        PairedFolder(root=str(folder))
    assert "'a'" in str(caught.value.hint)
    next((folder / gone).glob("b.*")).unlink()
    with pytest.raises(DataError, match="nor have 1 others"):
        PairedFolder(root=str(folder))


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    path = folder / "source" / "a.png"
    path.write_bytes(b"no picture at all")
    with pytest.raises(DataError, match=rf"{re.escape(str(path))}' is no image"):
        PairedFolder(root=str(folder))
    dataset = PairedFolder(root=str(folder), size=8)  # looks at a file when it is asked for
    assert dataset.source_dataset is not None
    with pytest.raises(DataError, match=rf"{re.escape(str(path))}' is no image"):
        dataset.source_dataset.gather(torch.tensor([0]))


def test_a_file_cut_short_is_named(folder: Path) -> None:
    path = folder / "target" / "b.bmp"
    path.write_bytes(path.read_bytes()[:80])
    dataset = PairedFolder(root=str(folder))  # its head is whole
    with pytest.raises(DataError, match=rf"{re.escape(str(path))}' is no image") as caught:
        dataset.gather(torch.tensor([1]))
    assert caught.value.hint is not None


def test_a_file_of_another_size_is_named(folder: Path) -> None:
    path = folder / "target" / "b.bmp"
    before = PairedFolder(root=str(folder))
    picture(0, (9, 7)).save(path)
    message = rf"{re.escape(str(path))}' is 9x7, and should be 9x6"
    with pytest.raises(DataError, match=message) as caught:
        PairedFolder(root=str(folder))
    assert "size" in str(caught.value.hint)
    with pytest.raises(DataError, match=message):
        before.gather(torch.tensor([1]))
    assert PairedFolder(root=str(folder), size=8).gather(torch.tensor([1]))[0].shape[1:] == (
        3,
        8,
        8,
    )


def test_two_files_of_a_name_are_refused(folder: Path) -> None:
    picture(0).save(folder / "source" / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg' and .*a\.png' have the same name"):
        PairedFolder(root=str(folder))


@pytest.mark.parametrize("place", ["", "empty"], ids=["no folder", "empty folder"])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, place: str) -> None:
    if place:
        (tmp_path / "source").mkdir()
    with pytest.raises(DataError, match="holds no images" if place else "cannot be read") as caught:
        PairedFolder(root=str(tmp_path))
    assert "source'" in caught.value.message
    assert caught.value.hint is not None


def test_options() -> None:
    signature = read_signature(PairedFolder, "dataset")
    assert signature.check({"root": "x", "channels": 2, "size": 3})[1] != []
    assert signature.check({"root": "x", "channels": 1, "size": 64})[1] == []
