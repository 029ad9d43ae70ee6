"""Batches and random numbers: functions of the seed and of where they are in the run."""

from __future__ import annotations

import gc
import hashlib
import weakref
from itertools import chain, pairwise

import pytest
import torch
from torch import Tensor

from ganforge.engine.data import Batch, Dataset
from ganforge.engine.draw import Draw
from ganforge.engine.feed import ResidentFeed
from ganforge.engine.latent import Latent
from ganforge.engine.streams import Streams
from ganforge.errors import DataError

CPU = torch.device("cpu")


def numbered(count: int) -> Dataset:
    """Sample i is the number i, and so is its label."""
    labels = torch.arange(count)
    return Dataset(samples=labels.float().unsqueeze(1), labels=labels, num_classes=count)


def feed(dataset: Dataset, batch_size: int, *, seed: int = 0, process: int = 0) -> ResidentFeed:
    streams = Streams(seed, process=process)
    return ResidentFeed(dataset, batch_size=batch_size, streams=streams, device=CPU)


def dealt(source: ResidentFeed, batches: int) -> list[list[int]]:
    """The numbers in the next batches."""
    return [source.next().samples.flatten().int().tolist() for _ in range(batches)]


def joined(batches: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(batches))


# The feed.


def test_every_sample_comes_once_an_epoch() -> None:
    source = feed(numbered(12), 4)
    for _ in range(3):
        epoch = joined(dealt(source, source.batches_per_epoch))
        assert sorted(epoch) == list(range(12))


def test_the_last_partial_batch_is_dropped() -> None:
    """11 samples in batches of 4 are 2 batches; the next batch belongs to the next epoch."""
    source = feed(numbered(11), 4)
    assert source.batches_per_epoch == 2
    batches = dealt(source, 6)
    assert [len(batch) for batch in batches] == [4] * 6
    for epoch in (batches[0:2], batches[2:4], batches[4:6]):
        assert len(set(joined(epoch))) == 8
    assert set(joined(batches)) == set(range(11))  # what one epoch drops another one has


def test_sixty_thousand_samples_make_468_batches_of_128() -> None:
    assert feed(numbered(60_000), 128).batches_per_epoch == 468


def test_the_order_is_a_function_of_seed_epoch_and_process() -> None:
    """It is the permutation of the stream ``data_order``, counted by epochs."""
    source = feed(numbered(12), 4, seed=3)
    epochs = [joined(dealt(source, 3)) for _ in range(2)]
    for epoch, order in enumerate(epochs):
        expected = torch.randperm(12, generator=Streams(3).generator("data_order", epoch))
        assert order == expected.tolist()
    assert epochs[0] != epochs[1]
    assert dealt(feed(numbered(12), 4, seed=3), 3) == [epochs[0][i : i + 4] for i in (0, 4, 8)]
    assert joined(dealt(feed(numbered(12), 4, seed=4), 3)) != epochs[0]
    assert joined(dealt(feed(numbered(12), 4, seed=3, process=1), 3)) != epochs[0]


def test_labels_stay_with_their_samples() -> None:
    source = feed(numbered(12), 4)
    for _ in range(5):
        batch = source.next()
        assert batch.labels is not None
        assert batch.samples.flatten().tolist() == batch.labels.tolist()
        assert batch.part(slice(1, 3)).labels.tolist() == batch.labels[1:3].tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 5])
def test_a_resumed_feed_goes_on_where_it_stopped(stop: int) -> None:
    """At the start, inside an epoch, at its end and in a later one."""
    whole = dealt(feed(numbered(11), 4), 8)
    first = feed(numbered(11), 4)
    dealt(first, stop)
    second = feed(numbered(11), 4)
    dealt(second, 7)  # it has been elsewhere meanwhile
    second.load_state_dict(first.state_dict())
    assert dealt(second, 8 - stop) == whole[stop:]


def test_batches_that_are_gathered_together_are_those_gathered_alone() -> None:
    """Over epochs, back and again; what is asked for twice was not changed meanwhile."""
    images = torch.randint(0, 256, (70, 1, 16, 8), dtype=torch.uint8)
    dataset = Dataset(samples=images, labels=torch.arange(70), num_classes=70)
    together, alone = feed(dataset, 3), feed(dataset, 3)
    for number in [*range(60), 2, 2, 25, 24, 25, *range(40, 80)]:
        together.load_state_dict({"drawn": number})
        found = together.next()
        wanted = Batch.of(images[alone.order.rows(number)], alone.order.rows(number))
        assert torch.equal(found.samples, wanted.samples)
        assert found.labels is not None
        assert torch.equal(found.labels, alone.order.rows(number))
        found.samples.zero_()
        found.labels.zero_()


