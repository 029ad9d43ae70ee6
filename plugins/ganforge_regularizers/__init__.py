"""The hook module of the penalties on the discriminator."""

from ganforge import Register, hookimpl


@hookimpl
def register_regularizers(register: Register) -> None:
    module = "ganforge_regularizers.gradients"
    register("r1", f"{module}:R1", summary="gradient of D at real samples (Mescheder 2018)")
    register("gradient_penalty", f"{module}:GradientPenalty", summary="WGAN-GP (Gulrajani 2017)")
