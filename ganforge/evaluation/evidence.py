"""What a metric may look at: samples of both sides and what a feature network sees in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from ganforge.engine.data import AnyDataset
from ganforge.errors import GanforgeError, PluginError, UsageError
from ganforge.evaluation.moments import Moments
from ganforge.evaluation.sources import Source
from ganforge.evaluation.store import Store, of_network

Side = Literal["real", "fake"]


class NotMeasurableError(GanforgeError):
    """Samples of which a feature network makes no finite features: the run has diverged."""


class Evidence:
    """Everything is computed when it is first asked for, and then kept.

    Args:
        real: The reference.
        fake: What is measured.
        dataset: That of the reference, for metrics that know more of it.
        features: Gives the feature network that the data set suggests.
        store: Keeps what is known of the reference.
        fingerprint: Of the reference: its data, and which rows of them.
        device: Where networks are run.
    """

    def __init__(
        self,
        *,
        real: Source,
        fake: Source,
        dataset: AnyDataset,
        features: Callable[[], nn.Module],
        store: Store,
        fingerprint: str,
        device: torch.device,
    ) -> None:
        self.real = real
        self.fake = fake
        self.dataset = dataset
        self.device = device
        self._suggested = features
        self._store = store
        self._fingerprint = fingerprint
        self._made: dict[str, dict[str, Tensor]] = {}
        self.networks: dict[str, nn.Module] = {}
        """Feature networks that were asked, by their SHA-256."""

    def samples(self, side: Side, count: int) -> Tensor:
        """The first samples of a side ``(n, ...)``, at most ``count``."""
        kept: list[Tensor] = []
        missing = count
        for chunk in (self.real if side == "real" else self.fake).chunks():
            kept.append(chunk[:missing])
            missing -= len(kept[-1])
            if missing <= 0:
                break
        return torch.cat(kept)

    def features(self, side: Side, network: nn.Module | None = None) -> Tensor:
        """Features ``(N, D)`` of a side; of the real one no more than there are fakes.

        Args:
            side: Of which samples.
            network: A metric's own feature network, or None for the suggested one.
        """
        return self._outputs(side, network)["features"]

    def logits(self, side: Side, network: nn.Module | None = None) -> Tensor:
        """Logits ``(N, K)`` of the classes that the feature network tells apart.

        Raises:
            UsageError: It tells none apart.
        """
        found = self._outputs(side, network)
        if "logits" not in found:
            raise UsageError(
                "the feature network gives no logits of classes, which this metric needs",
                hint="Choose one that classifies, with features: {use: NAME}.",
            )
        return found["logits"]

    def moments(self, side: Side, network: nn.Module | None = None) -> Moments:
        """Count, mean and covariance of the features of a whole side."""
        network, sha = self._network(network)
        if side == "fake":
            return Moments.of(torch.split(self._outputs("fake", network)["features"], 4096))

        def compute() -> dict[str, Tensor]:
            found = Moments.of(out["features"] for out in self._through(network, self.real))
            count = torch.tensor(found.count)
            return {"count": count, "mean": found.mean, "root": found.root}

        kept = self._store.get((self._fingerprint, sha, "moments"), compute)
        return Moments(int(kept["count"]), kept["mean"], kept["root"])

    def of_reference(
        self, name: str, network: nn.Module | None, compute: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What a metric computes of the real side's features, kept for later evaluations.

        Args:
            name: What it is, with every option that it depends on.
            network: The metric's own feature network, or None for the suggested one.
            compute: Computes it.
        """
        sha = self._network(network)[1]
        return self._store.get((self._fingerprint, sha, name, str(self.fake.count)), compute)

    def _network(self, network: nn.Module | None) -> tuple[nn.Module, str]:
        network = (self._suggested() if network is None else network).to(self.device).eval()
        known = next((sha for sha, other in self.networks.items() if other is network), None)
        sha = known or of_network(network)
        self.networks[sha] = network
        return network, sha

    def _outputs(self, side: Side, network: nn.Module | None) -> dict[str, Tensor]:
        network, sha = self._network(network)

        def compute() -> dict[str, Tensor]:
            parts = list(self._through(network, self.real if side == "real" else self.fake, most))
            return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

        most = self.fake.count
        if side == "real":
            return self._store.get((self._fingerprint, sha, "outputs", str(most)), compute)
        if sha not in self._made:
            self._made[sha] = compute()
        return self._made[sha]

    @torch.no_grad()
    def _through(
        self, network: nn.Module, source: Source, most: int | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """What a network says of a source's samples, in portions, on the CPU."""
        left = source.count if most is None else min(most, source.count)
        for chunk in source.chunks():
            found = checked(network(chunk[:left].to(self.device)), len(chunk[:left]), network)
            seen = {name: value.float().cpu() for name, value in found.items()}
            if not all(value.isfinite().all() for value in seen.values()):
                raise NotMeasurableError("features of the samples are not finite")
            yield seen
            left -= len(chunk[:left])
            if left <= 0:
                return


def checked(found: object, count: int, network: nn.Module) -> dict[str, Tensor]:
    """What a feature network gave: features ``(N, D)`` and perhaps logits ``(N, K)``.

    Raises:
        PluginError: It gave something else.
    """
    named = {"features": found} if isinstance(found, Tensor) else found
    good = isinstance(named, dict) and "features" in named
    if good:
        assert isinstance(named, dict)
        kept = {name: named[name] for name in ("features", "logits") if name in named}
        shapes = [isinstance(v, Tensor) and v.dim() == 2 and len(v) == count for v in kept.values()]
        if all(shapes):
            return kept
    raise PluginError(
        f"feature network {type(network).__name__} must give features (N, D), or a dict of "
        "'features' (N, D) and 'logits' (N, K)"
    )