def test_who_writes_into_a_batch_stops_no_gradient_of_another() -> None:
    source = feed(numbered(12), 4)
    weight = torch.ones((), requires_grad=True)
    first, second = source.next(), source.next()
    loss = (weight * first.samples).sum()
    second.samples.add_(1.0)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.item() == first.samples.sum().item()


def test_batches_start_where_one_alone_would_start() -> None:
    """Where a tensor starts decides how some kernels round: a resumed run must see the same."""
    for size, numbers in [(10, 5), (7, 3), (64, 2), (128, 1), (16, 49)]:
        source = feed(Dataset(samples=torch.zeros(2000, numbers)), size)
        starts = [source.next().samples.data_ptr() % 64 for _ in range(12)]
        assert starts == [0] * 12, (size, numbers)


def test_a_feed_that_nobody_has_any_more_is_gone() -> None:
    source = feed(numbered(12), 4)
    source.next()
    alive = weakref.ref(source)
    gc.disable()
    try:
        del source
        assert alive() is None
    finally:
        gc.enable()


def test_a_batch_that_cannot_be_read_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    source, other = feed(numbered(12), 4), feed(numbered(12), 4)

    def fails(*_: object) -> Tensor:
        raise OSError("gone")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(source.order, "rows", fails)
        with pytest.raises(OSError, match="gone"):
            source.next()
    assert dealt(source, 3) == dealt(other, 3)


@pytest.mark.parametrize(("size", "batches"), [(8, 32), (128, 2), (1000, 1), (5, 1)])
def test_no_more_than_a_mebibyte_is_gathered_at_once(size: int, batches: int) -> None:
    images = torch.zeros(6000, 1, 28, 28, dtype=torch.uint8)
    source = feed(Dataset(samples=images), size)
    found = [source.next() for _ in range(batches + 1)]
    memory = [each.samples.untyped_storage() for each in found]
    assert memory[0].nbytes() == batches * size * 28 * 28 * 4
    assert len({each.data_ptr() for each in memory}) == 2


def test_images_are_normalised_exactly() -> None:
    """Every one of the 256 values v becomes v / 127.5 - 1; 0 is -1 and 255 is 1 to the bit."""
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    batch = feed(Dataset(samples=images), 1).next().samples
    assert batch.dtype == torch.float32
    assert batch.flatten()[0].item() == -1.0
    assert batch.flatten()[255].item() == 1.0
    expected = torch.arange(256, dtype=torch.float64) / 127.5 - 1.0
    torch.testing.assert_close(batch.flatten().double(), expected, rtol=0, atol=1.2e-7)


