"""A plugin with a callback that keeps its contract."""

import sys
from pathlib import Path

import torch

from ganforge import Register, hookimpl
from ganforge.api import Callback, Every, Run, Values


@hookimpl
def register_callbacks(register: Register) -> None:
    register("acme", "acme_callback:Brightness", summary="how bright the samples are")


class Brightness(Callback):
    """Keeps the mean of some samples, and shows it.

    Args:
        every: How often.
    """

    def __init__(self, *, every: Every = Every(2)) -> None:
        self.every = every
        self.means = []

    def on_step(self, run: Run, values: Values) -> None:
        if self.every.due(run.clock):
            samples = run.sample(run.fixed_latents(4))
            self.means.append(samples.mean().item())
            if not run.facts.quiet:
                print(self.means[-1], file=sys.stderr)  # noqa: T201

    def on_end(self, run: Run) -> None:
        Path(run.folder, "means.txt").write_text(f"{self.means}\n")

    def state_dict(self) -> dict:
        return {"means": torch.tensor(self.means)}

    def load_state_dict(self, state: dict) -> None:
        self.means = state["means"].tolist()
