"""Data sets of changed images, against the same computed pixel by pixel here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganforge.api import AnyDataset, DataError, Dataset, MapDataset, UsageError
from ganforge.nested import Nested
from ganforge.options import read_signature
from ganforge.testing import examine
from ganforge_transforms import transforms
from ganforge_transforms.transforms import blur, edges, invert, thicken

Image = NDArray[np.float64]


def noise(count: int = 5, shape: tuple[int, int, int] = (2, 7, 9)) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)


def resident(samples: Tensor) -> Dataset:
    return Dataset(samples=samples, labels=torch.arange(len(samples)) % 3, num_classes=3)


class Read(MapDataset):
    """Samples that are read one by one."""

    def __init__(self, samples: Tensor, *, labelled: bool = True) -> None:
        shape = tuple(samples.shape[1:])
        super().__init__(sample_shape=shape, num_classes=3 if labelled else None)
        self.samples = samples
        self.labelled = labelled

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, int]:
        sample = self.samples[index]
        return (sample, index % 3) if self.labelled else sample


def mirrored(index: int, size: int) -> int:
    """The place that is seen at another one, beyond the border too."""
    if index < 0:
        return -index
    return 2 * (size - 1) - index if index >= size else index


def weighed(image: Image, kernel: Image) -> Image:
    """``sum kernel[i, j] * image[y + i - r, x + j - r]``, mirrored beyond the border."""
    height, width = image.shape
    radius = len(kernel) // 2
    found = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            for i, row in enumerate(kernel):
                for j, weight in enumerate(row):
                    place = mirrored(y + i - radius, height), mirrored(x + j - radius, width)
                    found[y, x] += weight * image[place]
    return found


def inverted(image: Image) -> Image:
    return 255 - image


def blurred(image: Image, sigma: float = 0.8) -> Image:
    radius = math.ceil(3 * sigma)
    d = np.arange(-radius, radius + 1)
    kernel = np.exp(-(d[:, None] ** 2 + d[None, :] ** 2) / (2 * sigma**2))
    return weighed(image, kernel / kernel.sum())


def outlined(image: Image) -> Image:
    across = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    gx, gy = weighed(image, across), weighed(image, across.T)
    return np.minimum(255, np.sqrt(gx**2 + gy**2) / 4)


def grown(image: Image, pixels: int = 2) -> Image:
    height, width = image.shape
    found = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            rows = slice(max(0, y - pixels), y + pixels + 1)
            found[y, x] = image[rows, max(0, x - pixels) : x + pixels + 1].max()
    return found


CHANGES: dict[str, tuple[Callable[..., AnyDataset], dict[str, Any], Callable[[Image], Image]]] = {
    "blur": (blur, {"sigma": 0.8}, blurred),
    "edges": (edges, {}, outlined),
    "invert": (invert, {}, inverted),
    "thicken": (thicken, {"pixels": 2}, grown),
}


JOINED = ("paired", "unpaired")


def content(dataset: AnyDataset) -> tuple[Tensor, Tensor | None]:
    return dataset.gather(torch.arange(len(dataset)))


@pytest.mark.parametrize("kind", [resident, Read], ids=["resident", "read"])
@pytest.mark.parametrize("name", sorted(CHANGES))
def test_images_are_what_the_formula_says(name: str, kind: Any) -> None:
    make, options, formula = CHANGES[name]
    before = noise()
    dataset = make(of=kind(before), **options)
    assert isinstance(dataset, Dataset if kind is resident else MapDataset)
    found, labels = content(dataset)
    assert found.dtype == torch.uint8
    wanted = np.stack(
        [np.stack([formula(channel) for channel in image]) for image in before.double().numpy()]
    )
    # Half a grey level is the rounding, and a little more where floats tip it.
    np.testing.assert_allclose(found.double().numpy(), wanted, atol=0.5 + 1e-3)
    assert dataset.num_classes == 3
    assert labels is not None
    assert labels.tolist() == [0, 1, 2, 0, 1]
    assert torch.equal(before, noise())  # the other data set is left alone


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_many_images_are_changed_as_few_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, options, _ = CHANGES[name]
    whole, _ = content(make(of=resident(noise()), **options))
    monkeypatch.setattr(transforms, "CHUNK", 2)
    parts, _ = content(make(of=resident(noise()), **options))
    assert torch.equal(whole, parts)


def test_a_straight_edge_between_black_and_white_is_white() -> None:
    step = torch.zeros(1, 1, 6, 6, dtype=torch.uint8)
    step[..., 3:] = 255
    found, _ = content(edges(of=Dataset(samples=step)))
    assert found[0, 0].tolist() == [[0, 0, 255, 255, 0, 0]] * 6


def test_a_point_spreads_as_the_gaussian() -> None:
    point = torch.zeros(1, 1, 13, 13, dtype=torch.uint8)
    point[..., 6, 6] = 255
    found, _ = content(blur(of=Dataset(samples=point), sigma=2.0))
    assert found[0, 0, 6, 6] == round(255 / (2 * math.pi * 4))
    assert found[0, 0, 6, 8] == round(255 / (2 * math.pi * 4) * math.exp(-0.5))
    assert found.sum() == pytest.approx(255, abs=25)  # what is less than a half is lost


def test_what_is_even_stays_so() -> None:
    even = torch.full((2, 1, 8, 8), 200, dtype=torch.uint8)
    assert (content(blur(of=Dataset(samples=even)))[0] == 200).all()
    assert (content(edges(of=Dataset(samples=even)))[0] == 0).all()


def test_changes_may_follow_each_other_and_keep_a_source() -> None:
    pairs = Dataset(samples=noise(), source=Dataset(samples=noise()), paired=True)
    for of in (pairs, Dataset(samples=noise(), source=pairs)):
        found = invert(of=invert(of=of))
        assert torch.equal(content(found)[0], noise())
        assert found.source_dataset is of.source_dataset
        assert found.source_paired == of.source_paired


def test_without_labels_there_are_none_afterwards() -> None:
    for of in (Dataset(samples=noise()), Read(noise(), labelled=False)):
        found = invert(of=of)
        assert found.num_classes is None
        assert content(found)[1] is None


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_other_samples_than_images_are_refused(name: str) -> None:
    make, options, _ = CHANGES[name]
    numbers = torch.zeros(4, 1, 20, 20)
    with pytest.raises(UsageError, match=f"{name} changes uint8 images .* are float32") as caught:
        make(of=Dataset(samples=numbers), **options)
    assert "mnist" in str(caught.value.hint)
    with pytest.raises(DataError, match=f"{name} changes uint8 images .* are float32"):
        make(of=Read(numbers), **options).gather(torch.tensor([1]))
    with pytest.raises(UsageError, match="uint8 images"):
        make(of=Dataset(samples=torch.zeros(4, 2)), **options)


def test_a_gaussian_wider_than_the_image_is_refused() -> None:
    assert len(blur(of=resident(noise()), sigma=2.0)) == 5
    with pytest.raises(UsageError, match=r"reaches 7 pixels far, too far for images of 7x9") as no:
        blur(of=resident(noise()), sigma=2.1)
    assert "at most 2" in str(no.value.hint)
    with pytest.raises(UsageError, match="1x1 pixels have no edges"):
        edges(of=resident(noise(shape=(1, 1, 1))))


@pytest.mark.parametrize(
    ("function", "options"),
    [(invert, {}), (blur, {"sigma": 0}), (edges, {}), (thicken, {"pixels": 0})],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_options(function: Any, options: dict[str, Any]) -> None:
    signature = read_signature(function, "dataset")
    assert signature.nested == {"of": Nested("dataset")}
    _, problems = signature.check({"of": {"use": "mnist"}, **options})
    assert len(problems) == len(options)


def test_the_plugin_keeps_its_contract() -> None:
    digits = {"use": "mnist", "split": "test", "classes": [3]}
    options: dict[str, dict[str, Any]] = {
        f"dataset.{name}": {"of": digits} for name in sorted(CHANGES)
    }
    options |= {f"dataset.{name}": {"target": digits, "source": digits} for name in JOINED}
    found = examine("ganforge_transforms", options=options)
    failed = [str(each) for each in found if each.failed]
    # No value of an option is right for every machine: it names a folder.
    assert [each for each in failed if not each.startswith("dataset paired_folder: options")] == []
