"""Checks of encoders: samples to latents ``(N, latent_dim)``, or to the codes in them."""

from __future__ import annotations

from ganforge.testing import bench as benches
from ganforge.testing.bench import Bench
from ganforge.testing.findings import Wrong, checks
from ganforge.testing.gradients import input_gradients, parameter_gradients
from ganforge.testing.networks import (
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
    """A row for each sample, as long as what the constructor asks for."""
    asked = bench.subject.known_signature().injected
    lengths = {
        "latent_dim": benches.LATENT.size,
        "code_dim": benches.CODES,
        "num_classes": benches.NUM_CLASSES,
    }
    due = {name: length for name, length in lengths.items() if name in asked}
    for shape, outputs in bench.outputs.items():
        for mode, heads in outputs.items():
            for name, head in heads.items():
                if head.dim() == 0 or len(head) != benches.BATCH:
                    raise Wrong(
                        f"{benches.BATCH} samples {shape} get '{name}' {tuple(head.shape)} in "
                        f"{mode} mode",
                        "Let the first dimension of every output be the samples.",
                    )
            found = tuple(heads["codes"].shape[1:])
            if due and found not in [(length,) for length in due.values()]:
                told = " or ".join(f"{length} ({name})" for name, length in due.items())
                raise Wrong(
                    f"a sample {shape} becomes {found} numbers; the constructor asks for {told}",
                    "Make one row a sample, as long as latent_dim or code_dim says.",
                )


CHECKS = checks(
    benches.build,
    benches.forward_arguments,
    benches.call,
    output_shape,
    output_dtype,
    output_finite,
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
