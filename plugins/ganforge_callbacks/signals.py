"""The vital signs of a run, taken at a step now and then."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganforge.api import Run, Values

CLASSIFIED = 32
"""Fakes that are classified each time, and reals that are classified once."""

OBSERVED = ("loss", "accuracy", "separation", "diversity", "r_t")
"""What the engine observes of a watched step, beside the norms of gradients."""


TOO_SHORT = 1e-6
"""Weights that start at 0 have no length to grow from."""


class Weights:
    """How fast a network's weights change, and how far they have grown.

    Args:
        network: The network.
        first: The length of its weights at the start of the run, or None if that is now.
    """

    def __init__(self, network: nn.Module, first: float | None) -> None:
        self._parameters = list(network.parameters())
        self.first = float(self._norm()) if first is None else first
        self._before: list[Tensor] = []

    def remember(self) -> None:
        """The weights before the step that is watched."""
        self._before = [p.detach().clone() for p in self._parameters]

    def signs(self) -> dict[str, Tensor]:
        """``growth``: the length of all weights beside that at the start of the run; and
        ``update``: the length of the last step's change beside that of the weights."""
        if not self._parameters or self.first < TOO_SHORT:
            return {}
        found = {"growth": self._norm() / self.first}
        if self._before:
            now = [p.detach() for p in self._parameters]
            change = _length(torch._foreach_sub(now, self._before))
            found["update"] = change / _length(self._before).clamp(min=1e-12)
            self._before = []
        return found

    def _norm(self) -> Tensor:
        return _length([p.detach() for p in self._parameters])


def _length(tensors: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    if not tensors:
        return torch.zeros(())
    length: Tensor = torch.stack(torch._foreach_norm([t.float() for t in tensors])).norm()
    return length


class Signals:
    """Takes the vital signs of a run.

    Args:
        run: The run.
        first: The lengths of the networks' weights at its start, or nothing if that is now.
    """

    def __init__(self, run: Run, first: Mapping[str, float]) -> None:
        networks = run.trainer.networks
        self._weights = {name: Weights(net, first.get(name)) for name, net in networks.items()}
        self._terms = {
            f"{phase.name}/{term.name}" for phase in run.trainer.phases for term in phase.terms
        }
        self._classifier: nn.Module | None = None
        self._real_entropy = torch.zeros(())
        if run.trainer.game.samples_of == "latents":
            self._prepare_classes(run)

    @property
    def first(self) -> dict[str, float]:
        """The lengths of the networks' weights at the start of the run."""
        return {name: weights.first for name, weights in self._weights.items()}

    def before(self) -> None:
        """Before the step that is watched."""
        for weights in self._weights.values():
            weights.remember()

    def take(self, run: Run, values: Values, *, classes: bool) -> dict[str, float]:
        """All signs by name, after the step that was watched; one wait for an accelerator.

        Args:
            run: The run.
            values: What the step measured.
            classes: Whether fakes are made and classified, which takes most of the time.
        """
        found: dict[str, Tensor] = {
            key: value
            for key, value in values.items()
            if key.rpartition("/")[2] in OBSERVED or "/gradient_" in key
        }
        found |= {f"term {key}": value for key, value in values.items() if key in self._terms}
        for name, weights in self._weights.items():
            found |= {f"{sign}_{name}": value for sign, value in weights.signs().items()}
        if classes:
            found |= self._classes(run)
        numbers = torch.stack([value.detach().float().cpu() for value in found.values()])
        return dict(zip(found, numbers.tolist(), strict=True))

    def _prepare_classes(self, run: Run) -> None:
        network = run.facts.feature_network()
        if network is None:
            return
        real = run.facts.examples(CLASSIFIED).samples
        network = network.to(real.device).eval()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.no_grad():
            said = network(real)
        if isinstance(said, dict) and "logits" in said:
            self._classifier, self._real_entropy = network, entropy(said["logits"])

    @torch.no_grad()
    def _classes(self, run: Run) -> Mapping[str, Tensor]:
        """How varied the classes of fakes are, beside those of reals: 1 if they are as much so."""
        if self._classifier is None or self._real_entropy < 0.1:
            return {}
        trainer, step = run.trainer, run.clock.step
        latents = trainer.latent.sample(CLASSIFIED, trainer.streams.generator("health", step))
        fakes = run.sample(latents, averaged=False)
        found = entropy(self._classifier(fakes)["logits"])
        return {"class_variety": found / self._real_entropy}


def entropy(logits: Tensor) -> Tensor:
    """The entropy, in nats, of the mean of the classes' probabilities ``(N, K)``."""
    shares = logits.float().softmax(dim=1).mean(dim=0)
    total: Tensor = torch.special.entr(shares).sum()
    return total
