"""The data set ``mnist``: what it holds, how options change it, and how it refuses bad files."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.api import DataError
from ganforge_mnist import files, resize
from ganforge_mnist.dataset import MNIST
from ganforge_mnist.idx import IMAGES, read_idx

SHIPPED = Path(files.__file__).parent / "data"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def train() -> MNIST:
    return MNIST()


@pytest.fixture(scope="module")
def test_split() -> MNIST:
    return MNIST(split="test")


def image_file(count: int = 3, *, declared: int | None = None, side: int = 28) -> bytes:
    """An IDX file of ``count`` images whose pixels all have the image's number."""
    header = struct.pack(">IIII", 0x803, count if declared is None else declared, side, side)
    return header + b"".join(bytes([number]) * side * side for number in range(count))


def label_file(labels: list[int]) -> bytes:
    return struct.pack(">II", 0x801, len(labels)) + bytes(labels)


def small_copy(folder: Path, images: bytes, labels: bytes) -> Path:
    """A root with a test split made of these bytes."""
    (folder / TEST_IMAGES).write_bytes(images)
    (folder / TEST_LABELS).write_bytes(labels)
    return folder


def refused(root: Path | str, *, checksum: bool = False) -> DataError:
    """The error with which the test split of this root is refused."""
    with pytest.raises(DataError) as caught:
        MNIST(split="test", root=str(root), checksum=checksum)
    assert caught.value.hint, "every fault says what to do next"
    return caught.value


# What the data set holds, by figures published about it.


def test_train_split_has_the_known_images_and_labels(train: MNIST) -> None:
    assert train.samples.shape == (60_000, 1, 28, 28)
    assert train.samples.dtype == torch.uint8
    assert train.sample_shape == (1, 28, 28)
    assert train.num_classes == 10
    assert train.labels is not None
    assert train.labels.dtype == torch.int64
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(train.labels).tolist() == counts


def test_train_pixels_have_the_known_mean_and_spread(train: MNIST) -> None:
    pixels = train.samples.numpy()
    mean = pixels.mean(dtype=np.float64) / 255
    square = (np.bincount(pixels.reshape(-1)) * np.arange(256.0) ** 2).sum() / pixels.size / 255**2
    assert mean == pytest.approx(0.1307, abs=1e-4)
    assert np.sqrt(square - mean**2) == pytest.approx(0.3081, abs=1e-4)


def test_test_split_has_the_known_labels(test_split: MNIST) -> None:
    assert test_split.samples.shape == (10_000, 1, 28, 28)
    assert test_split.labels is not None
    assert test_split.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_all_is_train_followed_by_test(train: MNIST, test_split: MNIST) -> None:
    both = MNIST(split="all")
    assert len(both) == 70_000
    assert both.labels is not None
    assert torch.equal(both.samples[:60_000], train.samples)
    assert torch.equal(both.samples[60_000:], test_split.samples)
    assert both.labels[59_999:60_003].tolist() == [8, 7, 2, 1]


def test_images_stand_upright(train: MNIST) -> None:
    """A one is taller than wide; rows and columns in the wrong order would lay it down."""
    assert train.labels is not None
    ink = train.samples[train.labels == 1].float().mean(dim=(0, 1))
    rows, columns = ink.sum(dim=1), ink.sum(dim=0)
    assert (rows > rows.max() / 2).sum() > (columns > columns.max() / 2).sum()


def test_shipped_files_match_their_list_of_sums() -> None:
    lines = (SHIPPED / "SHA256SUMS").read_text().split("\n")
    listed = dict(reversed(line.split()) for line in lines if line)
    shipped = {path.name: path.read_bytes() for path in SHIPPED.glob("*.gz")}
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in shipped.items()}
    assert len(listed) == 4


def test_hook_module_imports_no_torch() -> None:
    code = "import sys, ganforge_mnist; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Options.


@pytest.mark.parametrize("size", [4, 16, 32, 45])
def test_resize_agrees_with_pillow(test_split: MNIST, size: int) -> None:
    some = test_split.samples[:50]
    resized = resize.resize(some, size)
    assert resized.dtype == torch.uint8
    assert resized.shape == (50, 1, size, size)
    for before, after in zip(some[:, 0].numpy(), resized[:, 0].numpy(), strict=True):
        image = Image.fromarray(before).resize((size, size), Image.Resampling.BILINEAR)
        difference = np.asarray(image).astype(int) - after.astype(int)
        assert np.abs(difference).max() <= 1


