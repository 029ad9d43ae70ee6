"""Checks of discriminators: samples to logits, or to a dict with ``logits`` and more heads."""

from __future__ import annotations

import torch
from torch import Tensor

from ganforge.testing import bench as benches
from ganforge.testing.bench import Bench
from ganforge.testing.findings import Wrong, checks
from ganforge.testing.gradients import double_backward, input_gradients, parameter_gradients
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


def output_shape(bench: Bench) -> None:
    """One logit for each sample, or a map of them; every other head has N rows as well."""
    count = benches.BATCH if bench.references else 0
    for shape, outputs in bench.outputs.items():
        for mode, heads in outputs.items():
            logits = heads["logits"]  # (N,) already where there is one a sample
            is_map = logits.dim() == 4 and logits.shape[:2] == (count, 1)
            if logits.shape != (count,) and not is_map:
                raise Wrong(
                    f"{count} samples {shape} get logits {tuple(logits.shape)} in {mode} mode",
                    "Give back one number for each sample, (N,) or (N, 1), or a map (N, 1, h, w); "
                    "classes are a head of their own: "
                    '{"logits": logits, "class_logits": class_logits}.',
                )
            odd = [name for name, head in heads.items() if not head.dim() or len(head) != count]
            if odd:
                raise Wrong(
                    f"its head '{odd[0]}' has the shape {tuple(heads[odd[0]].shape)} for {count} "
                    "samples",
                    "Let the first dimension of every head be the samples.",
                )


def unbounded_logits(bench: Bench) -> None:
    """The scores are no probabilities: losses apply the sigmoid themselves."""
    shape = bench.references[0]
    samples = torch.cat(
        [bench.inputs(shape), bench.inputs(shape, seed=1) * 0.1, -torch.ones(1, *shape)]
    )
    scores: list[Tensor] = []
    for number in range(3):
        network = bench.fresh(shape, seed=benches.SEED + number)
        scores.append(bench.eval_call(network, samples)["logits"].flatten())
        with amplified(network):
            scores.append(bench.eval_call(network, samples)["logits"].flatten())
    together = torch.cat(scores).nan_to_num()
    if together.min() >= 0.0 and together.max() <= 1.0 and together.min() < together.max():
        raise Wrong(
            "its scores lie in [0, 1], however large the weights: they look like probabilities",
            "Take the sigmoid away from the end: losses work on logits.",
        )


CHECKS = checks(
    benches.build,
    benches.forward_arguments,
    benches.call,
    output_shape,
    output_dtype,
    output_finite,
    unbounded_logits,
    eval_deterministic,
    batch_of_one,
    parameter_gradients,
    input_gradients,
    double_backward,
    input_untouched,
    state_dict,
    without_classes,
    seed_decides,
    copyable,
    device,
    global_state,
)
