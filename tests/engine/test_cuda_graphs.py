"""CUDA graphs of whole phases, where there is a GPU: the numbers are those of plays anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch

from ganforge import build
from ganforge.engine.recording import CudaRecorder
from ganforge.engine.trainer import Trainer
from ganforge.plugins import load_registry
from ganforge.recipe.load import load
from ganforge.recipe.shipped import folder

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
STEPS = 12
RECIPES = {
    "mnist_dcgan": ("train.precision=fp32",),
    "mnist_r1": ("train.precision=fp32", "regularizers.0.every=3"),
    "mnist_wgan_gp": ("train.precision=fp32", "game.d_steps=2"),
    "mnist_cgan": ("train.precision=fp32",),
    "mnist_pix2pix": ("train.precision=bf16",),  # with dropout
    "mnist_diffaugment": ("train.precision=bf16",),
}


def trainer_of(name: str, *overrides: str) -> Trainer:
    given = ["train.batch_size=32", *overrides]
    recipe, _ = load(folder() / f"{name}.yaml", load_registry(), given)
    return build.prepare(recipe, device=torch.device("cuda")).trainer


@on_gpu
@pytest.mark.parametrize("name", RECIPES)
def test_the_numbers_are_those_of_plays_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replays = []
    record = CudaRecorder.record

    def counted(recorder, function):  # type: ignore[no-untyped-def]
        result, again = record(recorder, function)
        return result, lambda: (replays.append(name), again())

    monkeypatch.setattr(CudaRecorder, "record", counted)
    anew = trainer_of(name, *RECIPES[name])
    recorded = trainer_of(name, *RECIPES[name], "train.cuda_graphs=true")
    tolerance = 1e-1 if "train.precision=bf16" in RECIPES[name] else 2e-2  # it grows by the step
    for step in range(STEPS):
        wanted, found = dict(anew.step().items()), dict(recorded.step().items())
        assert wanted.keys() == found.keys()
        for key, value in wanted.items():
            assert float(found[key]) == pytest.approx(float(value), rel=tolerance, abs=tolerance), (
                f"{key} of step {step + 1}"
            )
    recorded.judge.settle()
    assert recorded.take_notices() == []
    assert len(replays) >= 2 * (STEPS - 4)


@on_gpu
def test_what_waits_is_played_without_and_the_run_goes_on() -> None:
    recorded = trainer_of("mnist_dcgan", "train.cuda_graphs=true")
    network = recorded.networks["discriminator"]
    network.register_forward_hook(lambda _, inputs, scores: scores * scores.isfinite().all().item())
    for _ in range(STEPS):
        recorded.step()
    recorded.judge.settle()
    assert all("is played without a CUDA graph: " in line for line in recorded.take_notices())
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


class Gpu:
    """What the recorder needs of ``torch.cuda``, and in which order it uses it."""

    def __init__(self) -> None:
        self.current = "usual"
        self.done: list[str] = []

    def stand_in(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(torch.cuda, "Stream", lambda device: "beside")
        patch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        patch.setattr(torch.cuda, "current_stream", lambda device: self.current)
        patch.setattr(torch.cuda, "set_stream", lambda stream: setattr(self, "current", stream))
        patch.setattr(torch.cuda, "device", lambda device: nullcontext())
        patch.setattr(torch.cuda, "graph", self.capture)

    def replay(self) -> None:
        self.done.append("replay")

    @contextmanager
    def capture(self, graph: Gpu, *, stream: str, capture_error_mode: str) -> Iterator[None]:
        self.current = stream  # as torch's own, it does not come back from here if this fails
        yield
        self.done.append(f"recorded {capture_error_mode}")
        self.current = "usual"


def test_a_record_that_fails_leaves_the_usual_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu()
    gpu.stand_in(monkeypatch)
    recorder = CudaRecorder(torch.device("cuda"))
    result, again = recorder.record(lambda: gpu.current)
    assert (result, gpu.current, gpu.done) == ("beside", "usual", ["recorded thread_local"])
    again()
    assert gpu.done[1:] == ["replay"]

    def fails() -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        recorder.record(fails)
    assert gpu.current == "usual"