def test_size_is_applied_to_every_image(test_split: MNIST) -> None:
    small = MNIST(split="test", size=16)
    assert small.sample_shape == (1, 16, 16)
    assert len(small) == 10_000
    assert small.samples.float().mean() == pytest.approx(
        test_split.samples.float().mean().item(), rel=0.01
    )


def test_size_28_leaves_the_images_alone(test_split: MNIST) -> None:
    assert torch.equal(MNIST(split="test", size=28).samples, test_split.samples)


def test_a_size_that_would_fill_the_memory_is_refused_before_it_does() -> None:
    with pytest.raises(DataError, match=r"60,000 images of 1024 x 1024 need 58\.6 GiB") as caught:
        MNIST(size=1024)
    assert "smaller `size`" in str(caught.value.hint)


def test_classes_keep_the_order_of_files_and_number_labels_by_the_list(test_split: MNIST) -> None:
    some = MNIST(split="test", classes=[7, 1])
    assert some.num_classes == 2
    assert some.labels is not None
    assert test_split.labels is not None
    # Published counts of the test split: 1,028 sevens and 1,135 ones.
    assert torch.bincount(some.labels).tolist() == [1028, 1135]
    assert torch.equal(some.samples[some.labels == 0], test_split.samples[test_split.labels == 7])
    assert torch.equal(some.samples[some.labels == 1], test_split.samples[test_split.labels == 1])
    assert some.labels[:3].tolist() == [0, 1, 1]  # the split begins 7, 2, 1, 0, 4, 1


def test_an_empty_list_of_classes_is_refused() -> None:
    with pytest.raises(DataError, match="classes is an empty list") as caught:
        MNIST(classes=[])
    assert "Name at least one digit" in str(caught.value.hint)


def test_a_class_named_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"classes names 3 more than once in \[3, 5, 3\]"):
        MNIST(classes=[3, 5, 3])


def test_classes_that_a_copy_lacks_are_refused(tmp_path: Path) -> None:
    root = small_copy(tmp_path, image_file(2), label_file([4, 5]))
    with pytest.raises(DataError, match=r"no image of the classes \[9\]"):
        MNIST(split="test", classes=[9], root=str(root), checksum=False)


# The user's own copy.


