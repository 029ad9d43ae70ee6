"""Checks of feature networks, through which metrics look at samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganforge.errors import PluginError, UsageError
from ganforge.evaluation.evidence import checked
from ganforge.testing.findings import Unchecked, Wrong, checks
from ganforge.testing.subject import Subject

COUNT = 5
SHAPES = ((1, 28, 28), (3, 32, 32), (3, 28, 28), (1, 32, 32), (3, 64, 64), (2,))
"""Samples that are shown to it, one shape after the other, until it takes one."""


class Bench:
    """Makes the network, and remembers what it takes."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.shape: tuple[int, ...] | None = None

    def made(self) -> nn.Module:
        network: nn.Module = self.subject.remade()
        return network.eval()

    def samples(self) -> Tensor:
        if self.shape is None:
            raise Unchecked("it takes none of the samples that it was shown")
        generator = torch.Generator().manual_seed(3)
        return torch.empty(COUNT, *self.shape).uniform_(-1.0, 1.0, generator=generator)


@torch.no_grad()
def seen(network: nn.Module, samples: Tensor) -> dict[str, Tensor]:
    """What it says of samples.

    Raises:
        Wrong: It says something that no metric can use.
    """
    try:
        return checked(network(samples), len(samples), network)
    except PluginError as error:
        raise Wrong(
            error.message, "Give {'features': (N, D)}, and 'logits': (N, K) if it classifies."
        ) from error


def build(bench: Bench) -> None:
    """It can be made, and is a ``torch.nn.Module``; one that needs a file may say so."""
    try:
        bench.subject.make()
    except UsageError as error:
        raise Unchecked(f"it cannot be tried: {error.message}") from error
    except Exception:  # noqa: BLE001  # build tells it in its own way
        pass
    bench.subject.build()


def output(bench: Bench) -> str:
    """Of samples in [-1, 1] it gives features ``(N, D)``, and perhaps logits ``(N, K)``."""
    network, refused = bench.made(), ""
    for shape in SHAPES:
        bench.shape = shape
        try:
            found = seen(network, bench.samples())
        except (UsageError, RuntimeError) as error:
            refused = str(error).splitlines()[0]
            continue
        odd = [name for name, value in found.items() if not value.isfinite().all()]
        if odd:
            raise Wrong(f"its {odd[0]} are not finite", "Look for roots and logarithms of 0.")
        told = ", ".join(f"{name} {tuple(value.shape)}" for name, value in found.items())
        return f"{told} of samples {shape}"
    bench.shape = None
    raise Unchecked(f"it takes none of the samples that it was shown: {refused}")


def each_by_itself(bench: Bench) -> None:
    """What it says of a sample does not depend on the others in the batch."""
    network, samples = bench.made(), bench.samples()
    together = seen(network, samples)["features"]
    alone = torch.cat([seen(network, sample[None])["features"] for sample in samples])
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        raise Wrong(
            "the features of a sample change with the others in the batch",
            "Use no statistics of the batch: batch norm needs weights that have been trained, and "
            "evaluation mode, in which ganforge puts it.",
        )


def same_twice(bench: Bench) -> None:
    """It says the same of the same samples, also when it is made anew."""
    samples = bench.samples()
    first, second = (seen(bench.made(), samples)["features"] for _ in range(2))
    if not torch.equal(first, second):
        raise Wrong(
            "made twice, it gives other features of the same samples",
            "Load its weights from a file, or draw them from a torch.Generator with a fixed seed.",
        )


CHECKS = checks(build, output, each_by_itself, same_twice)
