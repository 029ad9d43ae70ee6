"""Random numbers as a function of (seed, stream, counters): nothing to save, nothing to disturb.

Every draw has a seed of its own, a hash of what it is for. Sampling or evaluating in the middle of
a run therefore cannot change the training, and a resumed run draws what the uninterrupted one would
have drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganforge.engine.ahead import Ahead

_HAS_MPS = torch.backends.mps.is_built()


class Streams:
    """The named random streams of one run.

    Args:
        seed: The run's seed.
        process: The rank of this process; different ranks draw different numbers.
    """

    def __init__(self, seed: int, *, process: int = 0) -> None:
        self.seed = seed
        self.process = process
        self._for_modules = Ahead(self._seeds_of_modules)

    def number(self, stream: str, *counters: int | str) -> int:
        """The 63-bit seed of one draw."""
        key = f"{self.seed}/{self.process}/{stream}/{'/'.join(map(str, counters))}"
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1

    def generator(
        self, stream: str, *counters: int | str, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        """A fresh generator on ``device`` for one draw."""
        return torch.Generator(device).manual_seed(self.number(stream, *counters))

    def _seeds_of_modules(self, first: int, steps: int, *others: int | str) -> list[int]:
        return [self.number("modules", step, *others) for step in range(first, first + steps)]

    def seed_modules(self, *counters: int | str) -> None:
        """Seed torch's global generator for modules that know no other, such as dropout.

        Args:
            counters: What the seed is a function of; the first is the step.
        """
        step, *others = counters
        _seed_all(self._for_modules(int(step), *others))

    @contextmanager
    def isolated(self, stream: str, *counters: int | str) -> Iterator[None]:
        """Run a block on its own global random state and put the old one back afterwards."""
        devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
        with torch.random.fork_rng(devices):
            _seed_all(self.number(stream, *counters))
            yield


def _seed_all(number: int) -> None:
    """As ``torch.manual_seed``, which formats a stack trace where there is no GPU yet, for the day
    when there is one: a third of a millisecond in every play."""
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(number)
    elif _HAS_MPS and torch.backends.mps.is_available():
        torch.mps.manual_seed(number)