def test_a_modified_copy_is_read_when_checksum_is_off(tmp_path: Path) -> None:
    root = small_copy(tmp_path, image_file(3), label_file([2, 0, 9]))
    own = MNIST(split="test", root=str(root), checksum=False)
    assert own.labels is not None
    assert own.labels.tolist() == [2, 0, 9]
    assert own.samples.float().mean(dim=(1, 2, 3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("images_name", "labels_name", "pack"),
    [
        (TEST_IMAGES, TEST_LABELS, bytes),
        (TEST_IMAGES + ".gz", TEST_LABELS + ".gz", lambda data: gzip.compress(data, 1)),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", bytes),
    ],
    ids=["plain", "compressed_again", "dotted_name"],
)
def test_the_original_content_is_accepted_however_it_is_packed(
    tmp_path: Path,
    test_split: MNIST,
    images_name: str,
    labels_name: str,
    pack: Callable[[bytes], bytes],
) -> None:
    for original, name in [(TEST_IMAGES, images_name), (TEST_LABELS, labels_name)]:
        plain = gzip.decompress((SHIPPED / f"{original}.gz").read_bytes())
        (tmp_path / name).write_bytes(pack(plain))
    own = MNIST(split="test", root=str(tmp_path))
    assert torch.equal(own.samples, test_split.samples)


def test_one_changed_pixel_is_a_wrong_checksum(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / f"{TEST_LABELS}.gz", tmp_path)
    data = bytearray(gzip.decompress((SHIPPED / f"{TEST_IMAGES}.gz").read_bytes()))
    data[-1] ^= 1
    path = tmp_path / TEST_IMAGES
    path.write_bytes(data)
    error = refused(tmp_path, checksum=True)
    assert str(path) in error.message
    assert hashlib.sha256(data).hexdigest() in error.message
    assert "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7" in error.message
    assert "checksum: false" in str(error.hint)
    assert len(MNIST(split="test", root=str(tmp_path), checksum=False)) == 10_000


def test_a_root_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(tmp_path / "nowhere")
    assert "nowhere" in error.message
    assert "does not exist" in error.message
    assert "leave it out" in str(error.hint)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    assert "is a file, not a folder" in refused(tmp_path / "here").message


@pytest.mark.parametrize("root", ["x" * 5000, "a\0b", "~nobody-of-this-name/mnist"])
def test_a_root_that_is_no_path(root: str) -> None:
    assert "root" in refused(root).message


def test_a_missing_file_is_named_with_all_its_spellings(tmp_path: Path) -> None:
    (tmp_path / TEST_IMAGES).write_bytes(image_file())
    error = refused(tmp_path)
    assert f"has no file {TEST_LABELS}" in error.message
    assert f"{TEST_LABELS}.gz, {TEST_LABELS}, t10k-labels.idx1-ubyte.gz" in error.message
    assert "MNIST/raw" in str(error.hint)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in, because the administrator of a test machine may read everything."""
    root = small_copy(tmp_path, image_file(), label_file([1, 2, 3]))

    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", denied)
    error = refused(root)
    assert error.message == f"{root / TEST_IMAGES} cannot be read: Permission denied"


def test_images_and_labels_of_different_counts(tmp_path: Path) -> None:
    error = refused(small_copy(tmp_path, image_file(3), label_file([1, 2])))
    assert f"{tmp_path / TEST_IMAGES} holds 3 images" in error.message
    assert f"{tmp_path / TEST_LABELS} holds 2 labels" in error.message


def test_a_label_that_is_no_digit(tmp_path: Path) -> None:
    error = refused(small_copy(tmp_path, image_file(2), label_file([1, 10])))
    assert "holds the label 10, but labels go from 0 to 9" in error.message


def test_images_of_another_size(tmp_path: Path) -> None:
    error = refused(small_copy(tmp_path, image_file(2, side=32), label_file([1, 2])))
    assert "32 x 32 pixels, not of 28 x 28" in error.message


# Damaged files.


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def flipped(data: bytes, where: int) -> bytes:
    """The same bytes with one of them changed."""
    changed = bytearray(data)
    changed[where] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds 0 bytes, fewer than the 16 of the header"),
        (image_file()[:10], "holds 10 bytes, fewer than the 16 of the header"),
        (b"<!DOCTYPE html><p>404", "starts with 0x3c21444f, but an IDX file of images starts with"),
        (label_file([1, 2, 3]), "0x00000801, but an IDX file of images starts with 0x00000803"),
        (label_file([1, 2, 3]), "; this is an IDX file of labels"),
        (image_file(3)[:-5], "declares 3 x 28 x 28 = 2,352 bytes of images, but holds 2,347"),
        (image_file(3) + b"\0", "declares 3 x 28 x 28 = 2,352 bytes of images, but more than that"),
        (image_file(0), "declares 0 x 28 x 28 = 0 bytes of images, but between 1 and"),
        (packed(image_file())[:-20], "is cut short: its gzip stream stops after"),
        (packed(image_file())[:-8], "is cut short: its gzip stream stops after 2,368 inflated"),
        (packed(image_file())[:5], "is cut short: its gzip stream stops after 0 inflated"),
        (flipped(packed(image_file()), -8), "is a damaged gzip file: Error -3"),
        (flipped(packed(image_file()), 2), "is a damaged gzip file: Error -3"),
        (packed(image_file()) + b"more", "has 4 bytes after the end of its gzip stream"),
        (packed(image_file(3)[:-5]), "= 2,352 bytes of images, but holds 2,347"),
        (packed(image_file(3)[:16]), "= 2,352 bytes of images, but holds 0"),
        (packed(image_file(3) + b"\0"), "= 2,352 bytes of images, but more than that follows"),
        (packed(b""), "holds 0 bytes, fewer than the 16 of the header"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_found(
    tmp_path: Path, content: bytes, told: str
) -> None:
    error = refused(small_copy(tmp_path, content, label_file([1, 2, 3])))
    assert error.message.startswith(str(tmp_path / TEST_IMAGES))
    assert told in error.message


def test_every_cut_of_a_small_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images"
    for whole in (image_file(1), packed(image_file(1))):
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError):
                read_idx(path, IMAGES)


@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gzip"])
@pytest.mark.parametrize("declared", [2**31, 2_000_000])
def test_an_absurd_header_takes_no_memory(
    tmp_path: Path, pack: Callable[[bytes], bytes], declared: int
) -> None:
    """2,000,000 images are below the limit of 2 GiB, and still nothing is set aside for them."""
    path = tmp_path / "images"
    path.write_bytes(pack(image_file(3, declared=declared)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"declares {declared} x 28 x 28"):
            read_idx(path, IMAGES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_gzip_bomb_is_inflated_no_further_than_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "images"
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(image_file(3)) + packer.compress(bytes(100_000_000)) + packer.flush()
    path.write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more than that follows"):
            read_idx(path, IMAGES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "images"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)  # a hole, not real bytes
    with pytest.raises(DataError, match=r"has 3,221,225,472 bytes, more than the 2,147,483,648"):
        read_idx(path, IMAGES)
