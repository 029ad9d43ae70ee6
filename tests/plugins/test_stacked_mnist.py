"""Stacked MNIST and the classifiers of digits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ganforge.api import DataError, UsageError, normalised
from ganforge_mnist import classifier
from ganforge_mnist.classifier import MNISTClassifier, StackedMNISTClassifier
from ganforge_mnist.dataset import MNIST
from ganforge_mnist.stacked import StackedMNIST


def test_an_image_is_three_digits_and_its_class_their_number() -> None:
    digits, stacked = MNIST(split="test"), StackedMNIST(samples=300, split="test", seed=4)
    assert digits.labels is not None
    generator = torch.Generator().manual_seed(4)
    triples = torch.randint(10_000, (300, 3), generator=generator)
    images, labels = stacked.gather(torch.tensor([0, 7, 299]))
    assert images.shape == (3, 3, 28, 28)
    assert images.dtype == torch.uint8
    for place, row in enumerate((0, 7, 299)):
        names = [int(digits.labels[index]) for index in triples[row]]
        assert int(labels[place]) == int("".join(map(str, names)))
        for channel, index in enumerate(triples[row]):
            assert images[place, channel].equal(digits.samples[index, 0])
    one, label = stacked[7]
    assert one.equal(images[1])
    assert label == int(labels[1])


def test_it_has_a_thousand_modes_and_holds_others_out() -> None:
    stacked = StackedMNIST(samples=26_000)
    assert stacked.num_classes == 1000
    labels = stacked.gather(torch.arange(26_000))[1]
    assert len(labels.unique()) == 1000
    other = stacked.held_out()
    assert len(other) == 26_000
    assert not other[0][0].equal(stacked[0][0])
    assert StackedMNIST(samples=2, size=32).sample_shape == (3, 32, 32)


def test_the_classifier_names_what_the_documentation_says() -> None:
    data, network = MNIST(split="test"), MNISTClassifier()
    assert data.labels is not None
    with torch.no_grad():
        found = [network(normalised(part)) for part in torch.split(data.samples, 1000)]
    right = torch.cat([one["logits"].argmax(1) for one in found]) == data.labels
    accuracy = float(right.double().mean())
    assert accuracy >= 0.993
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert f"{accuracy:.2%}".replace("%", " %") in text
    assert f"{classifier.WEIGHTS.stat().st_size:,} bytes" in text
    assert classifier.WEIGHTS.stat().st_size < 1_000_000
    assert found[0]["features"].shape == (1000, 64)


def test_the_stacked_classifier_is_the_digits_one_three_times() -> None:
    stacked = StackedMNIST(samples=200, split="test")
    images, labels = stacked.gather(torch.arange(200))
    with torch.no_grad():
        found = StackedMNISTClassifier()(normalised(images))
        single = MNISTClassifier()(normalised(images[:, 1:2]))
    assert found["features"].shape == (200, 192)
    torch.testing.assert_close(found["features"][:, 64:128], single["features"])
    assert found["logits"].shape == (200, 1000)
    assert (found["logits"].argmax(1) == labels).double().mean() > 0.97
    shares = found["logits"].exp().unflatten(1, (10, 10, 10)).sum((1, 3))
    torch.testing.assert_close(shares, single["logits"].softmax(1), rtol=1e-4, atol=1e-6)


def test_images_of_other_sizes_are_resized_and_others_refused() -> None:
    digits = MNIST(split="test", size=56)
    assert digits.labels is not None
    with torch.no_grad():
        found = MNISTClassifier()(normalised(digits.samples[:500]))["logits"].argmax(1)
    assert (found == digits.labels[:500]).double().mean() > 0.97
    with pytest.raises(UsageError, match=r"grey images \(1, H, W\), not \(3, 28, 28\)"):
        MNISTClassifier()(torch.zeros(2, 3, 28, 28))
    with pytest.raises(UsageError, match=r"images \(3, H, W\), not \(1, 28, 28\)"):
        StackedMNISTClassifier()(torch.zeros(2, 1, 28, 28))


def test_weights_that_were_changed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copy(classifier.WEIGHTS, tmp_path))
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    monkeypatch.setattr(classifier, "WEIGHTS", copy)
    with pytest.raises(DataError, match="is damaged or modified"):
        MNISTClassifier()