def test_vectors_are_left_as_they_are() -> None:
    """float32 samples of any shape and range pass unchanged, and the data set is not written to."""
    samples = torch.randn(6, 5, 2) * 300.0
    source = feed(Dataset(samples=samples), 6)
    order = torch.randperm(6, generator=Streams(0).generator("data_order", 0))
    batch = source.next().samples
    assert torch.equal(batch, samples[order])
    batch.zero_()
    assert source.samples.abs().min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"samples": torch.zeros(2, 3, dtype=torch.float64)},
            "uint8 or float32, not torch.float64",
        ),
        ({"samples": torch.zeros(2, 8, 8, dtype=torch.uint8)}, r"must be \(N, C, H, W\)"),
        ({"samples": torch.zeros(0, 3)}, "no samples"),
        (
            {"samples": torch.zeros(3, 1), "labels": torch.zeros(2), "num_classes": 2},
            "3 samples but 2 labels",
        ),
        ({"samples": torch.zeros(2, 1), "labels": torch.zeros(2)}, "go together"),
        ({"samples": torch.zeros(2, 1), "num_classes": 2}, "go together"),
    ],
)
def test_a_wrong_data_set_says_why(arguments: dict[str, Tensor], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset(**arguments)  # type: ignore[arg-type]


def test_a_data_set_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(DataError, match="3 samples, fewer than one batch of 4") as caught:
        feed(numbered(3), 4)
    assert "train.batch_size" in (caught.value.hint or "")


def test_a_data_set_knows_its_shape() -> None:
    images = Dataset(samples=torch.zeros(5, 3, 8, 6, dtype=torch.uint8))
    assert len(images) == 5
    assert images.sample_shape == (3, 8, 6)
    assert images.num_classes is None


# Streams.


def test_streams_ignore_the_global_generator() -> None:
    """The same numbers whatever else was drawn, and nothing taken from anybody else."""
    torch.manual_seed(1)
    first = torch.rand(4, generator=Streams(0).generator("latent", 5))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = torch.rand(4, generator=Streams(0).generator("latent", 5))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_streams_differ_by_seed_process_name_and_counters() -> None:
    seeds = [
        Streams(0).number("latent", 1, "generator", 0),
        Streams(1).number("latent", 1, "generator", 0),
        Streams(0, process=1).number("latent", 1, "generator", 0),
        Streams(0).number("augmentation", 1, "generator", 0),
        Streams(0).number("latent", 2, "generator", 0),
        Streams(0).number("latent", 1, "discriminator", 0),
        Streams(0).number("latent", 1, "generator", 1),
        Streams(0).number("latent", 11, "generator", 0),
        Streams(0).number("latent"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_stream_is_the_same_on_every_machine() -> None:
    """A number written down: a change of the hash would break the resuming of every old run."""
    digest = hashlib.blake2b(b"7/0/latent/3/generator/0", digest_size=8).digest()
    expected = sum(byte << (8 * place) for place, byte in enumerate(digest)) // 2
    assert expected == 2304752829095825902
    assert Streams(7).number("latent", 3, "generator", 0) == expected


def draw_and_raise() -> None:
    torch.rand(1)
    raise ValueError("stop")


def test_isolated_puts_the_global_state_back() -> None:
    """Also when the block raises; inside it, numbers are those of the stream."""
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with Streams(0).isolated("sampling", 3):
        inside = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(inside, torch.rand(3, generator=Streams(0).generator("sampling", 3)))
    with pytest.raises(ValueError, match="stop"), Streams(0).isolated("sampling", 3):
        draw_and_raise()
    assert torch.equal(torch.get_rng_state(), state)


# Draws.


def draw(start: int, stop: int, *, repeat: int = 0) -> Draw:
    return Draw(Streams(0), (4, "generator", repeat), 10, slice(start, stop), CPU)


@pytest.mark.parametrize("edges", [[0, 10], [0, 5, 10], [0, 3, 6, 10]])
def test_draws_do_not_depend_on_micro_batches(edges: list[int]) -> None:
    """The portions of a batch put together are the numbers of the whole batch."""
    portions = [draw(a, b) for a, b in pairwise(edges)]
    whole = draw(0, 10)
    latent = Latent(3, "uniform")
    for kind in (
        lambda d: d.latents(latent),
        lambda d: d.latents(latent, stream="other"),
        lambda d: d.uniform("shares", 1, 2),
        lambda d: d.normal("jitter", 4),
    ):
        assert torch.equal(torch.cat([kind(portion) for portion in portions]), kind(whole))


def test_draws_are_those_of_their_stream() -> None:
    """Named by stream, then step, phase and repeat; the same stream twice is the same numbers."""
    generator = Streams(0).generator("latent", 4, "generator", 0)
    assert torch.equal(draw(0, 10).latents(Latent(3)), torch.randn(10, 3, generator=generator))
    assert torch.equal(draw(0, 10).uniform("a"), draw(0, 10).uniform("a"))
    assert not torch.equal(draw(0, 10).uniform("a"), draw(0, 10).uniform("b"))
    assert not torch.equal(draw(0, 10).uniform("a"), draw(0, 10, repeat=1).uniform("a"))
    assert draw(2, 5).uniform("a", 1, 1).shape == (3, 1, 1)
    assert ((draw(0, 10).uniform("a") >= 0) & (draw(0, 10).uniform("a") < 1)).all()


def test_uniform_latents_fill_the_cube() -> None:
    """U(-1, 1): bounds, mean 0, variance 1/3."""
    latents = Latent(50, "uniform").sample(2000, torch.Generator().manual_seed(0))
    assert latents.shape == (2000, 50)
    assert latents.dtype == torch.float32
    assert latents.min() >= -1
    assert latents.max() < 1
    assert latents.min() < -0.999
    assert latents.max() > 0.999
    assert latents.mean().abs() < 0.01
    assert latents.var().item() == pytest.approx(1 / 3, abs=0.01)


def test_normal_latents_have_normal_moments() -> None:
    """N(0, 1): mean 0, variance 1, fourth moment 3."""
    latents = Latent(50).sample(2000, torch.Generator().manual_seed(0))
    assert latents.mean().abs() < 0.02
    assert latents.var().item() == pytest.approx(1, abs=0.03)
    assert latents.pow(4).mean().item() == pytest.approx(3, abs=0.2)


def test_a_batch_counts_its_samples() -> None:
    assert len(Batch(torch.zeros(5, 2))) == 5
    assert Batch(torch.zeros(5, 2)).part(slice(0, 2)).labels is None


def test_modules_are_seeded_as_torch_seeds_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout draws from torch's global generator, on a GPU from the GPU's."""
    streams = Streams(3)
    streams.seed_modules(5, "discriminator", 0)
    found = torch.rand(4)
    torch.manual_seed(streams.number("modules", 5, "discriminator", 0))
    assert torch.equal(torch.rand(4), found)

    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    streams.seed_modules(5, "discriminator", 0)
    assert seeds == [streams.number("modules", 5, "discriminator", 0)]
