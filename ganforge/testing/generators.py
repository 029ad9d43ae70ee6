"""Checks of generators: latents ``(N, latent_dim)`` to samples ``(N, C, H, W)`` in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.testing import bench as benches
from ganforge.testing.bench import Bench
from ganforge.testing.findings import Remark, Unchecked, Wrong, checks
from ganforge.testing.gradients import input_gradients, parameter_gradients
from ganforge.testing.networks import (
    amplified,
    batch_of_one,
    copyable,
    device,
    eval_deterministic,
    global_state,
    input_untouched,
    output_dtype,
    output_finite,
    seed_decides,
    state_dict,
    without_classes,
)

ROUNDING = 1e-3


def output_shape(bench: Bench) -> None:
    """As many samples as latents, each of the shape that the data have."""
    sized = bool(bench.references) and bench.asks_for_shape
    for shape, outputs in bench.outputs.items():
        for mode, heads in outputs.items():
            found = tuple(heads["samples"].shape)
            if sized and found != (benches.BATCH, *shape):
                raise Wrong(
                    f"asked for samples {shape}, it makes {found} of {benches.BATCH} inputs in "
                    f"{mode} mode",
                    "Make samples (N, *image_shape), or raise ganforge.api.UsageError in the "
                    "constructor where the architecture has no such size.",
                )
            if not sized and (len(found) < 2 or found[0] != benches.BATCH):
                raise Wrong(
                    f"it makes {found} of {benches.BATCH} inputs in {mode} mode",
                    "Make one sample of each: (N, C, H, W).",
                )
            if not sized:
                raise Remark(f"it does not ask for image_shape, so it fits data {found[1:]} only")


def output_range(bench: Bench) -> None:
    """Images are in [-1, 1], as the data are, and stay there however large the weights get."""
    for shape in bench.references:
        network, inputs = bench.shared(shape), bench.inputs(shape)
        usual = bench.eval_call(network, inputs)["samples"]
        if usual.dim() != 4:
            raise Unchecked("these are no images, and their numbers may be any")
        with amplified(network):
            grown = bench.eval_call(network, inputs)["samples"]
        both = torch.cat([usual, grown]).nan_to_num()
        low, high = both.min().item(), both.max().item()
        if low < -1.0 - ROUNDING or high > 1.0 + ROUNDING:
            at_once = usual.nan_to_num().abs().max().item() > 1.0 + ROUNDING
            when = "" if at_once else " once its weights have grown"
            raise Wrong(
                f"samples reach from {low:.3g} to {high:.3g}{when}; images lie in [-1, 1]",
                "End the network with nn.Tanh().",
            )
        if low >= 0.0 and high > low:
            raise Wrong(
                f"samples reach from {low:.3g} to {high:.3g} and are never negative; images lie in "
                "[-1, 1]",
                "End the network with nn.Tanh(), or give back 2 * x - 1 of what lies in [0, 1].",
            )


def latents_matter(bench: Bench) -> None:
    """Other latents make other samples."""
    shape = bench.references[0]
    network = bench.shared(shape)
    inputs = bench.inputs(shape)
    samples: Tensor = bench.eval_call(network, inputs, **bench.alike(inputs))["samples"]
    if len(samples) > 1 and all(torch.equal(samples[0], other) for other in samples[1:]):
        raise Wrong(
            "different latents make one and the same sample",
            "Look for an activation that is saturated from the start, or weights that are all 0.",
        )


CHECKS = checks(
    benches.build,
    benches.forward_arguments,
    benches.call,
    output_shape,
    output_dtype,
    output_finite,
    output_range,
    latents_matter,
    eval_deterministic,
    batch_of_one,
    parameter_gradients,
    input_gradients,
    input_untouched,
    state_dict,
    without_classes,
    seed_decides,
    copyable,
    device,
    global_state,
)
